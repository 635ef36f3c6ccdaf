// Writes a random schema that zocketc must accept, with every construct of the
// language, and the program that tests it (see driver.c).
//
//   node generate.mjs SEED DIR
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { codePoints, formats, isLowered, isMatch, isTrimmed, isUppered, patterns, texts } from "./samples.mjs";

const [seed, dir] = process.argv.slice(2);

/* ---- random numbers ---- */

let state = BigInt(seed) * 2654435761n + 1n;
function below(n) {
  state = (state * 6364136223846793005n + 1442695040888963407n) & 0xffffffffffffffffn;
  return Number(state >> 33n) % n;
}
const pick = (list) => list[below(list.length)];
const chance = (percent) => below(100) < percent;
const some = (n, make) => Array.from({ length: n }, (_, i) => make(i));

/* ---- names ---- */

// Names that C, C++, their headers, the generated code or JavaScript might
// reserve.
const odd = (
  "alignas and asm auto bool break case catch char class compl concept const constexpr continue " +
  "decltype default delete do double else enum errno explicit export extern false float for friend " +
  "goto if inline int linux long mutable namespace new noexcept not nullptr offsetof operator or " +
  "private protected public register return short signed sizeof static stderr stdin stdout struct " +
  "switch template this thread_local throw true try typedef typeid typename typeof union unix " +
  "unsigned using virtual void volatile wchar_t while xor i386 NULL EOF INT32_MAX assert restrict " +
  "call state private_state zkt in out index count items item key value len has ref at user reader writer " +
  "object text name size handle reply result error status event method on app import strict type " +
  "map null check use by actor stream timer limit to from issues context base path depth main " +
  "printf malloc free memcpy strlen uint8_t size_t FILE BUFSIZ signal time abs y0 j1 index_ " +
  "camelCase snake_case HTTPServer x1 a1B2 aLongerNameThanMostPeopleWouldLikeToReadInAnyLineOfC " +
  "toJSON valueOf hasOwnProperty length arguments eval let var function undefined async await " +
  "_under trailing_ Capital ALLCAPS i18n utf8 no2 T4u"
).split(" ");

// Names of fields that are no identifiers: on the wire, in pointers, in C strings.
const quoted = [
  "user-name", "a/b", "m~n", "~a0", "x~1y", "\"q\"", "back\\slash", "two words", "@id", "$ref", "naïve", "日本x", "😀face",
  "x.y", "#hash", "per%cent%s", "it's", "<tag>", "*/ end", "/* begin", "// line", "??/ tri", "a,b:c{d}", "-x1", "`tick|`",
];
const fieldNames = [...odd, ...quoted, ...quoted];

const flat = (name) => name.replace(/[^A-Za-z0-9]+/g, "").toLowerCase();

/** Returns a source of names that differ in C. */
function scope(...taken) {
  const used = new Set(taken.map(flat));
  return (bases = odd, not = []) => {
    for (let i = 0; ; i++) {
      const base = pick(bases);
      const name = i < 8 ? base : `${base}${below(1000)}`;
      if (!used.has(flat(name)) && !not.includes(name)) {
        used.add(flat(name));
        return name;
      }
    }
  };
}

const discriminators = ["kind", "tag", "__t", "variety", "type", "the/kind", "~ \"it\""];

function doc(indent = "") {
  const lines = ["Plain.", "Ends: */ and opens /* it.", "??/ \\", "\"quoted\" ünïcödé 😀", "%d %s ${x}", "// /// /*"];
  return chance(25) ? some(1 + below(2), () => `${indent}/// ${pick(lines)}\n`).join("") : "";
}

/* ---- types: { text, literal(): a default or null, flat, comparable } ---- */

const texty = (s) => JSON.stringify(s).replace(/[\u007f-\uffff]/g, (c) =>
  chance(20) ? `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}` : c)
  // The halves of a surrogate pair are both escaped, or neither.
  .replace(/\\u(d[89ab]..)([\udc00-\udfff])/g, (_, a, b) => `\\u${a}\\u${b.charCodeAt(0).toString(16)}`)
  .replace(/([\ud800-\udbff])\\u(d[c-f]..)/g, (_, a, b) => `\\u${a.charCodeAt(0).toString(16)}\\u${b}`);

// The ranges of integers, by the table of the compiler and the runtime.
const table = readFileSync(new URL("../../../runtime/include/zocket/scalars.def", import.meta.url), "utf8");
const ranges = Object.fromEntries(
  [...table.matchAll(/^ZKT_SCALAR\(\w+, (\w+), (?:INTEGER|TIME), "[^"]*", ([^,]+),\s+([^,]+),/gm)].map(
    ([, word, min, max]) => [word, [Number(min), Number(max)]],
  ),
);

function integer(name) {
  let [min, max] = ranges[name];
  const rules = [];
  if (name !== "timestamp" && chance(50)) {
    const low = Math.max(min, pick([-1000, -5, -1, 0, 0, 1, 7, min]));
    const high = Math.min(max, low + pick([0, 1, 9, 100, 5000, max]));
    const shape = below(6);
    if (shape === 0) rules.push(`${low}..`), (min = low);
    if (shape === 1) rules.push(`..${high}`), (max = high);
    if (shape === 2) rules.push(`${low}..${high}`), ([min, max] = [low, high]);
    if (shape === 3 && low === high) rules.push(`${low}`), (min = max = low);
    if (shape === 4 && low < max) rules.push(`>${low}`), (min = low + 1);
    if (shape === 5 && high > min) rules.push(`<${high}`), (max = high - 1);
    const step = pick([1, 2, 3, 5, 10, 1000]);
    if (chance(40) && Math.floor(max / step) * step >= min) rules.push(`%${step}`);
  }
  const step = Number(rules.find((r) => r[0] === "%")?.slice(1) ?? 1);
  const literal = () => {
    const low = Math.ceil(min / step), high = Math.floor(max / step);
    const k = pick([low, high, Math.min(high, Math.max(low, below(9) - 4))]);
    return `${k * step + 0}`;
  };
  return { text: withRules(name, rules), literal, flat: true, comparable: max - min > 20 * step };
}

function real() {
  const name = pick(["float64", "float32"]);
  const [low, high] = pick([[0, 1], [-1, 1], [0.5, 64], [-1.5e3, 1e21], [0, 1e-7], [-4.25, -4]]);
  const show = (n) => {
    const text = `${n}`;
    return text.includes("e") ? text.replace("e+", "e") : text;
  };
  const forms = [
    [[], [-7, 0, 0.5, 1e3]],
    [[`${show(low)}..${show(high)}`], [low, high]],
    [[`>${show(low)}`], [low + 1, high]],
    [[`>${show(low)}`, `<${show(high)}`], [low + (high - low) / 2]],
    [[`..${show(high)}`], [high, high - 1]],
    [[`${show(low)}..`, `<${show(high)}`], [low]],
  ];
  const [rules, values] = pick(forms);
  return { text: withRules(name, rules), literal: () => show(pick(values)), flat: true, comparable: rules.length === 0 };
}

const withRules = (name, rules) => (rules.length > 0 ? `${name}(${rules.join(pick([", ", ","]))})` : name);

function stringRules() {
  const rules = [];
  let min = 0, max = Infinity;
  const found = [];
  if (chance(25)) rules.push("trim");
  if (chance(30)) rules.push(pick(["lower", "upper"]));
  if (chance(50)) {
    min = pick([0, 0, 1, 2, 3]);
    max = min + pick([0, 1, 3, 10, 36, 64]);
    rules.push(pick([`${min}..${max}`, `..${max}`, `${min}..`, min === max ? `${min}` : `${min}..${max}`]));
    if (rules.at(-1).startsWith("..")) min = 0;
    if (rules.at(-1).endsWith("..")) max = Infinity;
  }
  for (let n = pick([0, 0, 0, 1, 1, 2]); n > 0; n--) {
    const shown = chance(25) ? pick(Object.keys(formats)) : pick(patterns);
    if (!(shown in formats) || !found.includes(shown)) found.push(shown);
  }
  rules.push(...found);
  const good = texts.filter(
    (t) => codePoints(t) >= min && codePoints(t) <= max && found.every((p) => isMatch(p, t)) &&
      (!rules.includes("trim") || isTrimmed(t)) && (!rules.includes("lower") || isLowered(t)) && (!rules.includes("upper") || isUppered(t)),
  );
  return { rules, good };
}

function string() {
  let made;
  do {
    made = stringRules();
  } while (made.good.length === 0);
  const { rules, good } = made;
  return {
    text: withRules("string", rules),
    literal: () => texty(pick(good)),
    flat: true,
    comparable: good.length > 8,
    good,
  };
}

function bytes() {
  const min = pick([0, 0, 1, 2, 3, 4]), max = min + pick([0, 1, 5, 1024]);
  const [rules, low, high] = pick([
    [[], 0, 8], [[`..${max}`], 0, max], [[`${min}..${max}`], min, max], [[`${min}..`], min, min + 9],
    [["..1KiB"], 0, 8], [["..2MiB"], 0, 8], [["1B..64KiB"], 1, 8],
  ]);
  const literal = () => {
    const len = Math.min(high, low + below(4));
    return `"${Buffer.from(some(len, () => below(256))).toString("base64")}"`;
  };
  return { text: withRules("bytes", rules), literal, flat: true };
}

const json = () => ({
  text: "json",
  literal: () => pick(["null", "true", "[]", "{}", "-1.5e3", "{ a: [1, null], \"b c\": \"x\\u0000\" }", "[[[]], {}]"]),
  flat: true,
});

const bool = () => ({ text: "bool", literal: () => pick(["true", "false"]), flat: true });

/* ---- declarations ---- */

// Types and actors share a namespace in C. An actor called private has a
// private_state.
const topName = scope("string", "bytes", "bool", "json", "map", "stream", "connection", "middleware", "clientId", "on", "then", "user", "private_state");
const declared = { enums: [], structs: [], unions: [], aliases: [] };
const declarations = []; // texts

const typeNames = odd.filter((n) => !["bool", "map", "stream", "true", "false"].includes(n));

function makeEnum() {
  const name = topName(typeNames);
  const value = scope();
  const spelled = new Set();
  const values = some(1 + below(6), () => {
    const v = value();
    const wire = chance(40) ? pick(texts) : v;
    return { v, wire };
  }).filter(({ wire }) => !spelled.has(wire) && spelled.add(wire));
  const lines = values.map(({ v, wire }) => `${doc("    ")}    ${v}${wire !== v || chance(5) ? ` = ${texty(wire)}` : ""}`);
  declarations.push(`${doc()}enum ${name} {\n${lines.join(",\n")}${chance(30) ? "," : ""}\n}\n`);
  declared.enums.push({ text: name, literal: () => pick(values).v, flat: true, comparable: values.length > 3 });
}

/** Returns any type; @depth is its depth, @self the types that it may
 * contain. */
function type(depth, self) {
  const scalars = [bool, () => integer(pick(Object.keys(ranges))), real, string, string, bytes, json];
  const roll = below(100);
  if (depth > 2 || roll < 40) {
    const { enums } = declared;
    return enums.length > 0 && chance(15) ? pick(enums) : pick(scalars)();
  }
  if (roll < 54) return list(depth, self);
  if (roll < 64) return map(depth, self);
  if (roll < 74) return tuple(depth, self);
  if (roll < 82) return nullable(depth, self);
  const { aliases, structs, unions } = declared;
  const known = [...aliases, ...structs, ...unions];
  return known.length > 0 ? pick(known) : pick(scalars)();
}

// A recursive type: only behind '?', null, [] or map<>.
const later = (self) => ({ text: pick(self), literal: () => null });

/** Returns a type behind a pointer, sometimes a type that is not declared
 * yet. */
const behind = (depth, self) => (self.length > 0 && chance(30) ? later(self) : type(depth, self));

const grouped = (t) => (t.text.includes("|") ? `(${t.text})` : t.text);

function counts(t, unique) {
  const min = t.flat ? pick([0, 0, 1, 2]) : 0;
  const max = min + pick([0, 1, 3, 10, 200]) + (t.flat ? 0 : 1);
  const [rule, low] = pick([[null, 0], [`..${max || 1}`, 0], [`${min}..${max || 1}`, min], [`${min}..`, min], [`${min || 2}`, min || 2]]);
  const fits = t.flat || low === 0;
  const rules = [unique ? "unique" : null, fits ? rule : null].filter(Boolean);
  if (chance(50)) rules.reverse();
  const high = !fits || rule === null || rule.endsWith("..") ? 4 : rule.includes("..") ? Number(rule.split("..")[1]) : low;
  return { rules, low: fits ? low : 0, high };
}

/** Returns literals for @n items, distinct if @unique; null if there are
 * none. */
function literals(t, n, unique) {
  const made = [];
  for (let tries = 0; made.length < n && tries < 200; tries++) {
    const one = t.literal?.() ?? null;
    if (one === null) return null;
    if (!unique || !made.some((m) => m === one || decoded(m) === decoded(one))) made.push(one);
  }
  return made.length === n ? made : null;
}
const decoded = (text) => {
  try {
    return `${JSON.parse(text)}`;
  } catch {
    return text;
  }
};

function list(depth, self) {
  const t = behind(depth + 1, self);
  const unique = t.comparable === true && chance(40);
  const { rules, low, high } = counts(t, unique);
  const literal = () => {
    const items = literals(t, Math.min(high, low + below(3)), unique) ?? literals(t, low, unique);
    return items && `[${items.join(", ")}${items.length > 0 && chance(20) ? "," : ""}]`;
  };
  return { text: `${grouped(t)}[${rules.join(", ")}]`, literal };
}

const keys = [...new Set(["a", "b c", "é", "😀", "", "__proto__", "x\u0001y", "\"", "constructor", "0", ...odd.slice(0, 20)])];
const keyText = (key, plain = 50) => (/^[A-Za-z_]\w*$/.test(key) && chance(plain) ? key : texty(key));

function map(depth, self) {
  const t = behind(depth + 1, self);
  const { rules, low, high } = counts(t, false);
  const literal = () => {
    const items = literals(t, Math.min(high, low + below(3)), false) ?? literals(t, low, false);
    const start = below(5);
    return items && `{ ${items.map((v, i) => `${keyText(keys[start + i])}: ${v}`).join(", ")} }`;
  };
  return { text: `map<${t.text}>${rules.length > 0 ? `(${rules.join(", ")})` : ""}`, literal };
}

function tuple(depth, self) {
  const elements = some(1 + below(3), () => {
    return self.length > 0 && chance(10) ? nullableOf(later(self)) : type(depth + 1, self);
  });
  const literal = () => {
    const items = elements.map((e) => e.literal?.() ?? null);
    return items.includes(null) ? null : `[${items.join(", ")}]`;
  };
  const label = chance(30) ? scope() : null;
  return {
    text: `[${elements.map((e) => (label ? `${label()}: ${e.text}` : e.text)).join(", ")}]`,
    literal,
    flat: elements.every((e) => e.flat),
  };
}

function nullableOf(t) {
  const literal = () => (chance(50) ? "null" : (t.literal?.() ?? "null"));
  return t.nullable ? t : { text: `${t.text} | null`, literal, nullable: true };
}
const nullable = (depth, self) => nullableOf(behind(depth + 1, self));

function makeAlias() {
  const name = topName(typeNames);
  const t = pick([() => type(0, []), string, () => integer("int32"), () => tuple(0, [])])();
  declarations.push(`${doc()}type ${name} = ${t.text};\n`);
  declared.aliases.push({ ...t, text: name });
  if (/^string$/.test(t.text) || /^int32$/.test(t.text)) {
    const narrowed = t.text === "string" ? `${name}(1..40, trim)` : `${name}(>0)`;
    const literal = () => (t.text === "string" ? "\"narrowed\"" : "5");
    declared.aliases.push({ text: narrowed, literal, flat: true });
  }
}

/** Returns fields or parameters. With @must, each has a default or may be
 * absent. */
function fields(count, self, must, name, reserved = []) {
  return some(count, () => {
    const n = name(fieldNames, reserved);
    const key = keyText(n, 90);
    if (chance(8)) {
      const one = pick(['"circle"', "2", "-9007199254740991", "true", "false", texty(pick(texts)), '"a\\u0000b"', "0"]);
      return { name: n, text: `${key}: ${one}`, literal: () => one, has: true };
    }
    const t = self.length > 0 && chance(25) ? pointer(self) : type(0, self);
    if (t.optional || (!t.nullable && chance(20))) {
      return { name: n, text: `${key}: ${grouped(t)}?`, literal: t.literal, absent: true };
    }
    const value = must || chance(40) ? (t.literal?.() ?? null) : null;
    if (value === null && must) {
      const optional = t.nullable ? "int32?" : `${grouped(t)}?`;
      return { name: n, text: `${key}: ${optional}`, literal: t.literal, absent: true };
    }
    return { name: n, text: `${key}: ${t.text}${value === null ? "" : ` = ${value}`}`, literal: t.literal, has: value !== null };
  });
}

/** Returns a type that refers to any struct or union, declared or not. */
function pointer(self) {
  const t = later(self);
  return pick([
    () => nullableOf(t),
    () => ({ text: `${t.text}[]`, literal: () => "[]" }),
    () => ({ text: `map<${t.text}>(..20)`, literal: () => "{}" }),
    () => ({ text: `(${t.text} | null)[..5]`, literal: () => pick(["[]", "[null]"]) }),
    () => ({ text: `[${t.text} | null, bool]`, literal: () => "[null, true]" }),
    () => ({ ...t, optional: true }),
  ])();
}

function objectLiteral(all) {
  const members = [];
  for (const f of all) {
    if ((f.absent || f.has) && chance(50)) continue;
    const value = f.literal?.() ?? null;
    if (value === null && !f.absent && !f.has) return null;
    if (value !== null) members.push(`${keyText(f.name)}: ${value}`);
  }
  return members;
}

function makeStruct(name, self) {
  const strict = chance(20), check = chance(25);
  const all = fields(chance(6) ? 0 : 1 + below(6), self, false, scope(), discriminators);
  const hook = check ? ["    check;\n"] : [];
  const lines = all.map((f) => `${doc("    ")}    ${f.text};\n`);
  lines.splice(below(lines.length + 1), 0, ...hook);
  declarations.push(`${doc()}${strict ? "strict " : ""}struct ${name} {\n${lines.join("")}}\n`);
  const literal = () => {
    const members = objectLiteral(all);
    return members && `{ ${members.join(", ")} }`;
  };
  declared.structs.push({ text: name, literal, members: () => objectLiteral(all) });
}

function makeUnion(name) {
  const by = pick(discriminators);
  const variant = scope("kind");
  const variants = some(1 + below(4), () => ({ name: variant(fieldNames), of: pick(declared.structs) }));
  const lines = variants.map((v) => `${doc("    ")}    ${keyText(v.name, 90)}: ${v.of.text}`);
  declarations.push(`${doc()}union ${name} by ${keyText(by, 90)} {\n${lines.join(",\n")}${chance(30) ? "," : ""}\n}\n`);
  const literal = () => {
    const v = pick(variants);
    const members = v.of.members();
    const kind = `${keyText(by)}: ${keyText(v.name)}`;
    return members && `{ ${[...members, kind].reverse().join(", ")} }`;
  };
  declared.unions.push({ text: name, literal });
}

/* ---- access ---- */

const errors = [], middleware = [], buckets = []; // names
const dataNames = [], identities = [];

/** Returns some of a list of names behind a word, or nothing. */
function naming(word, names) {
  const chosen = names.filter(() => chance(30));
  return chosen.length > 0 && chance(60) ? ` ${word} ${chosen.sort(() => below(3) - 1).join(", ")}` : "";
}
const using = () => naming("use", middleware);
const throwing = () => naming("throws", errors);

function limit() {
  if (chance(75)) return "";
  const burst = chance(50) ? ` burst ${pick([1, 2, 1000, 4294967295])}` : "";
  const by = buckets.length > 0 && chance(50) ? ` by ${pick(buckets)}` : "";
  return ` limit ${pick([1, 60, 1000000, 4294967295])}/${pick(["s", "m", "h"])}${burst}${by}`;
}

const codes = [
  "INVALID_ARGUMENT", "UNAUTHENTICATED", "PERMISSION_DENIED", "NOT_FOUND", "ALREADY_EXISTS", "FAILED_PRECONDITION",
  "RESOURCE_EXHAUSTED", "ABORTED", "UNAVAILABLE", "DEADLINE_EXCEEDED", "UNIMPLEMENTED",
];

function makeError(name) {
  const details = pick(["", "()", params([]), params([]), `: ${pick(declared.structs).text}`]);
  declarations.push(`${doc()}error ${name}${details} = ${pick(codes)};\n`);
  errors.push(name);
}

function makeBroadcast(name) {
  declarations.push(`${doc()}broadcast ${name}${pick(["", "()", params([]), `: ${payload().text}`])};\n`);
}

function makeMiddleware(name, self) {
  const lines = fields(below(4), self, false, scope()).map((f) => `${doc("    ")}    ${f.text};\n`);
  const after = naming("after", middleware), thrown = throwing();
  declarations.push(`${doc()}middleware ${name}${chance(50) ? after + thrown : thrown + after} {\n${lines.join("")}}\n`);
  middleware.push(name);
}

/** Returns a type that text can be. */
function textual() {
  const { enums } = declared;
  return pick([bool, () => integer(pick(Object.keys(ranges))), real, string, string, bytes, () => pick(enums)])();
}

function parameters() {
  const name = scope();
  const seen = new Set();
  const source = (own) => {
    const [word, key] = pick([
      ["bearer", null], ["cookie", pick(["sid", "__Host-x", "a.b", "!#$%&'*+-.^_`|~"])], ["header", pick(["x-tenant", "User-Agent", "accept"])],
      ["query", pick(quoted)], ["query", null], ["query", null], ["", null],
    ]);
    const at = word === "bearer" ? word : `${word || "query"} ${(key ?? own).toLowerCase()}`;
    if (seen.has(at)) return null;
    seen.add(at);
    return word && ` from ${word}${key === null ? "" : `(${texty(key)})`}`;
  };
  return some(below(8), () => {
    const n = name(fieldNames), from = source(n), t = textual();
    if (from === null) return "";
    const absent = chance(40), value = !absent && chance(40) ? ` = ${t.literal()}` : "";
    return `${doc("    ")}    ${keyText(n, 90)}: ${t.text}${absent ? "?" : value}${from};\n`;
  });
}

function makeConnection(self) {
  const hooks = ["open", "close"].filter(() => chance(60));
  const dataName = scope();
  const data = chance(75) ? fields(below(7), self, !hooks.includes("open"), dataName) : null;
  if (data && chance(60)) {
    const n = dataName(fieldNames);
    data.push({ name: n, text: `${keyText(n, 90)}: string${pick(["?", ' = ""', "(..9)?"])}` });
  }
  const isKey = (f) => /^\w+: (string|u?int(?:32|64))(\(.*\))?( = .*)?\??$/.test(f.text) && !/\) \[/.test(f.text);
  buckets.push(...(data ?? []).filter(isKey).map((f) => f.name));
  const isIdentity = (f) => /^("([^"\\]|\\.)*"|\w+): string(\(.*\))?( = .*)?\??$/.test(f.text) && !/\) \[/.test(f.text);
  dataNames.push(...(data ?? []).map((f) => f.name));
  identities.push(...(data ?? []).filter(isIdentity).map((f) => f.name));
  const parts = [...parameters(), hooks.length > 0 ? `    on ${hooks.join(", ")};\n` : "", errors.length > 0 ? throwing().replace(/^ (.*)/, "    $1;\n") : ""];
  const behind = data ? ` -> {\n${data.map((f) => `${doc("    ")}    ${f.text};\n`).join("")}}` : "";
  return `${doc()}connection {\n${parts.join("")}}${behind}\n`;
}

/* ---- actors ---- */

function params(self) {
  const all = fields(1 + below(4), self, false, scope());
  return `(${all.map((f) => f.text).join(", ")}${chance(20) ? "," : ""})`;
}

// The states of actors, which have all that they need: "room.state".
const states = [];
const payload = () => (states.length > 0 && chance(20) ? { text: pick(states), literal: () => "{}" } : type(0, []));

const period = () => pick(["1ms", "50ms", "999s", "1h", "24h", "1440m", "86400000ms"]);
const timeout = () => (chance(20) ? ` timeout ${period()}` : "");
const progress = () => (chance(20) ? ` progress ${grouped(payload())}` : "");
const interleave = () => (chance(20) ? " interleave" : "");

function method(name) {
  const internal = chance(15);
  const stream = !internal && chance(20);
  const result = stream || chance(60) ? ` -> ${stream ? "stream " : ""}${grouped(payload())}` : "";
  const input = pick(["()", params([]), params([]), `: ${grouped(payload())}`]);
  const guards = internal ? [] : [using(), limit()];
  const flow = internal ? [interleave()] : stream ? [] : [progress(), interleave()];
  const mods = [throwing(), timeout(), ...guards, ...flow].sort(() => below(3) - 1);
  return `${doc("    ")}    ${internal ? "internal " : ""}method ${name}${input}${result}${mods.join("")};\n`;
}

function event(name) {
  return `${doc("    ")}    event ${name}${pick(["", "()", params([]), `: ${payload().text}`])};\n`;
}

/** Returns a timer: repeating, or started with a payload, sometimes by a key. */
function timer(name) {
  const all = fields(1 + below(4), [], false, scope());
  const keys = all.filter((f) => /^("([^"\\]|\\.)*"|\w+): string(\(.*\))?( = .*)?$/.test(f.text) && !/\) \[/.test(f.text));
  const by = keys.length > 0 && chance(70) ? ` by ${keyText(pick(keys).name, 90)}` : "";
  const listed = `(${all.map((f) => f.text).join(", ")}${chance(20) ? "," : ""})`;
  return `${doc("    ")}    timer ${name}${pick(["", "()", `${listed}${by}`, `${listed}${by}`, `: ${grouped(payload())}`, ` every ${period()}`])};\n`;
}

/** Returns a field of a state, perhaps for some of the subscribers alone. */
function stateField(f, audiences) {
  if (audiences.length > 0 && f.absent && chance(50)) return `${f.text} to ${pick(audiences)}`;
  const map = /^(("([^"\\]|\\.)*"|\w+): map<.*>(\(\.\.\d+\))?) = \{.*\}$/.exec(f.text);
  if (map === null || chance(40)) return f.text;
  return `${map[1]} = {} to ${chance(30) || identities.length === 0 ? "clientId" : keyText(pick(identities), 90)}`;
}

function makeActor(name) {
  const field = scope();
  const notMethods = ["on", "state", "toJSON"];
  const methods = scope("on", "on_connect");
  const events = scope();
  const timers = scope();
  const audience = scope();
  const audiences = some(below(5), () => audience(odd, ["clientId", ...dataNames]));
  const block = (word, count) => {
    const all = fields(count, [], true, field);
    if (word === "state" && chance(40)) {
      all.push({ text: `${keyText(field(fieldNames), 90)}: map<${behind(1, []).text}> = {}` });
    }
    const line = (f) => `        ${word === "state" ? stateField(f, audiences) : f.text};\n`;
    return `${doc("    ")}    ${word} {\n${all.map(line).join("")}    }\n`;
  };
  const parts = [
    states.includes(`${name}.state`) ? block("state", below(8)) : "",
    chance(40) ? block("private", below(5)) : "",
    ...some(below(5), () => method(methods(odd, notMethods))),
    ...some(below(4), () => event(events())),
    ...some(below(4), () => timer(timers())),
    ...audiences.map((a) => `${doc("    ")}    audience ${a};\n`),
  ];
  const guard = using();
  if (guard !== "") parts.push(`    subscribe${guard};\n`);
  const hooks = ["connect", "disconnect", "activate", "deactivate", "subscribe"].filter(() => chance(40));
  if (hooks.length > 0) parts.push(`    on ${hooks.join(", ")};\n`);
  return `${doc()}actor ${name}${using()} {\n${parts.join("")}}\n`;
}

/* ---- files ---- */

const apps = [["demo", "demo"], ["theApp", "the_app"], ["HTTPThing", "http_thing"], ["class", "class"], ["a_b", "a_b"], ["x2", "x2"]];
const [app, appC] = pick(apps);
const stem = pick(["schema", "odd-name", "with.dots", "2nd", "CamelCase"]);

for (let n = 1 + below(3); n > 0; n--) makeEnum();
const planned = some(3 + below(5), () => ({ name: topName(typeNames), union: false }));
planned.push(...some(1 + below(2), () => ({ name: topName(typeNames), union: true })));
const actorNames = some(1 + below(3), () => topName(odd, ["toJSON"]));
states.push(...actorNames.filter(() => chance(85)).map((name) => `${name}.state`));
const self = [...planned.map((p) => p.name), ...states];
makeStruct(planned[0].name, self);
for (const p of planned.slice(1).sort(() => below(3) - 1)) {
  if (chance(50)) makeAlias();
  if (p.union) makeUnion(p.name);
  else makeStruct(p.name, self);
}
// Half of the schemas have nothing of this, as most of the older ones.
const access = [];
if (chance(50)) {
  const eventName = scope(), errorName = scope();
  some(below(5), () => makeError(errorName()));
  some(below(5), () => makeMiddleware(topName(odd, ["toJSON"]), self));
  some(below(4), () => makeBroadcast(eventName(odd, ["status", "toJSON"])));
  if (chance(80)) access.push(makeConnection(self));
}
const actors = [...access, ...actorNames.map(makeActor)];

/** Spreads the declarations over up to three files, in any order. */
function spread() {
  const files = { [`${stem}.zkt`]: [], "parts/first.zkt": [], "shared/common types.zkt": [] };
  const names = Object.keys(files);
  const count = 1 + below(3);
  for (const text of declarations) files[names[below(count)]].push(text);
  const imports = names.slice(1, count).map((n) => `import "${n === "parts/first.zkt" ? n : "common types.zkt"}";\n`);
  for (const n of names) files[n].sort(() => below(3) - 1);
  files[names[0]].unshift(`${doc()}app ${app};\n`, ...imports);
  if (count === 3) files[names[1]].unshift("import \"common types.zkt\";\n");
  files[names[0]].push(...actors);
  return names.slice(0, count).map((n) => [n, files[n].join("\n")]);
}

for (const folder of ["parts", "shared"]) mkdirSync(join(dir, folder), { recursive: true });
for (const [name, text] of spread()) writeFileSync(join(dir, name), text);

/* ---- the program ---- */

const cText = (s) => `"${[...Buffer.from(s)].map((b) => `\\${b.toString(8).padStart(3, "0")}`).join("")}"`;
const shown = [...patterns, ...Object.keys(formats)];
const item = (t) =>
  `    { ZKT_STR_INIT(${cText(t)}), ${isTrimmed(t)}, ${isLowered(t)}, ${isUppered(t)}, "${shown.map((p) => +isMatch(p, t)).join("")}" },\n`;
writeFileSync(join(dir, "program.c"), `#include "driver.h"
#include "${stem}_client.h"
#include "${stem}_server.h"

static const struct sample items[] = {
${texts.map(item).join("")}};
static const struct zkt_str patterns[] = {
${shown.map((p) => `    ZKT_STR_INIT(${cText(p)}),\n`).join("")}};
static const struct samples samples = { items, ${texts.length}, patterns, ${shown.length} };
static struct ${appC}_handlers handlers;

int main(int argc, char **argv)
{
    const struct zkt_app app = ${appC}_app(&handlers);
    return drive(&app, &handlers, &samples, argc, argv);
}
`);
console.log(stem);
