// Random patterns: JavaScript accepts in `u` mode every pattern that the
// compiler accepts, and the runtime finds it where JavaScript does, with PCRE2
// and with its automaton.
//
//   PATTERNS=N SEED=N ZOCKETC=… PATTERN_MATCH=… node --test patterns.test.js
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { texts as samples } from "./schemas/samples.mjs";

const { ZOCKETC, PATTERN_MATCH, PATTERNS = "1500", SEED = "1" } = process.env;
const AT_ONCE = 90; // the compiler stops at a hundred mistakes

let state = BigInt(SEED);
function below(n) {
  state = (state * 6364136223846793005n + 1442695040888963407n) & 0xffffffffffffffffn;
  return Number(state >> 33n) % n;
}
const pick = (list) => list[below(list.length)];
const some = (n, make) => Array.from({ length: n }, make).join("");

const letters = ["a", "b", "b", "x", "K", "é", "😀", " ", "-", "_", "0", ",", "#", "&", "'", "\"", "~", "ſ"];
const classes = ["\\s", "\\S", "\\d", "\\D", "\\w", "\\W"];
const escapes = ["\\t", "\\n", "\\r", "\\v", "\\f", "\\0", "\\x41", "\\u00e9", "\\u{1F600}", "\\u{a0}", "\\\\",
  "\\/", "\\.", "\\*", "\\$", "\\^", "\\[", "\\]", "\\{", "\\}", "\\(", "\\)", "\\|", "\\+", "\\?", "\\u2028"];
// Syntax that the two might read differently; most of it is refused.
const doubtful = ["{", "}", "]", ")", "(", "\\-", "\\_", "\\p{L}", "\\k<a>", "(?<=a)", "(?<a>b)", "(?i)a", "[[:alpha:]]", "[^]",
  "[]a]", "\\1", "a*+", "a++", "[a&&b]", "[a-\\d]", "[z-a]", "\\cA", "\\Q.\\E", "(*UTF)", "\\x{41}", "\\h", "\\R", "\\ud83d\\ude00",
  "\\ud83d", "\\x4", "\\u{110000}", "\\00", "\\8", "\\e", "\\a", "\\A", "\\z", "\\Z", "\\G", "\\N", "\\X", "\\K", "(?#x)", "(?|a)",
  "(?>a)", "[\\b]", "[^\\b]", "[\\-a]", "[a-]", "[-a]", "[\\d-x]", "[[]", "[[a]", "[a[:b]", "[.a.]", "[=a=]", "{1}", "a{,2}", "a{1,",
  "^*", "$+", "\\b?", "(?=a)*", "(?!a){2}", "x{0}", "[\\B]", "[^\\S\\s]", "[\\W\\w]", "\\u{0}", "[|]", "[a||b]", "a{01}", "a{1001}"];

const member = () => pick([
  () => pick(letters.filter((c) => c !== "-")), () => pick(classes), () => pick(escapes),
  () => pick(["a-z", "0-9", "A-F", "à-ü", "😀-😎", "\\0-\\x1f", "\\u2000-\\u200b", " -~", "\\t-\\r"]),
])();
const set = () => `[${pick(["", "", "^"])}${some(1 + below(3), member)}]`;
const quantifier = () => pick(["", "", "", "", "*", "+", "?", "{2}", "{1,}", "{0,2}", "{2,3}", "*?", "+?", "??", "{1,2}?", "{0}"]);
const atom = () => pick([
  () => pick(letters), () => pick(letters), () => ".", () => pick(classes), () => pick(escapes), set, set,
])();
// Deep repetition would only reach the limit of steps, which JavaScript lacks.
const group = (depth) =>
  `${pick(["(", "(?:"])}${alternatives(depth + 1)})${depth > 0 ? pick(["", "", "?", "{0}", "{2}", "??"]) : quantifier()}`;
const term = (depth) => {
  const roll = below(40);
  if (roll === 0) return pick(doubtful);
  if (roll < 4) return pick(["^", "$", "\\b", "\\B"]);
  if (roll < 6 && depth < 3) return `(?${pick(["=", "!"])}${alternatives(depth + 1)})`;
  return roll < 12 && depth < 3 ? group(depth) : atom() + quantifier();
};
const alternatives = (depth) =>
  Array.from({ length: pick([1, 1, 1, 2, 3]) }, () => some(below(4), () => term(depth))).join("|");

function pattern() {
  for (;;) {
    const source = `${pick(["", "^"])}${alternatives(0)}${pick(["", "$"])}`;
    // An empty pattern, or a pattern that begins with '*', would be a comment.
    if (source !== "" && !source.startsWith("*") && !source.startsWith("/")) return source;
  }
}

const texts = samples.filter((t) => t.length <= 8);
const word = () => some(below(7), () => pick([...letters, "\t", "\n", "\r", "\u00a0", "\u2028", "A", "\u0000", "/", "]", "\u3000"]));

/** Returns the compiler's patterns for PCRE2; undefined if refused. */
function lower(sources) {
  const compile = (kept) => spawnSync(ZOCKETC, ["--model", "-", "-"], {
    input: `app p; actor a {\n${sources.map((s, i) => (kept[i] ? `method m${i}: string(/${s}/);` : "")).join("\n")}\n}\n`,
    encoding: "utf8",
    maxBuffer: 1 << 28,
  });
  const kept = sources.map(() => true);
  let run = compile(kept);
  for (const [, line] of run.stderr.matchAll(/^[^\n:]+:(\d+):\d+: error: /gm)) kept[line - 2] = false;
  run = compile(kept);
  assert.equal(run.status, 0, run.stderr);
  const lowered = [];
  for (const { name, input } of JSON.parse(run.stdout).actors[0].methods) {
    lowered[name.slice(1)] = input.patterns[0].pcre2;
  }
  return lowered;
}

/** ECMA-262, section 22.2.7.2, steps over pairs; nothing begins in one. */
const isInsidePair = (text, i) => /^[\ud800-\udbff][\udc00-\udfff]$/.test(text.slice(i - 1, i + 1));

const hex = (text) => Buffer.from(text).toString("hex");

test("random patterns find the same", () => {
  let taken = 0, matches = 0;
  for (let left = Number(PATTERNS); left > 0; left -= AT_ONCE) {
    const sources = Array.from({ length: AT_ONCE }, pattern);
    const words = [...texts, ...Array.from({ length: 60 }, word)];
    const lowered = lower(sources);
    const kept = sources.map((_, i) => i).filter((i) => lowered[i] !== undefined);
    const lines = kept.flatMap((i) => [`p ${hex(lowered[i])}`, ...words.map((t) => `t ${hex(t)}`)]);
    const run = spawnSync(PATTERN_MATCH, { input: `${lines.join("\n")}\n`, encoding: "utf8", maxBuffer: 1 << 28 });
    assert.equal(run.status, 0, run.stderr);
    const found = run.stdout.split("\n");
    kept.forEach((i, k) => {
      const expression = new RegExp(sources[i], "u");
      words.forEach((text, t) => {
        const match = expression.exec(text);
        const wanted = match !== null;
        if (wanted && isInsidePair(text, match.index)) return; // V8's error
        const said = found[k * words.length + t];
        assert.equal(said, wanted ? "1" : "0", `/${sources[i]}/ in ${JSON.stringify(text)}: ${lowered[i]}`);
        matches += wanted;
      });
    });
    taken += kept.length;
  }
  assert.ok(taken > PATTERNS / 2 && matches > taken, `${taken} taken, ${matches} matches`);
});
