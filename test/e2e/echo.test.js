// A small conformance test of the websocket and net layers over real sockets:
// the `ws` client and server as peers, and raw bytes that `ws` would not send.
// ECHO_SERVER and ECHO_CLIENT name the programs.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import net from "node:net";
import { after, test } from "node:test";
import { promisify } from "node:util";
import WebSocket, { WebSocketServer } from "ws";
import { startServer } from "./peer.js";

const LIMIT = 1_000_000;
const run = promisify(execFile);

after(() => server.stop());
const server = await startServer({ after }, process.env.ECHO_SERVER, [
  "--message",
  String(LIMIT),
]);

/* ---- by `ws` ---- */

async function open(options) {
  const socket = new WebSocket(server.url, options);
  socket.closed = once(socket, "close").then(([code]) => code);
  await once(socket, "open");
  return socket;
}

const sizes = [0, 1, 125, 126, 127, 128, 4096, 65535, 65536, 200_000, LIMIT];

test("messages of every size come back unchanged", async () => {
  const socket = await open();
  for (const size of sizes) {
    for (const binary of [false, true]) {
      const data = binary ? randomBytes(size) : Buffer.from("é".repeat(size / 2) + "x".repeat(size % 2));
      socket.send(data, { binary });
      const [back, isBinary] = await once(socket, "message");
      assert.equal(isBinary, binary);
      assert.ok(data.equals(back), `${size} bytes`);
    }
  }
  socket.close(1000);
  assert.equal(await socket.closed, 1000);
});

test("a message in fragments with pings between comes back whole", async () => {
  const socket = await open();
  const pongs = [];
  socket.on("pong", (data) => pongs.push(data.toString()));
  const text = Buffer.from("😀é€".repeat(1000));
  for (let at = 0; at < text.length; at += 7) {
    socket.send(text.subarray(at, at + 7), { binary: false, fin: at + 7 >= text.length });
    if (at % 700 === 0) socket.ping(String(at));
  }
  const [back] = await once(socket, "message");
  assert.ok(text.equals(back));
  assert.equal(pongs.length, Math.ceil(text.length / 700));
  socket.close();
  assert.equal(await socket.closed, 1005);
});

test("a message over the limit is refused with 1009", async () => {
  const socket = await open();
  socket.send(Buffer.alloc(LIMIT + 1));
  assert.equal(await socket.closed, 1009);
});

// A build without zlib agrees to no compression.
const deflates = process.env.ECHO_DEFLATES === "1";

test("compression is agreed to, without a context", { skip: !deflates }, async () => {
  const socket = await open({ perMessageDeflate: { threshold: 0, serverNoContextTakeover: false } });
  assert.match(socket.extensions, /permessage-deflate/);
  for (const size of sizes) {
    for (const binary of [false, true]) {
      const half = randomBytes(size / 2);
      const data = binary ? Buffer.concat([half, half]) : Buffer.from("é€".repeat(size / 5));
      socket.send(data, { binary });
      const [back, isBinary] = await once(socket, "message");
      assert.equal(isBinary, binary);
      assert.ok(data.equals(back), `${size} bytes`);
    }
  }
  socket.close(1000);
  assert.equal(await socket.closed, 1000);
});

test("a compressed message in fragments comes back whole", { skip: !deflates }, async () => {
  const socket = await open({ perMessageDeflate: { threshold: 0 } });
  const text = Buffer.from("{\"é\":\"€\"},".repeat(3000));
  for (let at = 0; at < text.length; at += 1000) {
    socket.send(text.subarray(at, at + 1000), { binary: false, fin: at + 1000 >= text.length });
    if (at % 7000 === 0) socket.ping(String(at));
  }
  const [back] = await once(socket, "message");
  assert.ok(text.equals(back));
  socket.close(1000);
  assert.equal(await socket.closed, 1000);
});

test("a message that is over the limit when it is decompressed is refused with 1009", { skip: !deflates }, async () => {
  const socket = await open({ perMessageDeflate: true });
  socket.send(Buffer.alloc(LIMIT + 1));
  assert.equal(await socket.closed, 1009);
});

test("a smaller window, and compression that is not offered, are not agreed to", async () => {
  for (const options of [{ perMessageDeflate: { serverMaxWindowBits: 10 } }, { perMessageDeflate: false }]) {
    const socket = await open(options);
    assert.equal(socket.extensions, "");
    socket.terminate();
  }
});

test("a thousand messages at once come back in their order", async () => {
  const socket = await open();
  const got = [];
  const done = new Promise((resolve) => {
    socket.on("message", (data) => got.push(data.toString()) === 1000 && resolve());
  });
  for (let i = 0; i < 1000; i++) socket.send(String(i));
  await done;
  assert.deepEqual(got, Array.from({ length: 1000 }, (_, i) => String(i)));
  socket.close(3000, "enough");
  assert.equal(await socket.closed, 3000);
});

test("the client sends back, too, and says how it ended", async () => {
  const host = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  await once(host, "listening");
  const client = run(process.env.ECHO_CLIENT, [`ws://127.0.0.1:${host.address().port}/path?query`]);
  const [socket, request] = await once(host, "connection");
  assert.equal(request.url, "/path?query");
  for (const size of sizes) {
    const data = randomBytes(size);
    socket.send(data);
    const [back, isBinary] = await once(socket, "message");
    assert.ok(isBinary && data.equals(back), `${size} bytes`);
  }
  socket.ping("p");
  assert.equal((await once(socket, "pong"))[0].toString(), "p");
  socket.close(4001, "so it ends");
  assert.equal((await client).stdout, "closed with 4001\n");
  host.close();
});

test("the client compresses, if the server does", { skip: !deflates }, async () => {
  const perMessageDeflate = { threshold: 0, serverMaxWindowBits: 10 };
  const host = new WebSocketServer({ port: 0, host: "127.0.0.1", perMessageDeflate });
  await once(host, "listening");
  const client = run(process.env.ECHO_CLIENT, [`ws://127.0.0.1:${host.address().port}`]);
  const [socket] = await once(host, "connection");
  assert.match(socket.extensions, /permessage-deflate/);
  for (const size of sizes) {
    const data = Buffer.from("é€".repeat(size / 5));
    socket.send(data, { binary: false });
    const [back] = await once(socket, "message");
    assert.ok(data.equals(back), `${size} bytes`);
  }
  socket.close(4001);
  assert.equal((await client).stdout, "closed with 4001\n");
  host.close();
});

test("the client refuses a handshake that answers another", async () => {
  const host = net.createServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", () =>
      socket.write(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
          "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
      ),
    );
  });
  host.listen(0, "127.0.0.1");
  await once(host, "listening");
  const { stdout } = await run(process.env.ECHO_CLIENT, [`ws://127.0.0.1:${host.address().port}`]);
  assert.equal(stdout, "closed with 1002\n");
  host.close();
});

/* ---- by hand ---- */

const KEY = "dGhlIHNhbXBsZSBub25jZQ==";
const head = (lines = {}) => {
  const fields = {
    Host: "x",
    Upgrade: "websocket",
    Connection: "Upgrade",
    "Sec-WebSocket-Key": KEY,
    "Sec-WebSocket-Version": "13",
    ...lines,
  };
  const text = Object.entries(fields).map(([name, value]) => (value === null ? "" : `${name}: ${value}\r\n`));
  return `GET / HTTP/1.1\r\n${text.join("")}\r\n`;
};

/** Sends bytes, in pieces of @cut; returns everything until the server
 * closes. */
async function talk(bytes, cut = Infinity) {
  const { port } = new URL(server.url);
  const socket = net.connect({ port: Number(port), host: "127.0.0.1", noDelay: true });
  const chunks = [];
  socket.on("data", (chunk) => chunks.push(chunk));
  socket.on("error", () => {});
  const ended = once(socket, "close");
  for (let at = 0; at < bytes.length; at += cut) {
    socket.write(bytes.subarray(at, at + cut));
    if (cut !== Infinity) await new Promise(setImmediate);
  }
  await ended;
  return Buffer.concat(chunks);
}

const handshakes = [
  ["no version", { "Sec-WebSocket-Version": null }, 426],
  ["an old version", { "Sec-WebSocket-Version": "8" }, 426],
  ["no key", { "Sec-WebSocket-Key": null }, 400],
  ["a key that is too short", { "Sec-WebSocket-Key": "c2hvcnQ=" }, 400],
  ["no upgrade", { Upgrade: null }, 426],
  ["no host", { Host: null }, 400],
  ["a body", { "Content-Length": "5" }, 400],
  ["a head of 20 KB", { X: "y".repeat(20_000) }, 431],
];
for (const [what, lines, status] of handshakes) {
  test(`RFC 6455, section 4.2.1: ${what}: ${status}`, async () => {
    const reply = (await talk(Buffer.from(head(lines)))).toString();
    assert.match(reply, new RegExp(`^HTTP/1.1 ${status} `));
    if (status === 426) assert.match(reply, /Sec-WebSocket-Version: 13\r\n/);
  });
}

function frame(first, payload, { masked = true, rsv = 0 } = {}) {
  const key = randomBytes(4);
  const body = Buffer.from(payload);
  const start = Buffer.from([first | rsv, (masked ? 0x80 : 0) | body.length]);
  if (!masked) return Buffer.concat([start, body]);
  return Buffer.concat([start, key, body.map((byte, i) => byte ^ key[i & 3])]);
}
const code = (number, reason = "") =>
  Buffer.concat([Buffer.from([number >> 8, number & 255]), Buffer.from(reason)]);

/** Describes a server's frames, each as "opcode:payload", a close by its
 * code. */
function describe(bytes) {
  const out = [];
  for (let at = 0; at < bytes.length; ) {
    const length = bytes[at + 1];
    assert.ok(length < 126, "a short frame, not masked");
    const payload = bytes.subarray(at + 2, at + 2 + length);
    const opcode = bytes[at] & 15;
    out.push(`${opcode}:${opcode === 8 && length >= 2 ? payload.readUInt16BE() : payload}`);
    at += 2 + length;
  }
  return out.join(" ");
}

const close = frame(0x88, code(1000));
const streams = [
  ["5.1, a frame without a mask", [frame(0x81, "x", { masked: false })], "8:1002"],
  ["5.2, a reserved bit", [frame(0x81, "x", { rsv: 0x40 })], "8:1002"],
  ["5.2, a reserved opcode", [frame(0x83, "x")], "8:1002"],
  ["5.4, fragments", [frame(0x01, "a"), frame(0x89, "p"), frame(0x80, "b"), close], "10:p 1:ab 8:1000"],
  ["5.4, a new message in one", [frame(0x01, "a"), frame(0x81, "b")], "8:1002"],
  ["5.5, a control frame in pieces", [frame(0x09, "p")], "8:1002"],
  ["5.5.1, close without a code", [frame(0x88, "")], "8:"],
  ["5.5.1, half of a code", [frame(0x88, "\x03")], "8:1002"],
  ["5.5.1, nothing after it", [close, frame(0x81, "late")], "8:1000"],
  ["5.5.1, a reason", [frame(0x88, code(4000, "é"))], "8:4000"],
  ["7.4.1, 1005 is not sent", [frame(0x88, code(1005))], "8:1002"],
  ["7.4.2, 2999", [frame(0x88, code(2999))], "8:1002"],
  ["11.7, 1013", [frame(0x88, code(1013))], "8:1013"],
  ["8.1, not UTF-8", [frame(0x81, Buffer.from([0x61, 0xff]))], "8:1007"],
  ["8.1, judged early", [frame(0x01, Buffer.from([0xed, 0xa0]))], "8:1007"],
  ["8.1, a reason that is not", [frame(0x88, Buffer.from([3, 232, 255]))], "8:1007"],
];
for (const [what, frames, expected] of streams) {
  test(`RFC 6455, section ${what}`, async () => {
    for (const cut of [Infinity, 5]) {
      const bytes = await talk(Buffer.concat([Buffer.from(head()), ...frames]), cut);
      const end = bytes.indexOf("\r\n\r\n") + 4;
      const accept = createHash("sha1").update(`${KEY}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
      assert.ok(bytes.subarray(0, end).includes(`Sec-WebSocket-Accept: ${accept}\r\n`));
      assert.equal(describe(bytes.subarray(end)), expected);
    }
  });
}
