// The log of a server in each of its formats, read back: every line is a record,
// a line of a call has the names that were sent, whatever they are, and the id of
// its request. No secret of a connection is in a log (peer.js looks for them).
// CHAT_SERVER names the program.
import assert from "node:assert/strict";
import { test } from "node:test";
import { readLogfmt } from "./logfmt.js";
import { Peer, startServer } from "./peer.js";

const HOSTILE = [
  "plain",
  "",
  " blanks ",
  'q"uo\\te',
  "a=b level=error msg=x",
  "line\nerror: end\r\n\t",
  '{"level":"error"}',
  "\u001b[31mred\u001b[0m\u0007\u007f",
  "\u0085\u009b31m",
  "\u2028\u2029",
  "\u202egnp.exe\u202c\u2066\u2069\u061c",
  "\ufeff😀é",
  "\u0000",
  "x".repeat(256),
  "\n".repeat(256),
];
const TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const MADE = /^[0-9a-f]{12}-[0-9a-f]+(\.[0-9]+)?$/;
// Cc, Zl, Zp, and the marks of the bidirectional algorithm; with the line ends.
const ACTIVE =
  /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/u;

async function callAll(url) {
  const peer = await Peer.open(`${url}/path?token=query-secret`, [], {
    headers: { cookie: "sid=cookie-secret", authorization: "Bearer bearer-secret" },
  });
  for (const [n, actorId] of HOSTILE.entries()) {
    for (const [actor, method] of [["chat", "nothing"], ["chat", actorId], [actorId, "join"]]) {
      const id = `c${n}-${actor}-${method}`.slice(0, 60);
      peer.send({ type: "rpc", id, actor, actorId, method, input: { secret: "input-secret" } });
      while ((await peer.next()).type !== "rpc:result");
    }
  }
  peer.send({ type: "rpc", id: "t", actor: "chat", actorId: "t", method: "nothing", trace: TRACE });
  peer.send({ type: "rpc", id: "u", actor: "chat", actorId: "u", method: "nothing", trace: "\n" });
  for (let i = 0; i < 2; i++) await peer.next();
  peer.socket.close();
  return peer.id;
}

function check(records, clientId) {
  const calls = records.filter((record) => record.msg === "call");
  for (const record of records) {
    assert.match(record.time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    assert.ok(Math.abs(Date.parse(record.time) - Date.now()) < 3600_000);
    assert.ok(["debug", "info", "warning", "error"].includes(record.level));
  }
  assert.equal(calls.length, 3 * HOSTILE.length + 2);
  for (const call of calls) {
    assert.equal(call.level, "debug");
    assert.equal(call.connection, clientId);
    assert.equal(call.address, "127.0.0.1");
    assert.ok(Number(call.ms) >= 0);
    assert.match(call.request, call.id === "t" ? /^00-/ : MADE);
  }
  const ids = new Set(calls.map((call) => call.id ?? ""));
  for (const id of HOSTILE) assert.ok(ids.has(id), JSON.stringify(id));
  assert.equal(calls.find((call) => call.id === "t").request, TRACE);
  assert.equal(new Set(calls.map((call) => call.request)).size, calls.length);
}

for (const [format, read] of [
  ["json", JSON.parse],
  ["logfmt", readLogfmt],
]) {
  test(`${format} is read back`, async (t) => {
    const server = await startServer(t, process.env.CHAT_SERVER, ["--log-format", format]);
    const clientId = await callAll(server.url);
    await server.stop();
    assert.doesNotMatch(server.log(), ACTIVE);
    assert.doesNotMatch(server.log(), /secret/);
    check(server.log().trimEnd().split("\n").map(read), clientId);
  });
}

test("text is a line for each call", async (t) => {
  const server = await startServer(t, process.env.CHAT_SERVER);
  await callAll(server.url);
  await server.stop();
  assert.doesNotMatch(server.log(), ACTIVE);
  assert.doesNotMatch(server.log(), /secret/);
  const lines = server.log().trimEnd().split("\n");
  const calls = lines.filter((line) => line.startsWith("debug: "));
  assert.equal(calls.length, 3 * HOSTILE.length + 2);
  assert.ok(calls.some((line) => line.includes('chat "\\x1b[31mred\\x1b[0m\\x07\\x7f": call (')));
});
