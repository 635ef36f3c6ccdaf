// The configurations of docs/operations.md, "Behind a reverse proxy", with nginx,
// Caddy and HAProxy: WebSockets and plain requests through each, the address of
// the client, whatever it claims, and the origins of pages. Ports, paths and
// certificates are replaced, and nothing else. COUNTER_SERVER names the program,
// NGINX, CADDY and HAPROXY the proxies.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import http from "node:http";
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
    // Certificates would come from the network.
    fs.writeFileSync(file, "{\n admin off\n auto_https off\n}\n" +
      text.replace(`${HOST} {`, `http://${HOST}:${port} {\n bind 127.0.0.1`));
    return [process.env.CADDY, ["run", "--adapter", "caddyfile", "--config", file]];
  },
  haproxy(text, port, own) {
    const file = path.join(own, "haproxy.cfg");
    fs.writeFileSync(file, text.replace("bind :443", `bind 127.0.0.1:${port}`));
    return [process.env.HAPROXY, ["-db", "-f", file]];
  },
};

/** Waits until something accepts connections there. */
async function waitFor(port, child) {
  for (;;) {
    assert.equal(child.exitCode, null, child.said());
    const socket = net.connect(port, "127.0.0.1");
    const connected = await new Promise((resolve) => {
      socket.on("connect", () => resolve(true)).on("error", () => resolve(false));
    });
    socket.destroy();
    if (connected) return;
    await setTimeout(20);
  }
}

async function startProxy(t, kind, text, own) {
  const port = await freePort();
  const [program, args] = proxies[kind](text, port, own);
  const env = { ...process.env, HOME: own, XDG_DATA_HOME: own, XDG_CONFIG_HOME: own };
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"], env });
  t.after(() => child.kill("SIGKILL"));
  let said = "";
  child.stdout.on("data", (data) => (said += data));
  child.stderr.on("data", (data) => (said += data));
  child.said = () => said;
  child.on("error", (error) => (said += error));
  await waitFor(port, child);
  return { port, child, secure: kind !== "caddy" };
}

/** Sends a request through a proxy; resolves with its status, 101 included. */
async function ask(proxy, headers, url = "/") {
  const { request: send } = proxy.secure ? https : http;
  const request = send({
    host: "127.0.0.1", port: proxy.port, localAddress: CLIENT, servername: HOST,
    rejectUnauthorized: false, path: url, agent: false, headers: {
      host: `${HOST}:${proxy.port}`, ...headers,
    },
  }).end();
  const response = await new Promise((resolve, reject) => {
    request.on("response", resolve).on("error", reject);
    request.on("upgrade", (found, socket) => {
      socket.destroy();
      resolve(found);
    });
  });
  response.resume();
  return response.statusCode;
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
  const server = await startServer(t, process.env.COUNTER_SERVER,
    [...replace(args).split(" "), ...more]);
  const proxy = await startProxy(t, listing.mark, replace(listing.text), own);
  const scheme = proxy.secure ? "https" : "http";
  const origin = `${scheme}://${HOST}:${proxy.port}`;

  assert.equal(await ask(proxy, {}, "/healthz"), 200);
  assert.equal(await ask(proxy, { ...upgrade, ...claims, origin }), 101);
  const peer = await Peer.open(`${proxy.secure ? "wss" : "ws"}://127.0.0.1:${proxy.port}/`, [], {
    headers: { host: `${HOST}:${proxy.port}`, ...claims }, origin,
    localAddress: CLIENT, servername: HOST, rejectUnauthorized: false,
  });
  assert.equal((await peer.call("counter", "a", "inc", {})).result, 1);
  await peer.close();

  // A refusal shows whom the server takes the client for.
  for (const [name, headers] of [["plain", {}], ["socket", upgrade]]) {
    const status = await ask(proxy, { ...claims, ...headers, origin: `https://${name}.example` });
    assert.equal(status, 403);
    await server.logged(new RegExp(`a request of ${CLIENT} from a page of 'https://${name}\\.`));
  }
  // Where the proxy says that the client speaks TLS, a page without is another's.
  if (proxy.secure && !args.includes("proxy-protocol")) {
    assert.equal(await ask(proxy, { ...upgrade, ...claims, origin: origin.replace("https", "http") }), 403);
  }
  const gone = once(proxy.child, "exit");
  proxy.child.kill("SIGTERM");
  await gone;
  await server.stop();
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
