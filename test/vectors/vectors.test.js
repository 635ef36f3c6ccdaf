// The vectors of strings, by JavaScript alone: the rules of each group, from
// `zocketc --model`, are applied by String.prototype.trim, code points and
// regular expressions in `u` mode.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { test } from "node:test";

const { ZOCKETC, VECTORS_SCHEMA } = process.env;
const run = spawnSync(ZOCKETC, ["--model", "-", VECTORS_SCHEMA], { encoding: "utf8", maxBuffer: 1 << 28 });
assert.equal(run.status, 0, run.stderr);
const model = JSON.parse(run.stdout);

// The formats are patterns in the compiler's table; its C strings are JSON
// strings, too.
const table = readFileSync(new URL("../../zocketc/schema/formats.def", import.meta.url), "utf8");
const formats = Object.fromEntries(
  [...table.matchAll(/^F\(("\w+"), (".*")\)$/gm)].map((m) => m.slice(1).map(JSON.parse)),
);

/** The compiler's pattern for PCRE2, which JavaScript reads alike. */
const lowered = ({ pcre2 }) => new RegExp(pcre2.replaceAll("\\x{", "\\u{"), "u");
const written = ({ pattern, format }) => new RegExp((pattern ?? formats[format]).slice(1, -1), "u");

function judge(rules, text) {
  if (!text.isWellFormed()) return { issues: ["invalid_format"] };
  let value = rules.trim ? text.trim() : text;
  if (rules.lower) value = value.replace(/[A-Z]/g, (c) => c.toLowerCase());
  if (rules.upper) value = value.replace(/[a-z]/g, (c) => c.toUpperCase());
  const length = [...value].length;
  const issues = [];
  if (length < (rules.min ?? 0)) issues.push("too_small");
  if (length > (rules.max ?? Infinity)) issues.push("too_big");
  for (const pattern of rules.patterns ?? []) {
    const found = written(pattern).test(value);
    assert.equal(lowered(pattern).test(value), found, `${pattern.pcre2} of ${JSON.stringify(value)}`);
    if (!found) issues.push("invalid_format");
  }
  return issues.length > 0 ? { issues } : { value };
}

let judged = 0;
let rounded = 0;
for (const { name, methods } of model.actors) {
  const { groups } = JSON.parse(readFileSync(new URL(`${name}.json`, import.meta.url), "utf8"));
  groups.forEach(({ type, cases }, i) => {
    const { input } = methods[i];
    if (input.kind !== "float32") return;
    test(`${name}: ${type}`, () => {
      for (const { json, value, issues } of cases) {
        const number = JSON.parse(json);
        if (typeof number !== "number" || !Number.isFinite(number)) continue;
        const single = Math.fround(number);
        const low = Math.fround(input.min ?? input.above ?? -3.4028235e38);
        const high = Math.fround(input.max ?? input.below ?? 3.4028235e38);
        const good = (input.above === undefined ? single >= low : single > low) &&
          (input.below === undefined ? single <= high : single < high);
        assert.equal(good, issues === undefined, json);
        if (good) assert.equal(single + 0, Math.fround(value), json);
        rounded++;
      }
    });
  });
}
test("floats were rounded", () => assert.ok(rounded > 20, `${rounded}`));
for (const name of ["strings", "patterns", "formats"]) {
  const { groups } = JSON.parse(readFileSync(new URL(`${name}.json`, import.meta.url), "utf8"));
  const { methods } = model.actors.find((actor) => actor.name === name);
  groups.forEach(({ type, cases }, i) => {
    test(`${name}: ${type}`, () => {
      const { input } = methods[i];
      for (const { json, value, issues } of cases) {
        const text = JSON.parse(json);
        if (typeof text !== "string") continue;
        const expected = issues === undefined ? { value } : { issues: issues.map(({ code }) => code) };
        assert.deepEqual(judge(input.kind === undefined ? {} : input, text), expected, json);
        judged++;
      }
    });
  });
}
test("all of them were strings", () => assert.ok(judged > 1000, `${judged}`));
