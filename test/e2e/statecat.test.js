// statecat beside a client that makes changes: every state, whole, in order.
// STATECAT names the script, CHAT_SERVER the server, SCHEMAS the folder of the schemas.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { applyPlain, Peer, startServer } from "./peer.js";

const { STATECAT, SCHEMAS, CHAT_SERVER, COUNTER_SERVER } = process.env;

function statecat(t, ...words) {
  const child = spawn(STATECAT, words, { stdio: ["ignore", "pipe", "pipe"], detached: true });
  t.after(() => child.exitCode === null && process.kill(-child.pid)); // its program, too
  let errors = "";
  child.stderr.on("data", (chunk) => (errors += chunk));
  const ended = once(child, "close").then(([code]) => ({ code, errors }));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return { ended, next: async () => JSON.parse((await lines.next()).value) };
}

test("the states of a counter, one a line", async (t) => {
  const server = await startServer(t, COUNTER_SERVER);
  const cat = statecat(t, `${SCHEMAS}/counter.zkt`, "counter", server.url, "main", "4");
  const peer = await Peer.open(server.url);
  t.after(() => peer.close());
  const first = await cat.next();
  assert.equal(Object.keys(first).length > 0, true);
  const seen = await peer.subscribe("counter", "main");
  assert.deepEqual(first, seen);
  let state = seen;
  for (let i = 0; i < 3; i++) {
    const { before } = await peer.call("counter", "main", "inc", {});
    state = applyPlain(state, before[0].patches);
    assert.deepEqual(await cat.next(), state);
  }
  assert.deepEqual(await cat.ended, { code: 0, errors: "" });
  await server.stop();
});

test("the states of a chat, with messages of its members", async (t) => {
  const server = await startServer(t, CHAT_SERVER);
  const peer = await Peer.open(server.url);
  t.after(() => peer.close());
  const cat = statecat(t, `${SCHEMAS}/chat.zkt`, "chat", server.url, "room", "4");
  assert.equal((await cat.next()).online, 1);
  let state = await peer.subscribe("chat", "room");
  assert.deepEqual(await cat.next(), state);
  for (const [method, input] of [
    ["join", { name: "Ada" }],
    ["say", { text: 'é😀 "quoted" \\ \u0007' }],
  ]) {
    const { before, error } = await peer.call("chat", "room", method, input);
    assert.equal(error, undefined);
    state = before
      .filter(({ type }) => type === "state:patch")
      .reduce((now, { patches }) => applyPlain(now, patches), state);
    assert.deepEqual(await cat.next(), state);
  }
  assert.deepEqual(await cat.ended, { code: 0, errors: "" });
  await server.stop();
});

test("an unknown actor is reported by name", async (t) => {
  const { code, errors } = await statecat(
    t, `${SCHEMAS}/chat.zkt`, "nobody", "ws://127.0.0.1:1", "x").ended;
  assert.equal(code, 1);
  assert.match(errors, /has no actor 'nobody'/);
});
