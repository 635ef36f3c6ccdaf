// Random doubles as the writer spells them (doubles.c): as ECMAScript does.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";

const ROUNDS = 40000;

test("the shortest text of random doubles is that of ECMAScript", () => {
  const run = spawnSync(process.env.DOUBLES, [`${ROUNDS}`, "1"], {
    encoding: "utf8",
    maxBuffer: 1 << 30,
  });
  assert.equal(run.status, 0, run.stderr);
  const lines = run.stdout.trimEnd().split("\n");
  assert.ok(lines.length > ROUNDS / 2);
  const view = new DataView(new ArrayBuffer(8));
  for (const line of lines) {
    const [bits, text] = line.split(" ");
    view.setBigUint64(0, BigInt(`0x${bits}`));
    assert.equal(text, String(view.getFloat64(0)), bits);
  }
});
