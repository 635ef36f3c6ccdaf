// Listeners `proxy:…`: who may use them, the header of the PROXY protocol cut at
// every byte, lies, garbage, silence. COUNTER_SERVER names the program.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { startServer } from "./peer.js";

const program = process.env.COUNTER_SERVER;
const BY = ["--forwarded-by", "proxy-protocol"];

const signature = Buffer.from("\r\n\r\n\0\r\nQUIT\n", "latin1");

/** A header with a command, a family and what follows. */
function header(command, family, rest = Buffer.alloc(0)) {
  const fixed = Buffer.from([command, family, rest.length >> 8, rest.length & 255]);
  return Buffer.concat([signature, fixed, rest]);
}

const ports = [0x12, 0x34, 0x0b, 0xb8];
const ofClient = (...ip) => header(0x21, 0x11, Buffer.from([...ip, 10, 0, 0, 1, ...ports]));

/** A request that is refused, with the address of its client in the log. */
const probe = (name) =>
  `GET / HTTP/1.1\r\nHost: rooms.example\r\nOrigin: https://${name}.example\r\n` +
  "Connection: close\r\n\r\n";

/** Sends bytes, each piece by itself; resolves with all that comes back. */
async function exchange(where, pieces) {
  const socket = net.connect(where);
  socket.setNoDelay();
  socket.on("error", () => {}); // the server may close before all is sent
  await once(socket, "connect");
  let text = "";
  socket.on("data", (data) => (text += data));
  const closed = new Promise((resolve) => socket.on("close", resolve));
  for (const piece of pieces) {
    socket.write(piece);
    if (pieces.length > 1) await setTimeout(0);
  }
  await closed;
  return text;
}

async function start(t, listen, more) {
  const args = ["--listen", listen, "--listen", "127.0.0.1:0", ...BY, ...more];
  const server = await startServer(t, program, args);
  await server.logged(/listening[^]*listening/);
  const { hostname: host, port } = new URL(/ws:\/\/\S+/.exec(server.log())[0]);
  return { server, where: { host, port } };
}

/** The client that the log has for a probe. */
async function clientOf(server, name) {
  const line = new RegExp(`a request of (\\S+|a Unix socket) from a page of 'https://${name}\\.`);
  return (await server.logged(line))[1];
}

test("a header tells the client, cut at every byte", async (t) => {
  const { server, where } = await start(t, "proxy:127.0.0.1:0", [
    "--trusted-proxies", "127.0.0.0/8", "--log-per-second", "1000",
  ]);
  const bytes = Buffer.concat([ofClient(203, 0, 113, 9), Buffer.from(probe("whole"))]);
  assert.match(await exchange(where, [bytes]), /^HTTP\/1\.1 403 /);
  assert.equal(await clientOf(server, "whole"), "203.0.113.9");
  const all = [];
  for (let cut = 1; cut < 40; cut++) {
    const sent = Buffer.concat([ofClient(203, 0, 113, cut), Buffer.from(probe(`cut${cut}`))]);
    all.push(
      exchange(where, [sent.subarray(0, cut), sent.subarray(cut)]).then(async (text) => {
        assert.match(text, /^HTTP\/1\.1 403 /);
        assert.equal(await clientOf(server, `cut${cut}`), `203.0.113.${cut}`);
      }),
    );
  }
  await Promise.all(all);
  const single = [...Buffer.concat([ofClient(192, 0, 2, 1), Buffer.from(probe("single"))])];
  await exchange(where, single.map((byte) => Buffer.from([byte])));
  assert.equal(await clientOf(server, "single"), "192.0.2.1");
  await server.stop();
});

test("families, the proxy's own connections, and what stands behind addresses", async (t) => {
  const { server, where } = await start(t, "proxy:127.0.0.1:0", [
    "--trusted-proxies", "127.0.0.1",
  ]);
  const v6 = (last) => [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last];
  const tlv = Buffer.concat([Buffer.from([4, 0x0f, 0xf1]), Buffer.alloc(0xff1)]);
  for (const [name, head, client] of [
    ["six", header(0x21, 0x21, Buffer.from([...v6(9), ...v6(1), ...ports])), "2001:db8::9"],
    ["local", header(0x20, 0x11, Buffer.alloc(12)), "127.0.0.1"],
    ["unspec", header(0x21, 0), "127.0.0.1"],
    ["unix", header(0x21, 0x31, Buffer.alloc(216)), "127.0.0.1"],
    ["tlv", header(0x21, 0x11, Buffer.concat([Buffer.from([198, 51, 100, 7, 10, 0, 0, 1, ...ports]), tlv])), "198.51.100.7"],
    // The fields of a request are the client's own word here.
    ["field", Buffer.concat([ofClient(203, 0, 113, 5)]), "203.0.113.5"],
  ]) {
    const forged = probe(name).replace("\r\n", "\r\nX-Forwarded-For: 1.1.1.1\r\nForwarded: for=1.1.1.1\r\n");
    await exchange(where, [Buffer.concat([head, Buffer.from(forged)])]);
    assert.equal(await clientOf(server, name), client);
  }
  await server.stop();
});

test("what begins otherwise is dropped, and other listeners have no header", async (t) => {
  const { server, where } = await start(t, "proxy:127.0.0.1:0", [
    "--trusted-proxies", "127.0.0.1",
  ]);
  for (const bytes of [
    probe("none"),
    "PROXY TCP4 203.0.113.9 10.0.0.1 1 2\r\n" + probe("one"),
    "\x16\x03\x01\x02\x00\x01",
    header(0x21, 0x11, Buffer.alloc(4)),
    header(0x31, 0x11, Buffer.alloc(12)),
  ]) {
    assert.equal(await exchange(where, [bytes]), "");
  }
  await server.logged(/the proxy 127\.0\.0\.1 was dropped: it begins with no header/);
  const [, plain] = [...server.log().matchAll(/ws:\/\/\S+:(\d+)/g)];
  const direct = { host: "127.0.0.1", port: plain[1] };
  assert.match(await exchange(direct, [ofClient(1, 1, 1, 1)]), /^HTTP\/1\.1 400 /);
  // A server that stops does not wait for headers.
  const waiting = net.connect(where).on("error", () => {});
  await once(waiting, "connect");
  await server.stop();
  waiting.destroy();
});

test("half a header, and silence, have an end", async (t) => {
  const { server, where } = await start(t, "proxy:127.0.0.1:0", [
    "--trusted-proxies", "127.0.0.1", "--handshake-ms", "50",
  ]);
  assert.equal(await exchange(where, [ofClient(1, 1, 1, 1).subarray(0, 20)]), "");
  assert.equal(await exchange(where, []), "");
  await server.logged(/was dropped: its header of the PROXY protocol is late/);
  await server.stop();
});

test("only trusted proxies may connect; Unix sockets have them, too", async (t) => {
  const { server, where } = await start(t, "proxy:127.0.0.1:0", [
    "--trusted-proxies", "192.0.2.1, ::1",
  ]);
  const bytes = Buffer.concat([ofClient(203, 0, 113, 9), Buffer.from(probe("stranger"))]);
  assert.equal(await exchange(where, [bytes]), "");
  await server.logged(/from 127\.0\.0\.1 was dropped: trusted_proxies does not name it/);
  await server.stop();

  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "zocket-proxy-"));
  t.after(() => fs.rmSync(folder, { recursive: true }));
  const file = path.join(folder, "s");
  const local = await start(t, `proxy:unix:${file}`, ["--trusted-proxies", "unix"]);
  const sent = Buffer.concat([ofClient(203, 0, 113, 9), Buffer.from(probe("local"))]);
  assert.match(await exchange({ path: file }, [sent]), /^HTTP\/1\.1 403 /);
  assert.equal(await clientOf(local.server, "local"), "203.0.113.9");
  await local.server.stop();
});

test("contradictions are refused at the start", () => {
  const TRUST = ["--trusted-proxies", "127.0.0.1"];
  for (const [args, text] of [
    [["--port", "0", ...TRUST, ...BY], /no listener is proxy:HOST:PORT/],
    [["--listen", "127.0.0.1:0", ...TRUST, ...BY], /no listener is proxy:HOST:PORT/],
    [["--listen", "proxy:127.0.0.1:0"], /it needs forwarded_by proxy-protocol/],
    [["--listen", "proxy:127.0.0.1:0", ...TRUST, "--forwarded-by", "forwarded"], /it needs forwarded_by proxy-protocol/],
    [["--listen", "proxy:unix:/tmp/never", ...TRUST, ...BY], /it needs 'unix' among trusted_proxies/],
    [["--port", "0", ...TRUST], /trusted_proxies without forwarded_by/],
    [["--port", "0", ...BY], /forwarded_by without trusted_proxies/],
  ]) {
    const { status, stderr } = spawnSync(program, args, { encoding: "utf8" });
    assert.equal(status, 1, stderr);
    assert.match(stderr, text);
  }
});
