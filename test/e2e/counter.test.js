// The counter server: many calls at once, and a server that stops while
// clients are connected. COUNTER_SERVER names the program.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Peer, startServer } from "./peer.js";

test("calls from many connections run one at a time", async (t) => {
  const server = await startServer(t, process.env.COUNTER_SERVER);
  const peers = await Promise.all(
    Array.from({ length: 8 }, () => Peer.open(server.url)),
  );
  const results = [];
  await Promise.all(
    peers.map(async (peer) => {
      for (let i = 0; i < 50; i++) {
        const { result } = await peer.call("counter", "shared", "inc", {});
        results.push(result);
      }
    }),
  );
  results.sort((a, b) => a - b);
  assert.deepEqual(
    results,
    Array.from({ length: 400 }, (_, i) => i + 1),
  );
  await Promise.all(peers.map((peer) => peer.close()));
  await server.stop();
});

test("many calls in flight over one connection are answered in order", async (t) => {
  const server = await startServer(t, process.env.COUNTER_SERVER);
  const peer = await Peer.open(server.url);
  const ids = [];
  for (let i = 0; i < 200; i++) {
    ids.push(peer.begin("counter", "c", "inc", {}));
  }
  for (let i = 0; i < 200; i++) {
    const message = await peer.next();
    assert.equal(message.id, ids[i]);
    assert.equal(message.result, i + 1);
  }
  await peer.close();
  await server.stop();
});

test("a server that stops says goodbye with 1001", async (t) => {
  const server = await startServer(t, process.env.COUNTER_SERVER);
  const peers = await Promise.all([
    Peer.open(server.url),
    Peer.open(server.url),
  ]);
  await peers[0].call("counter", "x", "inc", {});
  await server.stop();
  for (const peer of peers) assert.equal((await peer.closed).code, 1001);
});

test("a port in use is reported by number", async (t) => {
  const server = await startServer(t, process.env.COUNTER_SERVER);
  const port = new URL(server.url).port;
  await assert.rejects(
    startServer(t, process.env.COUNTER_SERVER, ["--port", port]),
    new RegExp(`port ${port}: address already in use`),
  );
  await server.stop();
});
