// Plain HTTP beside WebSockets: Node's client and curl against a server.
// COUNTER_SERVER names the program.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import http from "node:http";
import { test } from "node:test";
import { promisify } from "node:util";
import { Peer, startServer } from "./peer.js";

const run = promisify(execFile);

/** The options of a request to a path of the server. */
function at(server, path, options = {}) {
  const { hostname, port } = new URL(server.url);
  return { hostname, port, path, ...options };
}

/** Sends a request with a body in pieces; resolves with its answer. */
async function ask(options, body = []) {
  const request = http.request(options);
  for (const piece of body) request.write(piece);
  request.end();
  const [response] = await once(request, "response");
  let text = "";
  for await (const piece of response) text += piece;
  const { statusCode: status, headers } = response;
  return { status, headers, text };
}

const agent = () => new http.Agent({ keepAlive: true, maxSockets: 1 });

test("Node keeps a connection alive", async (t) => {
  const server = await startServer(t, process.env.COUNTER_SERVER);
  const one = agent();
  const ports = new Set();
  for (let i = 0; i < 50; i++) {
    const options = at(server, i % 2 ? "/healthz" : "/readyz?x", { agent: one });
    options.method = i % 3 ? "GET" : "HEAD";
    const request = http.request(options).end();
    const [socket] = await once(request, "socket");
    ports.add(socket.localPort ?? (await once(socket, "connect"), socket.localPort));
    const [response] = await once(request, "response");
    let text = "";
    for await (const piece of response) text += piece;
    assert.equal(response.statusCode, 200);
    assert.equal(text, options.method === "GET" ? "ok\n" : "");
    assert.equal(response.headers["content-length"], "3");
    assert.ok(Math.abs(Date.parse(response.headers.date) - Date.now()) < 3600 * 1000);
  }
  assert.equal(ports.size, 1);
  one.destroy();
  await server.stop();
});

test("bodies, in chunks and with a length, are read and dropped", async (t) => {
  const server = await startServer(t, process.env.COUNTER_SERVER);
  const one = agent();
  for (const headers of [{ "transfer-encoding": "chunked" }, { "content-length": 300000 }]) {
    const options = at(server, "/healthz", { agent: one, headers });
    const answer = await ask(options, Array(3).fill("x".repeat(100000)));
    assert.equal(answer.status, 200);
  }
  const large = at(server, "/healthz", { headers: { "content-length": 1 << 21 } });
  const request = http.request(large);
  request.on("error", () => {}); // the server closes
  request.flushHeaders();
  const [response] = await once(request, "response");
  assert.equal(response.statusCode, 413);
  assert.equal(response.headers.connection, "close");
  request.destroy();
  one.destroy();
  await server.stop();
});

test("a client that waits for 100 gets it, or its refusal", async (t) => {
  const server = await startServer(t, process.env.COUNTER_SERVER);
  const headers = { expect: "100-continue", "content-length": 3 };
  const good = http.request(at(server, "/healthz", { headers }));
  good.flushHeaders();
  await once(good, "continue");
  good.end("abc");
  assert.equal((await once(good, "response"))[0].statusCode, 200);
  const bad = http.request(at(server, "/", { method: "POST", headers }));
  bad.on("continue", () => assert.fail("the body is not wanted"));
  bad.on("error", () => {});
  bad.flushHeaders();
  assert.equal((await once(bad, "response"))[0].statusCode, 405);
  bad.destroy();
  good.destroy();
  await server.stop();
});

test("other paths take WebSockets alone", async (t) => {
  const server = await startServer(t, process.env.COUNTER_SERVER);
  const { status, headers } = await ask(at(server, "/rooms"));
  assert.equal(status, 426);
  assert.equal(headers.upgrade, "websocket");
  assert.equal(headers.connection, "Upgrade, close");
  const post = await ask(at(server, "/rooms", { method: "POST" }));
  assert.equal(post.status, 405);
  assert.equal(post.headers.allow, "GET, HEAD");
  // A WebSocket behind a request, on the same connection.
  const one = agent();
  const options = at(server, "/healthz", { agent: one });
  assert.equal((await ask(options)).status, 200);
  const upgrade = http.request({
    ...options,
    headers: {
      upgrade: "websocket",
      connection: "Upgrade",
      "sec-websocket-version": 13,
      "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    },
  });
  upgrade.end();
  const [response, socket, head] = await once(upgrade, "upgrade");
  assert.equal(response.statusCode, 101);
  assert.equal(response.headers["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
  const [frame] = head.length > 0 ? [head] : await once(socket, "data");
  assert.match(frame.subarray(2).toString(), /^\{"type":"welcome"/);
  socket.destroy();
  const peer = await Peer.open(server.url);
  await peer.close();
  one.destroy();
  await server.stop();
});

test("curl", async (t) => {
  const server = await startServer(t, process.env.COUNTER_SERVER);
  const base = server.url.replace(/^ws/, "http");
  const curl = async (...args) => (await run("curl", ["-sS", "--max-time", "20", ...args])).stdout;
  const seen = "%{http_code} %{http_version} %{num_connects}\n";
  assert.equal(
    await curl("-w", seen, `${base}/healthz`, `${base}/readyz`),
    "ok\n200 1.1 1\nok\n200 1.1 0\n",
  );
  // It offers an upgrade to HTTP/2, which is ignored.
  assert.equal(await curl("--http2", "-w", seen, `${base}/healthz`), "ok\n200 1.1 1\n");
  assert.equal(await curl("--http1.0", "-w", seen, `${base}/healthz`), "ok\n200 1.1 1\n");
  assert.match(await curl("-I", `${base}/healthz`), /^HTTP\/1\.1 200 OK\r\n/);
  assert.equal(await curl("-d", "a=b", "-w", seen, `${base}/healthz`), "405 1.1 1\n");
  assert.equal(
    await curl("-X", "GET", "-d", "x".repeat(5000), "-w", seen, `${base}/healthz`),
    "ok\n200 1.1 1\n",
  );
  assert.equal(await curl("-H", "Host: a b", "-w", seen, `${base}/healthz`), "400 1.1 1\n");
  assert.equal(await curl("-w", seen, base), "426 1.1 1\n");
  await server.stop();
});

test("a server that stops ends idle connections", async (t) => {
  const server = await startServer(t, process.env.COUNTER_SERVER);
  const one = agent();
  assert.equal((await ask(at(server, "/healthz", { agent: one }))).status, 200);
  await server.stop(); // else the connection would keep it for a minute
  one.destroy();
});

test("a server that is told to stop is not ready, and serves until its delay is over", async (t) => {
  const server = await startServer(t, process.env.COUNTER_SERVER, ["--drain-delay-ms", "1000000"]);
  const one = agent();
  const options = at(server, "/readyz", { agent: one });
  assert.equal((await ask(options)).status, 200);
  const ended = once(server.child, "exit");
  server.child.kill("SIGTERM");
  while ((await ask(options)).status === 200);
  const { status, headers, text } = await ask(at(server, "/readyz"));
  assert.equal(status, 503);
  assert.notEqual(headers.connection, "close");
  assert.equal(text, "the server stops\n");
  const peer = await Peer.open(server.url); // a new connection
  const { result } = await peer.call("counter", "main", "inc", { by: 1 });
  assert.equal(result, 1);
  server.child.kill("SIGTERM"); // does not wait any longer
  assert.deepEqual(await ended, [0, null], server.log());
  one.destroy();
});

test("after the delay its clients are closed", async (t) => {
  const server = await startServer(t, process.env.COUNTER_SERVER, ["--drain-delay-ms", "50"]);
  const one = agent();
  assert.equal((await ask(at(server, "/healthz", { agent: one }))).status, 200);
  const peer = await Peer.open(server.url);
  const closed = once(peer.socket, "close");
  await server.stop();
  assert.equal((await closed)[0], 1001);
  one.destroy();
});
