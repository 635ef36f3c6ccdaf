// Static files: Node's client, curl and bare sockets against a server with a
// folder, some of it made to be escaped from. COUNTER_SERVER names the program.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import crypto from "node:crypto";
import { once } from "node:events";
import fs from "node:fs";
import http from "node:http";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { Worker } from "node:worker_threads";
import zlib from "node:zlib";
import { startServer } from "./peer.js";

const run = promisify(execFile);
const SECRET = "this is outside of the folder";

/** Makes a folder that is removed when the test ends. */
function makeFolder(t) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "zocket-static-"));
  t.after(() => fs.rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Writes files, `{ "a/b.html": "text" }`, below a folder. */
function write(folder, files) {
  for (const [name, content] of Object.entries(files)) {
    fs.mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
    fs.writeFileSync(path.join(folder, name), content);
  }
}

/** Starts a server of a folder with some files. */
async function serve(t, files, args = []) {
  const folder = makeFolder(t);
  write(folder, files);
  const server = await startServer(t, process.env.COUNTER_SERVER, ["--static", folder, ...args]);
  return { folder, server };
}

/** Requests a path; resolves with status, headers and bytes. */
async function get(server, target, headers = {}, options = {}) {
  const { hostname, port } = new URL(server.url);
  const request = http.request({ hostname, port, path: target, headers, ...options });
  request.end();
  const [response] = await once(request, "response");
  const parts = [];
  for await (const part of response) parts.push(part);
  return {
    status: response.statusCode,
    headers: response.headers,
    bytes: Buffer.concat(parts),
    get text() {
      return this.bytes.toString();
    },
  };
}

/** Connects a bare socket. */
async function connect(server) {
  const { hostname, port } = new URL(server.url);
  const socket = net.connect(Number(port), hostname);
  await once(socket, "connect");
  return socket;
}

/** Sends bytes on a connection of their own; resolves with all that comes back. */
async function exchange(server, text) {
  const socket = await connect(server);
  const parts = [];
  socket.on("data", (part) => parts.push(part));
  socket.on("error", () => {});
  socket.write(text);
  await once(socket, "close");
  return Buffer.concat(parts).toString("latin1");
}

const asked = (target, more = "") =>
  `GET ${target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n${more}\r\n`;

test("random trees, byte by byte", async (t) => {
  const names = ["a", "B.html", "c d.js", "ä€.css", "100%.txt", "a+b&c;d=e.svg", "x'y\"z", "-", "_.", "[0]"];
  const sizes = [0, 1, 100, 65535, 65536, 65537, 200000];
  const files = {};
  for (let i = 0; i < 60; i++) {
    const depth = crypto.randomInt(1, 5);
    const at = Array.from({ length: depth }, () => names[crypto.randomInt(names.length)] + "/");
    files[`${at.join("")}${i}${names[i % names.length]}`] = crypto.randomBytes(sizes[i % sizes.length]);
  }
  const { server } = await serve(t, files);
  const agent = new http.Agent({ keepAlive: true, maxSockets: 3 });
  await Promise.all(
    Object.entries(files).map(async ([name, content]) => {
      const target = "/" + name.split("/").map(encodeURIComponent).join("/");
      const whole = await get(server, target, {}, { agent });
      assert.equal(whole.status, 200, target);
      assert.ok(whole.bytes.equals(content), target);
      assert.equal(whole.headers["content-length"], String(content.length));
      if (content.length === 0) return;
      const first = crypto.randomInt(content.length);
      const last = crypto.randomInt(first, content.length);
      const part = await get(server, target, { range: `bytes=${first}-${last}` }, { agent });
      assert.equal(part.status, 206);
      assert.equal(part.headers["content-range"], `bytes ${first}-${last}/${content.length}`);
      assert.ok(part.bytes.equals(content.subarray(first, last + 1)), target);
    }),
  );
  agent.destroy();
  await server.stop();
});

test("fields, and what a client has already", async (t) => {
  const { folder, server } = await serve(t, { "index.html": "<p>top", "a/b.js": "b()", "a/data": "?" });
  const file = path.join(folder, "a/b.js");
  fs.utimesSync(file, 784111777, 784111777);
  const full = await get(server, "/a/b.js?v=1");
  const { etag, date, ...rest } = full.headers;
  assert.deepEqual(rest, {
    "accept-ranges": "bytes",
    "cache-control": "no-cache",
    "content-length": "3",
    "content-type": "text/javascript; charset=utf-8",
    "last-modified": "Sun, 06 Nov 1994 08:49:37 GMT",
    vary: "Accept-Encoding, Origin",
    "x-content-type-options": "nosniff",
  });
  assert.match(etag, /^"[0-9a-f-]+"$/);
  assert.ok(Date.parse(date) > 0);
  const head = await get(server, "/a/b.js", {}, { method: "HEAD" });
  assert.deepEqual({ ...head.headers, date }, full.headers);
  assert.equal(head.text, "");
  assert.equal((await get(server, "/")).text, "<p>top");
  assert.equal((await get(server, "/")).headers["content-type"], "text/html; charset=utf-8");
  assert.equal((await get(server, "/a/data")).headers["content-type"], "application/octet-stream");

  const known = await get(server, "/a/b.js", { "if-none-match": `"x", W/${etag}` });
  assert.equal(known.status, 304);
  assert.equal(known.headers.etag, etag);
  assert.equal(known.headers["content-length"], undefined);
  assert.equal(known.headers["content-type"], undefined);
  assert.equal((await get(server, "/a/b.js", { "if-modified-since": rest["last-modified"] })).status, 304);
  assert.equal((await get(server, "/a/b.js", { "if-match": '"x"' })).status, 412);
  const behind = await get(server, "/a/b.js", { range: "bytes=3-" });
  assert.equal(behind.status, 416);
  assert.equal(behind.headers["content-range"], "bytes */3");
  const same = await get(server, "/a/b.js", { range: "bytes=1-", "if-range": etag });
  assert.equal(same.text, "()");
  const several = await get(server, "/a/b.js", { range: "bytes=0-0,2-2" });
  assert.equal(several.status, 200);
  assert.equal(several.text, "b()");

  // A build that gives every file the same time, and the same length.
  fs.writeFileSync(`${file}.new`, "c()");
  fs.utimesSync(`${file}.new`, 784111777, 784111777);
  fs.renameSync(`${file}.new`, file);
  const changed = await get(server, "/a/b.js", { "if-none-match": etag });
  assert.equal(changed.status, 200);
  assert.equal(changed.text, "c()");
  const other = await get(server, "/a/b.js", { range: "bytes=1-", "if-range": etag });
  assert.equal(other.text, "c()");

  // A file from the future has no date.
  fs.utimesSync(file, 4102444800, 4102444800);
  assert.equal((await get(server, "/a/b.js")).headers["last-modified"], undefined);

  for (const method of ["POST", "PUT", "DELETE", "OPTIONS"]) {
    const answer = await get(server, "/a/b.js", {}, { method });
    assert.equal(answer.status, 405);
    assert.equal(answer.headers.allow, "GET, HEAD");
  }
  await server.stop();
});

test("folders", async (t) => {
  const { server } = await serve(t, { "a/index.html": "A", "a/b/c.txt": "C", "d e/index.html": "D" });
  const redirect = async (target) => {
    const { status, headers } = await get(server, target);
    return [status, headers.location];
  };
  assert.equal((await get(server, "/a/")).text, "A");
  assert.deepEqual(await redirect("/a"), [308, "/a/"]);
  assert.deepEqual(await redirect("/a?x=/../y&z"), [308, "/a/?x=/../y&z"]);
  assert.deepEqual(await redirect("/%61"), [308, "/%61/"]);
  assert.deepEqual(await redirect("/d%20e"), [308, "/d%20e/"]);
  for (const target of ["/a/b", "/a/b/", "/", "/a/index.html/", "//a", "//evil.example", "/a//", "///a"]) {
    assert.deepEqual(await redirect(target), [404, undefined], target);
  }
  assert.deepEqual(await redirect("/\\evil.example"), [400, undefined]);
  assert.deepEqual(await redirect("/%5cevil.example/"), [400, undefined]);
  assert.match(await exchange(server, asked("http://localhost/a")), /\r\nLocation: \/a\/\r\n/);
  const long = `/a?${"q".repeat(15000)}`;
  assert.deepEqual(await redirect(long), [308, long.replace("?", "/?")]);
  // Routes of the server come first, and every path takes a WebSocket.
  assert.equal((await get(server, "/healthz")).text, "ok\n");
  const upgrade = await exchange(
    server,
    "GET /a HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n" +
      "\x88\x80\0\0\0\0",
  );
  assert.match(upgrade, /^HTTP\/1\.1 101 /);
  await server.stop();
});

test("encoded forms", async (t) => {
  const text = "x".repeat(100000);
  const { folder, server } = await serve(t, { "a.js": text, "b.js": text, "c.js": text });
  write(folder, {
    "a.js.br": zlib.brotliCompressSync(text),
    "a.js.gz": zlib.gzipSync(text),
    "b.js.gz": zlib.gzipSync(text),
    "c.js.gz": zlib.gzipSync("old"),
  });
  fs.utimesSync(path.join(folder, "c.js.gz"), 784111777, 784111777);
  const ask = (target, accepted, more = {}) =>
    get(server, target, accepted === null ? more : { "accept-encoding": accepted, ...more });
  const decoders = { br: zlib.brotliDecompressSync, gzip: zlib.gunzipSync };
  const seen = new Set();
  for (const [target, accepted, coding] of [
    ["/a.js", null, undefined],
    ["/a.js", "", undefined],
    ["/a.js", "gzip, deflate, br, zstd", "br"],
    ["/a.js", "gzip", "gzip"],
    ["/a.js", "gzip;q=0.9, br;q=0.8", "gzip"],
    ["/a.js", "br;q=0, *", "gzip"],
    ["/a.js", "identity, br;q=0.5", undefined],
    ["/a.js", "gzip, identity;q=0", "gzip"],
    ["/b.js", "gzip, br", "gzip"],
    ["/b.js", "br", undefined],
    ["/c.js", "gzip, br", undefined],
    ["/a.js.gz", "gzip", undefined],
  ]) {
    const answer = await ask(target, accepted);
    const why = `${target} for ${accepted}`;
    assert.equal(answer.status, 200, why);
    assert.equal(answer.headers["content-encoding"], coding, why);
    assert.equal(answer.headers.vary, "Accept-Encoding, Origin");
    if (target.endsWith(".gz")) {
      assert.equal(answer.headers["content-type"], "application/gzip");
      continue;
    }
    assert.equal(answer.headers["content-type"], "text/javascript; charset=utf-8");
    const decoded = coding ? decoders[coding](answer.bytes) : answer.bytes;
    assert.equal(decoded.toString(), text, why);
    if (target === "/a.js") seen.add(answer.headers.etag);
  }
  assert.equal(seen.size, 3); // a tag for each form
  assert.equal((await ask("/b.js", "br, identity;q=0")).status, 406);
  assert.equal((await ask("/b.js", "*;q=0")).status, 406);
  const gzip = await ask("/a.js", "gzip");
  const { etag } = gzip.headers;
  assert.equal((await ask("/a.js", "gzip", { "if-none-match": etag })).status, 304);
  assert.equal((await ask("/a.js", "br", { "if-none-match": etag })).status, 200);
  const part = await ask("/a.js", "gzip", { range: "bytes=5-9", "if-range": etag });
  assert.equal(part.status, 206);
  assert.ok(part.bytes.equals(gzip.bytes.subarray(5, 10)));
  await server.stop();
});

test("pages that are made by scripts, and files that never change", async (t) => {
  const args = ["--static-fallback", "index.html", "--static-immutable", "/assets"];
  const files = { "index.html": "<p>", "assets/a-1f.js": "a", "assets2/b.js": "b", "assets.js": "c" };
  const { server } = await serve(t, files, args);
  const page = { accept: "text/html,application/xhtml+xml,*/*;q=0.8" };
  const cached = async (target, headers) => (await get(server, target, headers)).headers["cache-control"];
  const forever = "public, max-age=31536000, immutable";
  for (const [target, headers, status] of [
    ["/rooms/5?x", page, 200],
    ["/rooms/5", { ...page, "sec-fetch-mode": "navigate" }, 200],
    ["/rooms/5", { "sec-fetch-mode": "navigate" }, 200],
    ["/rooms/5", { ...page, "sec-fetch-mode": "no-cors" }, 404],
    ["/rooms/5", { accept: "*/*" }, 404],
    ["/rooms/5", {}, 404],
    ["/assets/gone.js", {}, 404],
    ["/assets/gone.js", page, 200],
    ["/assets", page, 200],
    ["/.git/config", page, 404],
    ["/../secret", page, 400],
    ["//evil.example", page, 404],
  ]) {
    const answer = await get(server, target, headers);
    const why = `${target} ${JSON.stringify(headers)}`;
    assert.equal(answer.status, status, why);
    if (status !== 200) continue;
    assert.equal(answer.text, "<p>", why);
    assert.equal(answer.headers["cache-control"], "no-cache", why);
    assert.equal(answer.headers.vary, "Accept-Encoding, Accept, Sec-Fetch-Mode, Origin");
  }
  assert.equal((await get(server, "/rooms", page, { method: "HEAD" })).status, 200);
  assert.equal(await cached("/assets/a-1f.js"), forever);
  assert.equal(await cached("/%61ssets/a-1f.js"), forever);
  assert.equal(await cached("/assets2/b.js"), "no-cache");
  assert.equal(await cached("/assets.js"), "no-cache");
  assert.equal(await cached("/"), "no-cache");
  assert.equal(await cached("/assets/gone.js"), "no-store");
  await server.stop();
});

/** Makes links, FIFOs and the like in a folder, and a secret beside it. */
async function makeTraps(t) {
  const top = makeFolder(t);
  const folder = path.join(top, "public");
  write(top, { "secret/file": SECRET, "public/real/file": "real", "public/.env": SECRET });
  write(folder, { ".git/config": SECRET, "sub/.hidden": SECRET, ".well-known/acme": "known" });
  write(top, { "public-secret/file": SECRET });
  const link = (to, name) => fs.symlinkSync(to, path.join(folder, name));
  link("../secret/file", "link");
  link(path.join(top, "secret/file"), "absolute");
  link("../secret", "folder");
  link("/proc/self", "proc");
  link("/dev/zero", "zero");
  link("real", "inner");
  await run("mkfifo", [path.join(folder, "fifo")]);
  const socket = net.createServer().listen(path.join(folder, "socket"));
  await once(socket, "listening");
  t.after(() => socket.close());
  return { top, folder };
}

test("nothing leaves the folder", async (t) => {
  const { top, folder } = await makeTraps(t);
  const server = await startServer(t, process.env.COUNTER_SERVER, ["--static", folder]);
  const ups = ["..", "%2e%2e", ".%2e", "%2E.", "..%00", "..\\", "..%5c"];
  const table = {
    "/real/file": 200,
    "/.well-known/acme": 200,
    "/.env": 404,
    "/%2eenv": 404,
    "/.git/config": 404,
    "/sub/.hidden": 404,
    "/link": 404,
    "/absolute": 404,
    "/folder/file": 404,
    "/folder/": 404,
    "/inner/file": 404,
    "/proc/environ": 404,
    "/proc/root/etc/passwd": 404,
    "/zero": 404,
    "/fifo": 404,
    "/socket": 404,
    "/public-secret/file": 404,
    "/real%2ffile": 400,
    "/real%00/file": 400,
    "/real/file%00.html": 400,
    "/real/file%": 400,
    "/%252e%252e/secret/file": 404,
    "/..;/secret/file": 404,
    "/%c0%ae%c0%ae/secret/file": 404,
    [`//${top}/secret/file`]: 404,
    [`/${"a/".repeat(5000)}`]: 404,
    [`/${"a".repeat(10000)}`]: 404,
    "http://localhost/../secret/file": 400,
    "/real/./file": 400,
  };
  for (const up of ups) {
    table[`/${up}/secret/file`] = 400;
    table[`/real/${up}/${up}/secret/file`] = 400;
    table[`/${up}%2fsecret/file`] = 400;
    table[`/.well-known/${up}/${up}/secret/file`] = 400;
  }
  for (const [target, status] of Object.entries(table)) {
    for (const more of ["", "Accept-Encoding: br, gzip\r\n", "Range: bytes=0-\r\n"]) {
      const answer = await exchange(server, asked(target, more));
      const expected = status === 200 && more.startsWith("Range") ? 206 : status;
      assert.equal(Number(answer.slice(9, 12)), expected, target);
      assert.ok(!answer.includes(SECRET) && !answer.includes("root:"), target);
    }
  }
  assert.equal(server.child.exitCode, null);
  await server.stop();
});

test("links that are swapped under load", async (t) => {
  const { folder } = await makeTraps(t);
  const server = await startServer(t, process.env.COUNTER_SERVER, ["--static", folder]);
  // real: a folder, then a link to the secret one, and so on.
  const swaps = new Int32Array(new SharedArrayBuffer(8));
  const worker = new Worker(
    `const fs = require("node:fs");
    const { workerData: { folder, swaps } } = require("node:worker_threads");
    const at = (name) => folder + "/" + name;
    while (Atomics.load(swaps, 1) === 0) {
      fs.renameSync(at("real"), at("other"));
      fs.renameSync(at("folder"), at("real"));
      fs.renameSync(at("real"), at("folder"));
      fs.renameSync(at("other"), at("real"));
      Atomics.add(swaps, 0, 1);
    }`,
    { eval: true, workerData: { folder, swaps } },
  );
  const ended = once(worker, "exit");
  const agent = new http.Agent({ keepAlive: true, maxSockets: 4 });
  const seen = { 200: 0, 404: 0 };
  const load = async () => {
    for (let i = 0; i < 200 || Atomics.load(swaps, 0) < 500; i++) {
      const answer = await get(server, "/real/file", {}, { agent });
      seen[answer.status]++;
      assert.ok(answer.status === 200 ? answer.text === "real" : answer.status === 404, answer.text);
    }
  };
  await Promise.all([load(), load(), load(), load()]);
  Atomics.store(swaps, 1, 1);
  await ended;
  assert.ok(seen[200] + seen[404] >= 800);
  assert.equal((await get(server, "/real/file", {}, { agent })).text, "real");
  agent.destroy();
  await server.stop();
});

test("a file that may not be read is logged", async (t) => {
  const { folder, server } = await serve(t, { "index.html": "" });
  write(folder, { "mine\x1b[2J": "x" });
  fs.chmodSync(path.join(folder, "mine\x1b[2J"), 0);
  const { status } = await get(server, "/mine%1b%5b2J");
  // A server that runs as root may read it.
  assert.equal(status, process.getuid() === 0 ? 200 : 404);
  if (status === 404) assert.match(server.log(), /a static file cannot be opened: permission denied: \/mine%1b/);
  await server.stop();
});

test("a huge file in ranges", async (t) => {
  const { folder, server } = await serve(t, {});
  const size = 5 * 2 ** 30;
  const file = fs.openSync(path.join(folder, "huge"), "w");
  fs.ftruncateSync(file, size);
  fs.writeSync(file, "here", size - 1000);
  fs.writeSync(file, "there", 2 ** 32 - 2);
  fs.closeSync(file);
  assert.equal((await get(server, "/huge", {}, { method: "HEAD" })).headers["content-length"], String(size));
  const part = async (range) => (await get(server, "/huge", { range })).text;
  assert.equal(await part(`bytes=${size - 1000}-${size - 997}`), "here");
  assert.equal((await part("bytes=-1000")).slice(0, 4), "here");
  assert.equal(await part(`bytes=${2 ** 32 - 2}-${2 ** 32 + 2}`), "there");
  assert.equal((await get(server, "/huge", { range: `bytes=${size}-` })).status, 416);
  const { bytes, headers } = await get(server, "/huge", { range: "bytes=1000000-3999999" });
  assert.equal(headers["content-range"], `bytes 1000000-3999999/${size}`);
  assert.ok(bytes.equals(Buffer.alloc(3000000)));
  await server.stop();
});

test("a file that shrinks ends the connection", async (t) => {
  const { folder, server } = await serve(t, { big: Buffer.alloc(64 << 20, "x"), small: "s" });
  const socket = await connect(server);
  socket.pause();
  socket.write("GET /big HTTP/1.1\r\nHost: localhost\r\n\r\n");
  await once(socket, "readable");
  fs.truncateSync(path.join(folder, "big"), 1000);
  let received = 0;
  socket.on("data", (part) => (received += part.length));
  socket.on("error", () => {});
  await once(socket, "close");
  assert.ok(received < 64 << 20);
  assert.equal((await get(server, "/small")).text, "s");
  assert.equal((await get(server, "/big")).bytes.length, 1000);
  await server.stop();
});

test("slow readers keep few descriptors", async (t) => {
  const args = ["--static-files", "3", "--output-stuck-ms", "600000"];
  const { server } = await serve(t, { big: Buffer.alloc(64 << 20, "x"), small: Buffer.alloc(65536, "y") }, args);
  const slow = [];
  for (let i = 0; i < 3; i++) {
    const socket = await connect(server);
    socket.on("error", () => {});
    socket.pause();
    socket.write("GET /big HTTP/1.1\r\nHost: localhost\r\n\r\n");
    await once(socket, "readable");
    slow.push(socket);
  }
  const refused = await get(server, "/big");
  assert.equal(refused.status, 503);
  assert.equal(refused.headers["retry-after"], "1");
  // Shorter ones need none while they wait, and neither does a head.
  assert.equal((await get(server, "/small")).bytes.length, 65536);
  assert.equal((await get(server, "/big", { range: "bytes=-65536" })).bytes.length, 65536);
  assert.equal((await get(server, "/big", {}, { method: "HEAD" })).status, 200);
  slow[1].destroy();
  while ((await get(server, "/big", { range: "bytes=0-100000" })).status === 503);
  for (const socket of slow) socket.destroy();
  await server.stop();
});

test("a reader that takes nothing for long is dropped", async (t) => {
  const args = ["--static-files", "1", "--output-stuck-ms", "200"];
  const { server } = await serve(t, { big: Buffer.alloc(64 << 20, "x") }, args);
  const socket = await connect(server);
  socket.pause();
  socket.write("GET /big HTTP/1.1\r\nHost: localhost\r\n\r\n");
  await once(socket, "readable");
  while ((await get(server, "/big", { range: "bytes=0-100000" })).status === 503);
  let received = 0;
  socket.on("data", (part) => (received += part.length));
  socket.on("error", () => {});
  await once(socket, "close");
  assert.ok(received < 64 << 20);
  await server.stop();
});

test("many slow readers, and clients that go", async (t) => {
  const { server } = await serve(t, { big: Buffer.alloc(4 << 20, "x"), small: "s" });
  const open = () => fs.readdirSync(`/proc/${server.child.pid}/fd`).length;
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  assert.equal((await get(server, "/small", {}, { agent })).text, "s");
  const before = open();
  const sockets = await Promise.all(
    Array.from({ length: 150 }, async () => {
      const socket = await connect(server);
      socket.on("error", () => {});
      socket.pause();
      socket.write("GET /big HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(3));
      await once(socket, "readable");
      return socket;
    }),
  );
  assert.equal((await get(server, "/small", {}, { agent })).text, "s");
  assert.ok(open() >= before + 2 * 150); // a socket and a file each
  for (const socket of sockets) socket.destroy();
  while (open() > before) await get(server, "/small", {}, { agent });
  agent.destroy();
  await server.stop();
});

test("a pipeline keeps its order", async (t) => {
  const { server } = await serve(t, { big: Buffer.alloc(1 << 20, "x"), a: "A", b: "B" });
  const many = ["/big", "/a", "/none", "/big", "/b"];
  const text = await exchange(
    server,
    many.map((target) => `GET ${target} HTTP/1.1\r\nHost: localhost\r\n\r\n`).join("") + asked("/a"),
  );
  const big = "x".repeat(1 << 20);
  const bodies = text.split(/HTTP\/1\.1 \d+ [^]*?\r\n\r\n/).slice(1);
  assert.deepEqual(bodies, [big, "A", "there is no such file\n", big, "B", "A"]);
  await server.stop();
});

test("curl", async (t) => {
  const text = crypto.randomBytes(300000).toString("hex");
  const { folder, server } = await serve(t, { "a.txt": text, "a.txt.br": zlib.brotliCompressSync(text) });
  const url = `${server.url.replace(/^ws/, "http")}/a.txt`;
  const curl = async (...args) =>
    (await run("curl", ["-sS", "--max-time", "60", ...args], { maxBuffer: 1 << 24 })).stdout;
  assert.ok((await curl(url)) === text);
  assert.ok((await curl("--compressed", url)) === text);
  assert.equal(await curl("-r", "5-9", url), text.slice(5, 10));
  const half = path.join(folder, "half");
  fs.writeFileSync(half, text.slice(0, 1000));
  await curl("-C", "-", "-o", half, url);
  assert.ok(fs.readFileSync(half, "utf8") === text);
  const tag = path.join(folder, "tag");
  assert.equal(await curl("--etag-save", tag, "-o", "/dev/null", "-w", "%{http_code}", url), "200");
  assert.equal(await curl("--etag-compare", tag, "-o", "/dev/null", "-w", "%{http_code}", url), "304");
  assert.equal(await curl("--path-as-is", "-w", "%{http_code}", "-o", "/dev/null", `${url}/../../x`), "400");
  const socket = path.join(folder, "unix.sock");
  const local = await startServer(t, process.env.COUNTER_SERVER, [
    "--static", folder, "--listen", `unix:${socket}`, "--listen", "127.0.0.1:0",
  ]);
  assert.ok((await curl("--unix-socket", socket, "http://localhost/a.txt")) === text);
  await local.stop();
  await server.stop();
});

test("a server that stops finishes what it sends", async (t) => {
  const { server } = await serve(t, { big: Buffer.alloc(16 << 20, "x") });
  const socket = await connect(server);
  socket.pause();
  socket.write("GET /big HTTP/1.1\r\nHost: localhost\r\n\r\n");
  await once(socket, "readable");
  const stopped = server.stop();
  const all = Buffer.concat(await socket.toArray());
  const body = all.subarray(all.indexOf("\r\n\r\n") + 4);
  assert.ok(body.equals(Buffer.alloc(16 << 20, "x")), `${body.length} bytes`);
  await stopped;
});

test("a folder that a link leads to may be replaced", async (t) => {
  const top = makeFolder(t);
  write(top, { "1/v": "one", "2/v": "two" });
  const current = path.join(top, "current");
  fs.symlinkSync("1", current);
  const server = await startServer(t, process.env.COUNTER_SERVER, ["--static", current]);
  assert.equal((await get(server, "/v")).text, "one");
  fs.symlinkSync("2", `${current}.new`);
  fs.renameSync(`${current}.new`, current);
  assert.equal((await get(server, "/v")).text, "two");
  await server.stop();
});

test("options that make no sense", async (t) => {
  const folder = makeFolder(t);
  write(folder, { file: "" });
  for (const [args, message] of [
    [["--static", `${folder}/none`], /cannot open the folder of static files .*\/none: no such file/],
    [["--static", `${folder}/file`], /cannot open the folder of static files .*\/file: not a directory/],
    [["--static-fallback", "index.html"], /static_fallback and static_immutable need static_dir/],
    [["--static", folder, "--static-fallback", "../x"], /static_fallback is no path in the folder/],
    [["--static", folder, "--static-immutable", "/"], /static_immutable is no path in the folder/],
  ]) {
    await assert.rejects(startServer(t, process.env.COUNTER_SERVER, args), (error) => {
      assert.match(error.message, /^exit 1: /);
      assert.match(error.message, message);
      return true;
    });
  }
});
