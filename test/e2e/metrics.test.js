// The metrics of servers over sockets: promtool reads them, they agree with
// what was done, a scrape under load waits for nobody, and nothing else is
// served where they are. COUNTER_SERVER names the program, PROMTOOL that of
// Prometheus, which may be missing.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { WebSocket } from "ws";
import { Peer, startServer } from "./peer.js";

const threads = Number(process.env.ZOCKET_THREADS);
const TOKEN = "a-token-of-some-length";

async function start(t, ...more) {
  const args = ["--metrics-port", "0", "--metrics-token", TOKEN, ...more];
  const server = await startServer(t, process.env.COUNTER_SERVER, args);
  const [, url] = await server.logged(/^metrics on (http:\/\/\S+)$/m);
  return { ...server, metrics: `${url}/metrics` };
}

/** The text, and a map of its series. */
async function scrape(url, headers = {}) {
  const response = await fetch(url, { headers });
  assert.equal(response.status, 200);
  assert.equal(
    response.headers.get("content-type"),
    "text/plain; version=0.0.4; charset=utf-8",
  );
  const text = await response.text();
  const series = new Map();
  for (const line of text.split("\n").slice(0, -1)) {
    if (line[0] === "#") continue;
    const at = line.lastIndexOf(" ");
    assert.ok(!series.has(line.slice(0, at)), line);
    series.set(line.slice(0, at), Number(line.slice(at + 1)));
  }
  return { text, series };
}

async function check(text) {
  if (!process.env.PROMTOOL) return;
  const tool = spawn(process.env.PROMTOOL, ["check", "metrics"]);
  let said = "";
  for (const stream of [tool.stdout, tool.stderr]) {
    stream.on("data", (chunk) => (said += chunk));
  }
  tool.stdin.end(text);
  const [code] = await once(tool, "close");
  assert.equal(code, 0, said);
  assert.equal(said, "");
}

const INCS = 'actor="counter",method="inc"';

test("promtool reads what was done", async (t) => {
  const server = await start(t);
  const peer = await Peer.open(server.url);
  for (let i = 0; i < 20; i++) {
    await peer.call("counter", `${i}`, "inc", { by: 1 });
  }
  await peer.call("counter", "a", "inc", { by: "x" });
  await peer.call("counter", "a", 'x"\\\n', {});
  await peer.subscribe("counter", "0");
  const { text, series } = await scrape(server.metrics);
  await check(text);
  const value = (name) => series.get(name);
  assert.equal(value(`zocket_calls_total{${INCS},code="OK"}`), 20);
  assert.equal(value(`zocket_calls_total{${INCS},code="INVALID_ARGUMENT"}`), 1);
  assert.equal(
    value('zocket_calls_total{actor="counter",method="other",code="UNIMPLEMENTED"}'),
    1,
  );
  assert.equal(value(`zocket_call_duration_seconds_count{${INCS}}`), 21);
  assert.equal(value(`zocket_handler_duration_seconds_count{${INCS}}`), 20);
  assert.ok(value(`zocket_handler_duration_seconds_sum{${INCS}}`) > 0);
  assert.equal(value('zocket_instances{actor="counter"}'), 20);
  assert.equal(value('zocket_state_subscribers{actor="counter"}'), 1);
  assert.equal(value('zocket_snapshots_total{actor="counter"}'), 1);
  for (const name of ["cpu_seconds_total", "resident_memory_bytes", "open_fds", "max_fds"]) {
    assert.ok(value(`process_${name}`) > 0, name);
  }
  const age = Date.now() / 1000 - value("process_start_time_seconds");
  assert.ok(age > -2 && age < 600, `${age}`);
  await peer.close();
  await server.stop();
});

/** Connections are spread over the threads: each call is a turn of one of them. */
test("turns of each thread", async (t) => {
  const CALLS = 50;
  const server = await start(t);
  const peers = [];
  for (let i = 0; i < threads; i++) peers.push(await Peer.open(server.url));
  const before = (await scrape(server.metrics)).series;
  for (const [i, peer] of peers.entries()) {
    for (let k = 0; k < CALLS; k++) await peer.call("counter", `${i}`, "inc", { by: 1 });
  }
  const { series } = await scrape(server.metrics);
  for (let i = 0; i < threads; i++) {
    for (const [name, least] of [["turns_total", CALLS - 1], ["busy_seconds_total", 0]]) {
      const label = `zocket_loop_${name}{thread="${i}"}`;
      assert.ok(series.get(label) - before.get(label) > least, label);
    }
  }
  assert.ok(!series.has(`zocket_loop_turns_total{thread="${threads}"}`));
  for (const peer of peers) await peer.close();
  await server.stop();
});

test("a token for the port of clients", async (t) => {
  const server = await start(t);
  const url = `${server.url.replace(/^ws/, "http")}/metrics`;
  const bearer = (token) => ({ authorization: `Bearer ${token}` });
  const { text } = await scrape(url, bearer(TOKEN));
  await check(text);
  for (const headers of [{}, bearer("no"), bearer(`${TOKEN}x`)]) {
    const response = await fetch(url, { headers });
    assert.equal(response.status, 401);
    assert.equal(response.headers.get("www-authenticate"), "Bearer");
    await response.text();
  }
  await server.stop();
});

test("the port of metrics serves nothing else but health", async (t) => {
  const server = await start(t);
  for (const path of ["/", "/metrics/", "/_zocket/client.js", "/healthz", "/readyz"]) {
    const response = await fetch(new URL(path, server.metrics));
    assert.equal(response.status, /z$/.test(path) ? 200 : 404, path);
    await response.text();
  }
  const socket = new WebSocket(server.metrics.replace(/^http/, "ws"));
  const [error] = await once(socket, "error");
  assert.match(error.message, /426/);
  await server.stop();
});

test("a full server is watched", async (t) => {
  const server = await start(t, "--connections", "2");
  const peers = [await Peer.open(server.url), await Peer.open(server.url)];
  const base = server.url.replace(/^ws/, "http");
  const authorization = `Bearer ${TOKEN}`;
  for (const [url, status, headers] of [
    [`${base}/healthz`, 200],
    [`${base}/readyz`, 200],
    [`${base}/metrics`, 200, { authorization }],
    [`${base}/metrics`, 503],
    [`${base}/`, 503],
    [server.metrics, 200],
  ]) {
    const response = await fetch(url, { headers });
    assert.equal(response.status, status, url);
    await response.text();
  }
  const { series } = await scrape(server.metrics);
  assert.equal(series.get("zocket_connections"), 2);
  assert.equal(series.get('zocket_limit_hits_total{reason="connections"}'), 2);
  for (const peer of peers) await peer.close();
  await server.stop();
});

test("scrapes among calls", async (t) => {
  const server = await start(t);
  const peers = [];
  for (let i = 0; i < 4; i++) peers.push(await Peer.open(server.url));
  let done = false;
  const calls = peers.map(async (peer, i) => {
    let made = 0;
    for (; !done; made++) {
      const { result } = await peer.call("counter", `${i}`, "inc", { by: 1 });
      assert.equal(result, made + 1);
    }
    return made;
  });
  let before = new Map();
  for (let i = 0; i < 20; i++) {
    const { series } = await scrape(server.metrics);
    for (const [name, value] of series) {
      if (/_total|_count|_bucket|_sum/.test(name)) {
        assert.ok(value >= (before.get(name) ?? 0), name);
      }
    }
    before = series;
  }
  done = true;
  const made = (await Promise.all(calls)).reduce((a, b) => a + b);
  const { text, series } = await scrape(server.metrics);
  await check(text);
  assert.equal(series.get(`zocket_calls_total{${INCS},code="OK"}`), made);
  for (const peer of peers) await peer.close();
  await server.stop();
});
