// States as values: what a patch does, what it leaves alone, what it costs.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import jsonpatch from "fast-json-patch";
import { applyPlain } from "../e2e/peer.js";

const { applyPatch } = await import(process.env.STORE);
const ROUNDS = 250;

const apply = (state, ...patch) => applyPatch(state, patch, false);
const plainly = (state, ...patch) => applyPatch(state, patch, true);

/** Freezes all of a value, so that whoever changes it is noticed. */
function deepFreeze(value) {
  if (Object(value) === value && !Object.isFrozen(value)) {
    Object.freeze(value);
    Object.values(value).forEach(deepFreeze);
  }
  return value;
}

const parsed = (text) => deepFreeze(JSON.parse(text));

test("operations", () => {
  const state = parsed('{"a":{"b":[1,2,3]},"n":1}');
  for (const [op, path, value, expected] of [
    ["add", "/x", 2, { a: { b: [1, 2, 3] }, n: 1, x: 2 }],
    ["add", "/n", 2, { a: { b: [1, 2, 3] }, n: 2 }],
    ["replace", "/n", { c: 1 }, { a: { b: [1, 2, 3] }, n: { c: 1 } }],
    ["remove", "/n", undefined, { a: { b: [1, 2, 3] } }],
    ["add", "/a/b/0", 0, { a: { b: [0, 1, 2, 3] }, n: 1 }],
    ["add", "/a/b/3", 4, { a: { b: [1, 2, 3, 4] }, n: 1 }],
    ["add", "/a/b/-", 4, { a: { b: [1, 2, 3, 4] }, n: 1 }],
    ["replace", "/a/b/2", 4, { a: { b: [1, 2, 4] }, n: 1 }],
    ["remove", "/a/b/0", undefined, { a: { b: [2, 3] }, n: 1 }],
    ["replace", "", 5, 5],
    ["add", "", [], []],
  ]) {
    assert.deepEqual(apply(state, { op, path, value }), expected, `${op} ${path}`);
  }
  assert.deepEqual(state, JSON.parse('{"a":{"b":[1,2,3]},"n":1}'));
});

test("a patch that does not fit is not applied at all", () => {
  const state = parsed('{"a":{"b":[1,2,3]},"n":1,"z":null}');
  const good = { op: "replace", path: "/n", value: 7 };
  for (const bad of [
    { op: "replace", path: "/x", value: 1 },
    { op: "remove", path: "/x" },
    { op: "add", path: "/x/y", value: 1 },
    { op: "add", path: "/n/y", value: 1 },
    { op: "add", path: "/z/y", value: 1 },
    { op: "add", path: "/a/b/4", value: 1 },
    { op: "add", path: "/a/b/01", value: 1 },
    { op: "add", path: "/a/b/1e0", value: 1 },
    { op: "add", path: "/a/b/+1", value: 1 },
    { op: "add", path: "/a/b/ 1", value: 1 },
    { op: "add", path: "/a/b/", value: 1 },
    { op: "add", path: "/a/b/-1", value: 1 },
    { op: "add", path: "/a/b/length", value: 1 },
    { op: "add", path: "/a/b/-/c", value: 1 },
    { op: "add", path: "/a/b/99999999999999999999", value: 1 },
    { op: "replace", path: "/a/b/3", value: 1 },
    { op: "replace", path: "/a/b/-", value: 1 },
    { op: "remove", path: "/a/b/3" },
    { op: "remove", path: "/a/b/-" },
    { op: "remove", path: "" },
    { op: "add", path: "x", value: 1 },
    { op: "add", path: "a/b", value: 1 },
    { op: "add", path: "/a~", value: 1 },
    { op: "add", path: "/a~2", value: 1 },
    { op: "move", from: "/n", path: "/m" },
    { op: "copy", from: "/n", path: "/m" },
    { op: "test", path: "/n", value: 1 },
    { op: "toString", path: "/n" },
    { op: 1, path: "/n" },
    { op: "add", path: 1, value: 1 },
    { op: "add", value: 1 },
    { path: "/n" },
    null,
    1,
  ]) {
    assert.throws(() => apply(state, good, bad), JSON.stringify(bad));
    assert.throws(() => apply(state, bad), JSON.stringify(bad));
  }
  for (const patch of [undefined, null, 1, {}]) assert.throws(() => applyPatch(state, patch, false));
});

test("keys are data", () => {
  const names = ["__proto__", "constructor", "toString", "hasOwnProperty", "valueOf", "", "~", "/", "~0", "~1", "~01", "0", "-", "then", "length"];
  const escape = (key) => key.replaceAll("~", "~0").replaceAll("/", "~1");
  for (const key of names) {
    const at = `/${escape(key)}`;
    const entry = (value) => JSON.parse(`{${JSON.stringify(key)}:${value}}`);
    assert.throws(() => apply({}, { op: "replace", path: at, value: 1 }), key);
    assert.throws(() => apply({}, { op: "remove", path: at }), key);
    assert.throws(() => apply({}, { op: "add", path: `${at}/x`, value: 1 }), key);
    const added = apply({}, { op: "add", path: at, value: { x: 1 } });
    assert.deepEqual(Object.keys(added), [key]);
    assert.equal(Object.getPrototypeOf(added), Object.prototype, key);
    assert.equal(added.x, undefined);
    assert.equal(JSON.stringify(added), JSON.stringify(entry('{"x":1}')));
    const within = apply(deepFreeze(added), { op: "add", path: `${at}/y`, value: [key] });
    assert.equal(JSON.stringify(within), JSON.stringify(entry(`{"x":1,"y":[${JSON.stringify(key)}]}`)));
    assert.equal(JSON.stringify(apply(within, { op: "replace", path: at, value: 2 })), JSON.stringify(entry("2")));
    assert.equal(JSON.stringify(apply(within, { op: "remove", path: at })), "{}");
    // Also in a snapshot, and beside others.
    const old = deepFreeze(entry('{"x":1}'));
    const beside = apply(old, { op: "add", path: "/other", value: 1 });
    assert.equal(Object.getPrototypeOf(beside), Object.prototype);
    assert.deepEqual(Object.keys(beside).sort(), [key, "other"].sort());
  }
  assert.equal({}.x, undefined);
  assert.equal({}.y, undefined);
});

test("plain Zocket overwrites with add, and does not escape", () => {
  const state = parsed('{"list":[1,2,3],"rec":{"c~d":1}}');
  assert.deepEqual(plainly(state, { op: "add", path: "/list/1", value: 9 }).list, [1, 9, 3]);
  assert.deepEqual(plainly(state, { op: "add", path: "/list/3", value: 9 }).list, [1, 2, 3, 9]);
  assert.deepEqual(plainly(state, { op: "remove", path: "/list/1" }).list, [1, 3]);
  assert.deepEqual(plainly(state, { op: "remove", path: "/rec/c~d" }).rec, {});
  assert.equal(plainly(state, { op: "replace", path: "/list" }).list, undefined); // it sends no undefined
});

test("what a patch does not name stays the same object", () => {
  const state = parsed('{"a":{"b":[{"x":1},{"x":2}],"c":{}},"d":{"e":[]}}');
  const next = apply(state, { op: "replace", path: "/a/b/1/x", value: 3 });
  assert.notEqual(next, state);
  assert.notEqual(next.a, state.a);
  assert.notEqual(next.a.b, state.a.b);
  assert.notEqual(next.a.b[1], state.a.b[1]);
  assert.equal(next.a.b[0], state.a.b[0]);
  assert.equal(next.a.c, state.a.c);
  assert.equal(next.d, state.d);
});

test("in development everything new is frozen", () => {
  const state = apply({ a: { b: [] } }, { op: "add", path: "/a/c", value: { d: [{}] } });
  const all = [state, state.a, state.a.b, state.a.c, state.a.c.d, state.a.c.d[0]];
  assert.ok(all.every((value) => Object.isFrozen(value) === (process.env.STORE_IS === "development")));
});

/** A value whose containers count how often they are copied, and what is read of them. */
function counted(value, counts) {
  if (Object(value) !== value) return value;
  const inner = Array.isArray(value)
    ? value.map((item) => counted(item, counts))
    : Object.fromEntries(Object.entries(value).map(([key, item]) => [key, counted(item, counts)]));
  const seen = new Set();
  return new Proxy(inner, {
    get(target, key) {
      if (typeof key === "string" && Object.hasOwn(target, key) && key !== "length") counts.slots++;
      if (!seen.has(counts.round)) {
        seen.add(counts.round);
        counts.nodes++;
      }
      return target[key];
    },
    ownKeys(target) {
      counts.copies++;
      return Reflect.ownKeys(target);
    },
  });
}

test("a patch visits the nodes on its paths, and copies each once", () => {
  const counts = { round: 0, nodes: 0, slots: 0, copies: 0 };
  const rooms = Object.fromEntries(
    Array.from({ length: 100 }, (_, i) => [`r${i}`, { users: { a: { n: 1 }, b: { n: 2 } }, log: { 0: { t: 1 } } }]),
  );
  const state = counted({ rooms, other: { deep: { deeper: {} } } }, counts);
  const measure = (...patch) => {
    Object.assign(counts, { round: counts.round + 1, nodes: 0, slots: 0, copies: 0 });
    const next = applyPatch(state, patch, false);
    return [next, { nodes: counts.nodes, copies: counts.copies }];
  };
  const [next, cost] = measure({ op: "replace", path: "/rooms/r7/users/a/n", value: 5 });
  assert.equal(next.rooms.r7.users.a.n, 5);
  if (process.env.STORE_IS !== "development") {
    // The root, rooms, r7, users and a.
    assert.deepEqual(cost, { nodes: 5, copies: 5 });
    const many = measure(
      ...Array.from({ length: 50 }, (_, i) => ({ op: "add", path: `/rooms/r7/users/a/x${i}`, value: i })),
      { op: "replace", path: "/rooms/r8/users/b/n", value: 5 },
    )[1];
    assert.deepEqual(many, { nodes: 8, copies: 8 });
    assert.ok(counts.slots < 100 + 40, `${counts.slots} slots`);
  }
});

test("a list is copied at once, however many operations it gets", () => {
  const list = Array.from({ length: 100_000 }, (_, i) => i);
  const state = deepFreeze({ list, other: {} });
  const copies = [];
  const { slice } = Array.prototype;
  Array.prototype.slice = function (...range) {
    copies.push(this.length);
    return slice.apply(this, range);
  };
  try {
    const next = applyPatch(state, Array.from({ length: 1000 }, (_, i) => ({ op: "replace", path: `/list/${i * 7}`, value: -1 })), false);
    assert.equal(next.list[7], -1);
    assert.equal(next.list[8], 8);
  } finally {
    Array.prototype.slice = slice;
  }
  assert.deepEqual(copies, [100_000]);
});

test("random patches of the server give the states of other readers", () => {
  const run = spawnSync(process.env.STATE_PATCH, ["--dump", `${ROUNDS}`], { encoding: "utf8", maxBuffer: 1 << 30 });
  assert.equal(run.status, 0, run.stderr);
  const lines = run.stdout.trimEnd().split("\n");
  assert.equal(lines.length, ROUNDS);
  let kept = 0;
  for (const line of lines) {
    const [before, plain, rfc, after] = JSON.parse(line);
    const text = JSON.stringify(before);
    deepFreeze(before);
    for (const [patch, overwrites] of [[plain, true], [plain, false], [rfc, false]]) {
      const next = applyPatch(before, patch, overwrites);
      assert.deepEqual(next, after);
      kept += checkKept(before, next, patch.map(({ path }) => path));
    }
    assert.deepEqual(applyPlain(JSON.parse(text), plain), after);
    assert.deepEqual(jsonpatch.applyPatch(JSON.parse(text), rfc, true).newDocument, after);
    assert.equal(JSON.stringify(before), text);
  }
  assert.ok(kept > ROUNDS, `${kept} containers were kept`);
});

/** Members that no path leads to, or through, are the same; returns how many containers are. */
function checkKept(before, after, paths, at = "") {
  if (Object(before) !== before || Object(after) !== after || Array.isArray(before)) return 0;
  let kept = 0;
  for (const key of Object.keys(before)) {
    const path = `${at}/${key.replaceAll("~", "~0").replaceAll("/", "~1")}`;
    if (!paths.some((other) => other === path || other.startsWith(`${path}/`) || path.startsWith(`${other}/`) || other === "")) {
      assert.equal(after[key], before[key], path);
      kept += Object(before[key]) === before[key] ? 1 : 0;
    } else {
      kept += checkKept(before[key], after[key], paths, path);
    }
  }
  return kept;
}
