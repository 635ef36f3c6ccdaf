// Hostile clients over raw sockets, all at once: meanwhile a bystander is
// served, and the server's memory stays within its limits. CHAT_SERVER names
// the program. The test waits for no time: progress is counted in the
// bystander's calls.
import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import net from "node:net";
import { test } from "node:test";
import tls from "node:tls";
import { Peer, startServer } from "./peer.js";

const rss = (server) =>
  1024 *
  Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${server.child.pid}/status`, "utf8"))[1]);

const request =
  "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
  "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/** A frame, masked with zeros. */
function frame(opcode, payload, fin = true) {
  const body = Buffer.from(payload);
  const head = Buffer.alloc(body.length < 126 ? 6 : 8);
  head[0] = (fin ? 0x80 : 0) | opcode;
  if (body.length < 126) {
    head[1] = 0x80 | body.length;
  } else {
    head[1] = 0x80 | 126;
    head.writeUInt16BE(body.length, 2);
  }
  return Buffer.concat([head, body]);
}

const text = (message) => frame(1, JSON.stringify(message));
const repeat = (bytes, count) => Buffer.concat(Array.from({ length: count }, () => bytes));

/** Opens a socket that completes its handshake, unless @first replaces the
 * request, and reads nothing after that. */
async function intrude(server, first = request) {
  const { protocol, hostname, port } = new URL(server.url);
  const by = protocol === "wss:" ? tls : net;
  const socket = by.connect({ host: hostname, port: Number(port) });
  socket.on("error", () => {}); // the server closes it, as expected
  await once(socket, by === tls ? "secureConnect" : "connect");
  socket.write(first);
  if (first === request) await once(socket, "data");
  socket.pause();
  return socket;
}

const address = { actor: "chat", actorId: "room" };
const history = text({ type: "rpc", id: "h", ...address, method: "history", input: { limit: 100 } });
const subscribe = text({ type: "state:sub", ...address });
const unsubscribe = text({ type: "state:unsub", ...address });
let made = 0;

// Each attack is sent over and over, as fast as the server takes it.
const attacks = {
  "pings without end": () => repeat(frame(9, "x".repeat(125)), 500),
  "empty pings": () => repeat(frame(9, ""), 5000),
  "calls with long answers": () => repeat(history, 300),
  "a storm of subscriptions": () => repeat(Buffer.concat([subscribe, unsubscribe]), 300),
  "subscriptions, again and again": () => repeat(subscribe, 500),
  "fragments of nothing": () => repeat(frame(0, "", false), 200),
  "messages that are none": () => repeat(frame(1, "["), 500),
  "deep JSON": () => frame(1, "[".repeat(60000)),
  "as many instances as it may": () =>
    Buffer.concat(
      Array.from({ length: 300 }, () =>
        text({ type: "event:sub", actor: "chat", actorId: `room ${made++}` }),
      ),
    ),
  "unknown methods of long names": () =>
    text({ type: "rpc", id: "u", ...address, method: "m".repeat(30000) }),
  "closes, and talks on": () => Buffer.concat([frame(8, "\x03\xe8"), repeat(frame(9, ""), 100)]),
  "not a WebSocket at all": () => repeat(Buffer.from("X-Header: and so on\r\n"), 1000),
};

test("a bystander is served amid attacks, and memory stays bounded", async (t) => {
  // Freed memory that the address sanitizer holds back does not count.
  process.env.ASAN_OPTIONS = `${process.env.ASAN_OPTIONS ?? ""}:quarantine_size_mb=4`;
  const server = await startServer(t, process.env.CHAT_SERVER);
  const bystander = await Peer.open(server.url);
  await bystander.call("chat", "room", "join", { name: "ada" });
  for (let i = 0; i < 200; i++) {
    await bystander.call("chat", "room", "say", { text: `${i} `.repeat(40) });
  }
  const before = rss(server);
  const sockets = [];
  for (const [name, say] of Object.entries(attacks)) {
    for (let i = 0; i < 3; i++) {
      const first = name === "not a WebSocket at all" ? "GET / HTTP/1.1\r\n" : request;
      const socket = await intrude(server, first);
      if (name === "fragments of nothing") socket.write(frame(1, "", false));
      sockets.push({ socket, say });
    }
  }
  for (let i = 0; i < 60; i++) {
    for (const { socket, say } of sockets) {
      if (!socket.destroyed && !socket.writableNeedDrain) socket.write(say());
    }
    const { result } = await bystander.call("chat", "room", "history", { limit: 1 });
    assert.equal(result.length, 1);
  }
  // 36 connections, each with 256 KiB of output at most, a message of 1 MiB,
  // and the overhead of an allocator or a sanitizer.
  assert.ok(rss(server) - before < 64 * 1024 * 1024, `${before} bytes became ${rss(server)}`);
  for (const { socket } of sockets) socket.destroy();
  const late = await Peer.open(server.url);
  await late.call("chat", "room", "join", { name: "bob" });
  await late.close();
  await bystander.close();
  await server.stop();
});
