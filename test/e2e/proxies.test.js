// The configurations of docs/operations.md, "Behind a reverse proxy", with nginx,
// Caddy and HAProxy: WebSockets, calls, uploads and streams of events through
// each, the address of the client, whatever it claims, and the origins of pages.
// Ports, paths and certificates are replaced, and nothing else; the certificates
// of Caddy are by its own authority. FLOW_SERVER names the program, NGINX, CADDY
// and HAPROXY the proxies.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import http2 from "node:http2";
import https from "node:https";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { freePort, listingsOf } from "../docs/listings.mjs";
import { Peer, startServer } from "./peer.js";

const root = path.resolve(import.meta.dirname, "../..");
const CLIENT = "127.0.0.9"; // none of the proxy's addresses
const HOST = "rooms.example.com";
const BODY_BYTES = 1048576; // the limit of the server, and of nginx
const PATIENCE_MS = 20000; // sanitizers are slow
const folder = fs.mkdtempSync(path.join(os.tmpdir(), "zocket-proxies-"));
after(() => fs.rmSync(folder, { recursive: true }));

before(() => {
  execFileSync("openssl", [
    "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", `/CN=${HOST}`,
    "-keyout", path.join(folder, "key"), "-out", path.join(folder, "cert"),
  ], { stdio: "pipe" });
  const both = ["key", "cert"].map((name) => fs.readFileSync(path.join(folder, name)));
  fs.writeFileSync(path.join(folder, "both"), Buffer.concat(both));
});

/** How a proxy is run with a configuration, in a folder of its own. */
const proxies = {
  nginx(text, port, own) {
    const file = path.join(own, "nginx.conf");
    const paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
      .map((name) => `${name}_temp_path ${own}/${name};`);
    // The socket of the server is for its own user.
    fs.writeFileSync(file, `${process.getuid() === 0 ? "user root;" : ""}
      daemon off; master_process off; pid ${own}/pid; error_log stderr;
      events {} http { access_log off; ${paths.join(" ")}
      ${text.replace("listen 443 ssl;", `listen 127.0.0.1:${port} ssl;`)} }`);
    return [process.env.NGINX, ["-p", own, "-c", file]];
  },
  caddy(text, port, own) {
    const file = path.join(own, "Caddyfile");
    // Public certificates would come from the network; port 80 is not ours.
    fs.writeFileSync(file, "{\n admin off\n local_certs\n skip_install_trust\n" +
      " auto_https disable_redirects\n}\n" +
      text.replace(`${HOST} {`, `https://${HOST}:${port} {\n bind 127.0.0.1`));
    return [process.env.CADDY, ["run", "--adapter", "caddyfile", "--config", file]];
  },
  haproxy(text, port, own) {
    const file = path.join(own, "haproxy.cfg");
    fs.writeFileSync(file, text.replace("bind :443", `bind 127.0.0.1:${port}`));
    return [process.env.HAPROXY, ["-db", "-f", file]];
  },
};

async function startProxy(t, kind, text, own) {
  const port = await freePort();
  const [program, args] = proxies[kind](text, port, own);
  const env = { ...process.env, HOME: own, XDG_DATA_HOME: own, XDG_CONFIG_HOME: own };
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"], env });
  t.after(() => child.kill("SIGKILL"));
  let said = "";
  child.stdout.on("data", (data) => (said += data));
  child.stderr.on("data", (data) => (said += data));
  child.on("error", (error) => (said += error));
  const proxy = { port, child, base: `https://${HOST}:${port}` };
  for (;;) { // until it listens and has its certificate
    assert.equal(child.exitCode, null, said);
    try {
      await ask(proxy, {}, "/healthz");
      return proxy;
    } catch {
      await setTimeout(20);
    }
  }
}

const clientOptions = {
  localAddress: CLIENT, servername: HOST, rejectUnauthorized: false,
};

/** Sends a request through a proxy; resolves with the response, 101 included. Of
 * the answer nothing may wait in a buffer for more. */
async function begin(proxy, headers, url, method = "GET", body = undefined) {
  const request = https.request({
    host: "127.0.0.1", port: proxy.port, ...clientOptions, path: url, agent: false, method,
    signal: AbortSignal.timeout(PATIENCE_MS),
    headers: { host: `${HOST}:${proxy.port}`, ...headers },
  }).end(body);
  return new Promise((resolve, reject) => {
    request.on("response", resolve).on("error", reject);
    request.on("upgrade", (found, socket) => {
      socket.destroy();
      resolve(found);
    });
  });
}

async function ask(proxy, headers, url = "/") {
  const response = await begin(proxy, headers, url);
  response.resume();
  return response.statusCode;
}

/** Calls a method of a room; resolves with the status and the answer. */
async function call(proxy, method, input, { body = JSON.stringify(input), ...headers } = {}) {
  const response = await begin(proxy, { "content-type": "application/json", ...headers },
    `/actors/room/a/${method}?user=ann`, "POST", body);
  let text = "";
  for await (const chunk of response.setEncoding("utf8")) text += chunk;
  return { status: response.statusCode, text, type: response.headers["content-type"] };
}

/** Yields the messages of a stream of events as they arrive. */
async function* eventsOf(response) {
  assert.equal(response.statusCode, 200);
  assert.equal(response.headers["content-type"], "text/event-stream");
  let text = "";
  for await (const chunk of response.setEncoding("utf8")) {
    const blocks = (text + chunk).split("\n\n");
    text = blocks.pop();
    for (const block of blocks) {
      if (block.startsWith("data: ")) yield JSON.parse(block.slice(6));
    }
  }
}

async function next(events) {
  const { value } = await events.next();
  return value;
}

const upgrade = {
  connection: "Upgrade", upgrade: "websocket", "sec-websocket-version": "13",
  "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
};

/** What a client would like to be. */
const claims = {
  "x-forwarded-for": "1.1.1.1", "x-forwarded-host": "evil.example",
  "x-forwarded-proto": "http", forwarded: 'for=1.1.1.1;host=evil.example, for="',
};

/** Each change is seen by the reader before the next one is made: no proxy waits
 * for more bytes. */
async function tryEvents(proxy, peer) {
  const response = await begin(proxy, { accept: "text/event-stream" },
    "/actors/lamp/a?user=ann");
  const events = eventsOf(response);
  assert.equal((await next(events)).type, "state:snapshot");
  for (let level = 1; level <= 3; level++) {
    await peer.call("lamp", "a", "set", { level });
    const { type, patches } = await next(events);
    assert.equal(type, "state:patch");
    assert.deepEqual(patches, [{ op: "replace", path: "/level", value: level }]);
  }
  response.destroy();
}

/** When the reader of events leaves, the proxy ends its stream, too. */
async function tryLeaving(server) {
  const [, metrics] = await server.logged(/msg="metrics on (\S+)"/);
  for (let text = ""; !text.includes('zocket_state_subscribers{actor="lamp"} 0\n');) {
    text = await (await fetch(`${metrics}/metrics`)).text();
    await setTimeout(20);
  }
}

/** The parts of an answer, from a method that goes on until its reader leaves. */
async function tryStream(proxy, server) {
  const response = await begin(proxy,
    { accept: "text/event-stream", "content-type": "application/json" },
    "/actors/room/d/drip?user=ann", "POST", "{}");
  const events = eventsOf(response);
  for (let i = 0; i < 5; i++) assert.match(JSON.stringify(await next(events)), /"rpc:/);
  response.destroy();
  await server.logged(/method=drip code=ABORTED/);
}

async function tryCalls(proxy, server) {
  assert.equal((await call(proxy, "write", { line: "by HTTP" }, claims)).status, 204);
  await server.logged(new RegExp(`method=write code=OK .*address=${CLIENT.replaceAll(".", "\\.")}\\b`));
  const wrong = await call(proxy, "write", { line: 1 }, claims);
  assert.equal(wrong.status, 400);
  assert.equal(JSON.parse(wrong.text).code, "INVALID_ARGUMENT");
  assert.match(wrong.type, /^application\/json/);
  const late = await call(proxy, "hurry", undefined);
  assert.equal(late.status, 504);
  assert.equal(JSON.parse(late.text).code, "DEADLINE_EXCEEDED");
  assert.equal((await call(proxy, "none", {})).status, 501);
}

/** A body of the largest size arrives; of one more the sender reads why not. */
async function tryUploads(proxy) {
  const around = JSON.stringify({ line: "" }).length;
  const line = (length) => ({ line: "x".repeat(length - around) });
  assert.equal((await call(proxy, "write", line(BODY_BYTES))).status, 204);
  assert.equal((await call(proxy, "write", line(BODY_BYTES + 1))).status, 413);
}

async function trySocket(proxy, server) {
  assert.equal(await ask(proxy, { ...upgrade, ...claims, origin: proxy.base }, "/?user=ann"), 101);
  const peer = await Peer.open(`wss://127.0.0.1:${proxy.port}/?user=ann`, [], {
    ...clientOptions, headers: { host: `${HOST}:${proxy.port}`, ...claims }, origin: proxy.base,
  });
  assert.equal((await peer.call("room", "w", "keep", { secret: "s" })).code, undefined);
  await server.logged(new RegExp(`method=keep code=OK .*address=${CLIENT.replaceAll(".", "\\.")}\\b`));
  return peer;
}

/** Pages of others are refused, and the log shows the client's address. */
async function tryOrigins(proxy, server, saysSecure) {
  for (const [name, headers] of [["plain", {}], ["socket", upgrade]]) {
    const status = await ask(proxy, { ...claims, ...headers, origin: `https://${name}.example` });
    assert.equal(status, 403);
    await server.logged(new RegExp(`a request of ${CLIENT} from a page of 'https://${name}\\.`));
  }
  // Where the proxy says that the client speaks TLS, a page without is another's.
  if (saysSecure) {
    const origin = proxy.base.replace("https", "http");
    assert.equal(await ask(proxy, { ...upgrade, ...claims, origin }), 403);
  }
}

async function tryOut(t, listing, args, edit = (text) => text) {
  const own = fs.mkdtempSync(path.join(folder, "p"));
  const serverPort = await freePort();
  const replace = (text) =>
    edit(text)
      .replaceAll(/\b3000\b/g, serverPort)
      .replaceAll("/run/rooms/rooms.sock", `${own}/s`)
      .replaceAll("/etc/ssl/rooms.pem", `${folder}/cert`)
      .replaceAll("/etc/ssl/private/rooms.key", `${folder}/key`)
      .replaceAll("/etc/ssl/private/rooms.pem", `${folder}/both`);
  // Of a Unix socket alone nobody says a URL with a port.
  const more = args.includes("unix:") ? ["--listen", "127.0.0.1:0"] : [];
  const server = await startServer(t, process.env.FLOW_SERVER, [
    ...replace(args).split(" "), ...more, "--log-format", "logfmt", "--http-calls", "on",
    "--message-bytes", `${2 * BODY_BYTES}`, "--metrics-port", "0",
  ]);
  const proxy = await startProxy(t, listing.mark, replace(listing.text), own);
  assert.equal(await ask(proxy, {}, "/healthz"), 200);
  const peer = await trySocket(proxy, server);
  await tryCalls(proxy, server);
  await tryUploads(proxy);
  await tryEvents(proxy, peer);
  if (listing.mark !== "haproxy") await tryLeaving(server); // that takes 30 s
  await tryStream(proxy, server);
  if (listing.mark === "caddy") await tryHttp2(proxy);
  await tryOrigins(proxy, server, !args.includes("proxy-protocol"));
  await peer.close();
  const gone = once(proxy.child, "exit");
  proxy.child.kill("SIGTERM");
  await gone;
  await server.stop();
}

/** A browser speaks HTTP/2 with Caddy, which has no Host but an authority. */
async function tryHttp2(proxy) {
  const session = http2.connect(`https://127.0.0.1:${proxy.port}`, clientOptions);
  const stream = session.request({
    ":method": "POST", ":path": "/actors/room/a/write?user=ann",
    ":authority": `${HOST}:${proxy.port}`, "content-type": "application/json", origin: proxy.base,
  });
  stream.end(JSON.stringify({ line: "by HTTP/2" }));
  const [headers] = await once(stream, "response");
  assert.equal(headers[":status"], 204);
  session.destroy();
}

// Each configuration follows the command of its server.
const all = listingsOf(root, "docs/operations.md");
const listings = all.flatMap((listing, i) =>
  listing.mark in proxies ? [[listing, all[i - 1].text.trim().replace("./server ", "")]] : []);

test("the page has configurations of each", () => {
  assert.deepEqual(listings.map(([{ mark }]) => mark), [
    "nginx", "nginx", "caddy", "haproxy", "haproxy",
  ]);
});

for (const [listing, args] of listings) {
  test(`${listing.mark}: ${args}`, (t) => tryOut(t, listing, args));
}

test("caddy by a Unix socket", async (t) => {
  const [listing] = listings.find(([{ mark }]) => mark === "caddy");
  const page = fs.readFileSync(path.join(root, "docs/operations.md"), "utf8");
  assert.ok(page.includes("its upstream is `unix//run/rooms/rooms.sock`"));
  await tryOut(t, listing,
    "--listen unix:/run/rooms/rooms.sock --trusted-proxies unix --forwarded-by x-forwarded-for",
    (text) => text.replace("127.0.0.1:3000", "unix//run/rooms/rooms.sock"));
});

test("haproxy by the PROXY protocol and a Unix socket", async (t) => {
  const [listing] = listings.find(([{ mark }]) => mark === "haproxy");
  await tryOut(t, listing,
    "--listen proxy:unix:/run/rooms/rooms.sock --trusted-proxies unix --forwarded-by proxy-protocol",
    (text) => text.replace("server rooms 127.0.0.1:3000", "server rooms unix@/run/rooms/rooms.sock"));
});
