// Random records of the log as they are printed (log_lines.c): the JSON and the
// logfmt are read back, and no line has a character that a terminal, an editor
// or another reader of lines would act on.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { readLogfmt } from "../e2e/logfmt.js";

const ROUNDS = 2000;
const LEVELS = ["debug", "info", "warning", "error"];
const FIELDS = [
  "msg",
  "request",
  "connection",
  "actor",
  "id",
  "method",
  "code",
  "address",
];
const SHORT = 64; // bytes of a value that is never cut
// Cc, Zl, Zp, and the marks of the bidirectional algorithm.
const ACTIVE =
  /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/u;

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

// A character of UTF-8 (RFC 3629, section 4), or a byte that begins none.
const CHARACTER =
  /[\x00-\x7f]|[\xc2-\xdf][\x80-\xbf]|\xe0[\xa0-\xbf][\x80-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]{2}|\xed[\x80-\x9f][\x80-\xbf]|\xf0[\x90-\xbf][\x80-\xbf]{2}|[\xf1-\xf3][\x80-\xbf]{3}|\xf4[\x80-\x8f][\x80-\xbf]{2}|([^])/g;

// The text of any bytes; a byte that is no part of a character is U+FFFD.
function decode(bytes) {
  const valid = bytes
    .toString("latin1")
    .replace(CHARACTER, (c, bad) => (bad === undefined ? c : "\xef\xbf\xbd"));
  return decoder.decode(Buffer.from(valid, "latin1"));
}

// A long value is cut, at a character, and ends in an ellipsis.
function checkValue(value, wanted, field) {
  if (value === wanted || (wanted === "" && value === undefined)) {
    return;
  }
  assert.ok(value.endsWith("…"), `${field}: ${value} is not ${wanted}`);
  assert.ok(wanted.startsWith(value.slice(0, -1)), field);
  assert.ok(6 * wanted.length > SHORT, field); // \u0000 for each
}

function check(record, words) {
  const [level, time, ms] = words.slice(FIELDS.length).map(Number);
  FIELDS.forEach((field, i) => {
    const bytes = Buffer.from(words[i], "hex");
    checkValue(record[field], decode(bytes), field);
    if (field === "id" && bytes.length <= 256) {
      assert.equal(record.id ?? "", decode(bytes)); // an actorId is never cut
    }
  });
  assert.equal(record.level, LEVELS[level + 1]);
  assert.equal(
    record.time,
    time === 0 ? undefined : new Date(time).toISOString(),
  );
  assert.equal(record.ms === undefined ? -1 : Number(record.ms), ms);
}

test("random records are read back", () => {
  const run = spawnSync(process.env.LOG_LINES, [`${ROUNDS}`, "1"], {
    maxBuffer: 1 << 30,
  });
  assert.equal(run.status, 0, run.stderr);
  const lines = decoder.decode(run.stdout).split("\n"); // valid UTF-8
  assert.equal(lines.pop(), "");
  assert.equal(lines.length, 4 * ROUNDS);
  for (let i = 0; i < lines.length; i += 4) {
    const [fields, json, logfmt, text] = lines.slice(i, i + 4);
    const words = fields.split(" ");
    for (const line of [json, logfmt, text]) {
      assert.doesNotMatch(line, ACTIVE);
      assert.ok(Buffer.byteLength(line) < 4096 - 16);
    }
    check(JSON.parse(json), words);
    check(readLogfmt(logfmt), words);
  }
});
