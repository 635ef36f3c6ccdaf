// The server of examples/embed, which has its own loop over poll(2).
// EMBED_SERVER names the program.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Peer, startServer } from "./peer.js";

const start = (t) => startServer(t, process.env.EMBED_SERVER);

test("calls, patches and many connections", async (t) => {
  const server = await start(t);
  const peers = await Promise.all(
    Array.from({ length: 20 }, () => Peer.open(server.url)),
  );
  const watcher = peers[0];
  watcher.send({ type: "state:sub", actor: "lamp", actorId: "desk" });
  assert.deepEqual((await watcher.next()).state, { on: false });
  for (const [i, peer] of peers.slice(1).entries()) {
    const { result } = await peer.call("lamp", "desk", "toggle");
    assert.equal(result, i % 2 === 0);
    assert.deepEqual((await watcher.next()).patches, [
      { op: "replace", path: "/on", value: result },
    ]);
  }
  await Promise.all(peers.map((peer) => peer.close()));
  await server.stop();
});

test("a big message comes in pieces, and is refused whole", async (t) => {
  const server = await start(t);
  const peer = await Peer.open(server.url);
  peer.socket.send("x".repeat(300_000));
  assert.equal((await peer.next()).type, "error");
  peer.socket.send("x".repeat(2_000_000));
  assert.equal((await peer.closed).code, 1009);
  await server.stop();
});

test("a server that stops says goodbye with 1001", async (t) => {
  const server = await start(t);
  const peers = await Promise.all([
    Peer.open(server.url),
    Peer.open(server.url),
  ]);
  await peers[0].call("lamp", "x", "toggle");
  await server.stop();
  for (const peer of peers) assert.equal((await peer.closed).code, 1001);
});
