// The patches of random changes (state_patch --dump), applied by an RFC 6902
// library and by a plain reader, written from the protocol alone.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import jsonpatch from "../e2e/node_modules/fast-json-patch/index.mjs";
import { applyPlain } from "../e2e/peer.js";

const ROUNDS = 2000;

test("both readings of random patches give the new state", () => {
  const run = spawnSync(process.env.STATE_PATCH, ["--dump", `${ROUNDS}`], {
    encoding: "utf8",
    maxBuffer: 1 << 30,
  });
  assert.equal(run.status, 0, run.stderr);
  const lines = run.stdout.trimEnd().split("\n");
  assert.equal(lines.length, ROUNDS);
  for (const line of lines) {
    const [before, plain, rfc, after] = JSON.parse(line);
    const read = (patch) =>
      jsonpatch.applyPatch(structuredClone(before), patch, true).newDocument;
    assert.deepEqual(applyPlain(before, plain), after);
    assert.deepEqual(read(plain), after);
    assert.deepEqual(read(rfc), after);
    for (const patch of [plain, rfc]) {
      const paths = patch.map(({ path }) => path);
      assert.ok(patch.every(({ op }) => ["add", "replace", "remove"].includes(op)));
      assert.ok(new Set(paths).size === paths.length || patch.some(({ op }) => op === "remove"));
    }
  }
});
