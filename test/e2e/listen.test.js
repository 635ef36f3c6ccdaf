// Servers with several listeners, which share the instances: Unix sockets, as
// the `ws` package spells them, and sockets that the parent passes, as systemd
// does. COUNTER_SERVER names the program.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { Peer, startServer } from "./peer.js";

const program = process.env.COUNTER_SERVER;

function makeFolder(t) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "zocket-listen-"));
  t.after(() => fs.rmSync(folder, { recursive: true }));
  return folder;
}

/** The URLs that the server says it listens on. */
const urlsOf = (log) =>
  [...log.matchAll(/^listening on (ws\S+)$/gm)].map((match) => match[1]);

/** Starts a server with these listeners, one of which is a TCP socket. */
async function start(t, listeners, more = []) {
  const args = listeners.flatMap((listener) => ["--listen", listener]);
  return startServer(t, program, [...args, ...more]);
}

/** The URLs, when the log has all of them. */
async function waitForUrls(log, count) {
  while (urlsOf(log()).length < count) await setTimeout(10);
  return urlsOf(log());
}

async function increment(url) {
  const peer = await Peer.open(url);
  const { result } = await peer.call("counter", "shared", "inc", {});
  await peer.close();
  return result;
}

test("all listeners lead to the same instances", async (t) => {
  const file = path.join(makeFolder(t), "s");
  const server = await start(t, [`unix:${file}`, "127.0.0.1:0", "localhost:0"]);
  const urls = await waitForUrls(server.log, 3);
  assert.equal(urls[0], `ws+unix://${file}`);
  let wanted = 0;
  for (const url of [...urls, ...urls]) {
    assert.equal(await increment(url), ++wanted);
  }
  assert.equal(await increment(`ws+unix://${file}:/path?query`), ++wanted);
  assert.equal(fs.statSync(file).mode & 0o777, 0o600);
  await server.stop();
  assert.ok(!fs.existsSync(file));
});

test("a crash leaves a file, which the next server replaces", async (t) => {
  const file = path.join(makeFolder(t), "s");
  const listeners = [`unix:${file}`, "127.0.0.1:0"];
  const first = await start(t, listeners);
  await assert.rejects(start(t, listeners), /another server listens there/);
  assert.equal(await increment(`ws+unix://${file}`), 1);
  const ended = once(first.child, "exit");
  first.child.kill("SIGKILL");
  await ended;
  assert.ok(fs.existsSync(file));
  const second = await start(t, listeners, ["--socket-mode", "666"]);
  assert.equal(fs.statSync(file).mode & 0o777, 0o666);
  assert.equal(await increment(`ws+unix://${file}`), 1);
  await second.stop();
});

test("a listener that fails is named, and the server does not start", async (t) => {
  const file = path.join(makeFolder(t), "s");
  await assert.rejects(
    start(t, [`unix:${file}`, "192.0.2.1:0"]),
    /cannot listen on 192\.0\.2\.1:0: address not available/,
  );
  assert.ok(!fs.existsSync(file));
});

// Node and a shell play systemd: the sockets are Node's, and the shell sets the
// variables for the process that it becomes.
test("passed sockets are served", async (t) => {
  const passed = [net.createServer(), net.createServer()];
  for (const socket of passed) {
    socket.listen(0, "127.0.0.1");
    await once(socket, "listening");
  }
  const urls = passed.map((socket) => `ws://127.0.0.1:${socket.address().port}`);
  const script = 'LISTEN_PID=$$ LISTEN_FDS=2 exec "$0"';
  const child = spawn("sh", ["-c", script, program], {
    stdio: ["ignore", "ignore", "pipe", ...passed.map((socket) => socket._handle.fd)],
  });
  t.after(() => child.kill("SIGKILL"));
  for (const socket of passed) socket.close(); // the child has its own copies
  let log = "";
  child.stderr.on("data", (chunk) => (log += chunk));
  let wanted = 0;
  for (const url of urls) assert.equal(await increment(url), ++wanted, log);
  assert.deepEqual(await waitForUrls(() => log, 2), urls);
  const ended = once(child, "exit");
  child.kill("SIGTERM");
  assert.deepEqual(await ended, [0, null]);
});

test("variables of another process are ignored, wrong ones are refused", () => {
  const run = (variables, args) =>
    execFileSync(program, args, {
      env: { ...process.env, ...variables },
      stdio: "pipe",
    });
  assert.throws(
    () => run({ LISTEN_PID: "x", LISTEN_FDS: "1" }, []),
    /cannot listen on systemd: LISTEN_PID or LISTEN_FDS is no number/,
  );
  assert.throws(
    () => run({ LISTEN_PID: "1", LISTEN_FDS: "1" }, ["--listen", "systemd"]),
    /cannot listen on systemd: systemd has passed no sockets/,
  );
  assert.throws(() => run({ ZOCKET_LISTEN: "unix:x" }, []), /ZOCKET_LISTEN: 'unix:x'/);
});
