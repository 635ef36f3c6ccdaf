// TLS of a server against `openssl s_client` and Node: versions, resumption,
// names, reloads, client certificates, redirects, and peers that break off or
// never spoke TLS. CHAT_SERVER names the program, CERTIFICATES the script that
// makes the certificates.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import tls from "node:tls";
import { Peer, startServer } from "../e2e/peer.js";

const folder = mkdtempSync(join(tmpdir(), "zocket-tls-"));
execFileSync(process.env.CERTIFICATES, [folder]);
after(() => rmSync(folder, { recursive: true }));

const file = (name) => join(folder, name);
const read = (name) => readFileSync(file(name));
const ca = read("ca.pem");
const pair = (name) => ["--tls-cert", file(`${name}.pem`), "--tls-key", file(`${name}.key`)];

/** Starts a server with TLS; `port` is the one of its first listener. */
async function start(t, args = [], certificate = pair("good")) {
  const server = await startServer(t, process.env.CHAT_SERVER, [...certificate, ...args]);
  server.port = Number(new URL(server.url).port);
  return server;
}

/** Waits until the log of a server has a line that @pattern matches. */
async function logged(server, pattern) {
  while (!pattern.test(server.log())) await once(server.child.stderr, "data");
}

/**
 * Runs `openssl s_client` with @input, line by line as it answers, or until it
 * ends; resolves with everything that it prints.
 */
function client(server, args = [], { input = "", until } = {}) {
  const child = spawn("openssl", [
    "s_client", "-connect", `127.0.0.1:${server.port}`, "-CAfile", file("ca.pem"), ...args,
  ]);
  let printed = "";
  child.stdin.on("error", () => {});
  child.stdin.write(input);
  return new Promise((resolve) => {
    const look = (chunk) => {
      printed += chunk;
      if (until?.test(printed)) child.stdin.end();
    };
    child.stdout.on("data", look);
    child.stderr.on("data", look);
    child.on("close", () => resolve(printed));
    if (!until) child.stdin.end();
  });
}

const request = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
const answered = /HTTP\/1\.1 200 OK[^]*\nok\n/;

const open = (server, options = {}) => Peer.open(server.url, [], { ca, ...options });

/** Joins the chat, and says something. */
async function joinChat(peer, name) {
  await peer.call("chat", "room", "join", { name });
  await peer.call("chat", "room", "say", { text: name });
}

/** Asks by HTTPS, or HTTP; resolves with status, headers and text. */
async function ask(options, module = https) {
  const asked = module.request({ host: "127.0.0.1", ca, ...options }).end();
  const [response] = await once(asked, "response");
  let text = "";
  for await (const piece of response) text += piece;
  return { status: response.statusCode, headers: response.headers, text };
}

// ---- openssl s_client

for (const version of ["1_2", "1_3"]) {
  test(`TLS ${version.replace("_", ".")} by s_client`, async (t) => {
    const server = await start(t);
    const printed = await client(
      server, [`-tls${version}`, "-verify_return_error", "-verify_hostname", "localhost", "-ign_eof"],
      { input: request });
    assert.match(printed, answered);
    assert.match(printed, /Verify return code: 0 \(ok\)/);
    assert.match(printed, version === "1_2" ? /ECDHE-ECDSA-AES/ : /TLS_AES_256_GCM_SHA384/);
    assert.match(printed, /Server Temp Key: X25519/);
    // Without close_notify it would print "unexpected eof while reading".
    assert.doesNotMatch(printed, /error|unexpected/i);
    await server.stop();
  });

  test(`sessions of ${version} are resumed, also after a reload`, async (t) => {
    for (const name of ["good.pem", "good.key"]) copyFileSync(file(name), file(`live-${name}`));
    const server = await start(t, [], pair("live-good"));
    const session = file(`session-${version}`);
    const onceMore = (...args) =>
      client(server, [`-tls${version}`, "-ign_eof", ...args], { input: request });
    assert.match(await onceMore("-sess_out", session), /\nNew, TLSv1/);
    assert.match(await onceMore("-sess_in", session), /\nReused, TLSv1/);
    for (const end of ["pem", "key"]) copyFileSync(file(`renewed.${end}`), file(`live-good.${end}`));
    server.child.kill("SIGHUP");
    await logged(server, /the certificates were read again/);
    const printed = await onceMore("-sess_in", session);
    assert.match(printed, /\nReused, TLSv1/);
    assert.match(printed, answered);
    await server.stop();
  });
}

test("older versions and weak ciphers are refused", async (t) => {
  const server = await start(t);
  for (const args of [["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"],
                      ["-tls1_2", "-cipher", "AES256-SHA:AES128-GCM-SHA256:@SECLEVEL=0"]]) {
    assert.match(await client(server, args), /alert|no protocols available/);
  }
  await server.stop();
});

test("renegotiation is refused", async (t) => {
  const server = await start(t);
  const printed = await client(server, ["-tls1_2"], { input: "R\n", until: /RENEGOTIATING[^]*error/ });
  assert.match(printed, /no renegotiation/);
  assert.match(await client(server, ["-ign_eof"], { input: request }), answered);
  await server.stop();
});

test("early data is refused", async (t) => {
  const server = await start(t);
  const session = file("session-early");
  const args = ["-tls1_3", "-ign_eof"];
  await client(server, [...args, "-sess_out", session], { input: request });
  const text = execFileSync("openssl", ["sess_id", "-in", session, "-noout", "-text"], { encoding: "utf8" });
  assert.match(text, /Max Early Data: 0/);
  writeFileSync(file("early"), request);
  const printed = await client(server, [...args, "-sess_in", session, "-early_data", file("early")], { input: request });
  assert.match(printed, /Early data was not sent/);
  assert.match(printed, answered);
  await server.stop();
});

test("http/1.1 is agreed on, and nothing else", async (t) => {
  const server = await start(t);
  const args = ["-ign_eof", "-alpn"];
  assert.match(await client(server, [...args, "h2,http/1.1"], { input: request }), /ALPN protocol: http\/1.1[^]*200 OK/);
  assert.match(await client(server, [...args, "h2"]), /alert no application protocol/);
  await logged(server, /TLS with 127\.0\.0\.1 has failed: no application protocol/);
  await server.stop();
});

test("a peer that renews its keys without end is dropped", async (t) => {
  const server = await start(t);
  await client(server, ["-tls1_3"], { input: "K\n".repeat(8) + "Q\n" });
  assert.doesNotMatch(server.log(), /renews/);
  const child = spawn("openssl", ["s_client", "-connect", `127.0.0.1:${server.port}`, "-tls1_3"]);
  child.stdin.on("error", () => {});
  child.stdout.on("data", () => {}).once("data", function next() {
    child.stdin.write("K\n", (error) => error ?? setImmediate(next));
  });
  await logged(server, /TLS with 127\.0\.0\.1 has failed: the peer renews its keys too often/);
  child.kill();
  await server.stop();
});

test("a client gets the certificate for the name that it asks for", async (t) => {
  const server = await start(t, [...pair("one"), ...pair("two")]);
  const subject = async (...args) =>
    /subject=O = zocket, CN = (\S+)/.exec(await client(server, args))[1];
  assert.equal(await subject("-servername", "one.example.org"), "one.example.org");
  assert.equal(await subject("-servername", "TWO.example.org"), "two.example.org");
  assert.equal(await subject("-servername", "deep.two.example.org"), "two.example.org");
  assert.equal(await subject("-servername", "unknown.example.org"), "localhost");
  assert.equal(await subject("-noservername"), "localhost");
  await server.stop();
});

// ---- Node

test("Node calls, and receives more than a socket takes at once", async (t) => {
  const server = await start(t);
  const ada = await open(server, { servername: "localhost" });
  await joinChat(ada, "ada");
  for (let i = 0; i < 300; i++) {
    await ada.call("chat", "room", "say", { text: `${i} ${"x".repeat(1000)}` });
  }
  const { result } = await ada.call("chat", "room", "history", { limit: 100 });
  assert.equal(result.length, 100);
  // All of it is asked for before any of it is read.
  const socket = tls.connect({ port: server.port, host: "127.0.0.1", ca });
  await once(socket, "secureConnect");
  socket.write("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n".repeat(30000));
  let answers = 0, rest = "";
  for await (const chunk of socket) {
    const parts = (rest + chunk).split("\r\n\r\nok\n");
    rest = parts.pop();
    answers += parts.length;
    if (answers === 30000) break;
  }
  assert.equal(answers, 30000);
  await ada.close();
  await server.stop();
});

test("wrong certificates are refused by Node", async (t) => {
  for (const [name, code] of [["expired", "CERT_HAS_EXPIRED"], ["wrong", "ERR_TLS_CERT_ALTNAME_INVALID"]]) {
    const server = await start(t, [], pair(name));
    await assert.rejects(open(server), { code });
    await server.stop();
  }
});

/** The number of lines of a log, without those of calls. */
const said = (server) =>
  server.log().split("\n").slice(0, -1).filter((line) => !line.startsWith("debug: ")).length;

test("certificates are read again under load, and no connection is lost", async (t) => {
  for (const end of ["pem", "key"]) copyFileSync(file(`good.${end}`), file(`loaded.${end}`));
  const server = await start(t, [], pair("loaded"));
  const fingerprint = async (peer) => peer.socket._socket.getPeerCertificate().fingerprint256;
  const peers = [];
  for (let i = 0; i < 20; i++) peers.push(await open(server));
  const before = await fingerprint(peers[0]);
  await Promise.all(peers.map((peer, i) => joinChat(peer, `n${i}`)));
  let over = false;
  const talking = peers.map(async (peer) => {
    let calls = 0;
    for (; !over || calls < 50; calls++) {
      const { result } = await peer.call("chat", "room", "history", { limit: 1 });
      assert.equal(result.length, 1);
    }
  });
  const coming = (async () => {
    while (!over) await (await open(server)).close();
  })();
  for (let i = 0; i < 6; i++) {
    const from = i % 2 ? "good" : "renewed";
    for (const end of ["pem", "key"]) copyFileSync(file(`${from}.${end}`), file(`loaded.${end}`));
    const lines = said(server);
    server.child.kill("SIGHUP");
    while (said(server) === lines) await once(server.child.stderr, "data");
    const late = await open(server);
    assert.equal((await fingerprint(late)) === before, from === "good");
    await late.close();
  }
  writeFileSync(file("loaded.key"), "no key");
  server.child.kill("SIGHUP");
  await logged(server, /error: cannot read the key \S+loaded\.key: /);
  const late = await open(server);
  await late.close();
  over = true;
  await Promise.all([...talking, coming]);
  for (const peer of peers) await peer.close();
  await server.stop();
});

test("a server whose certificate cannot be read does not start", async (t) => {
  const args = (cert, key) => ["--tls-cert", file(cert), "--tls-key", file(key)];
  execFileSync("mkfifo", [file("fifo")]);
  for (const [cert, key, why] of [
    ["none.pem", "good.key", /cannot read the certificate \S+none.pem: No such file or directory/],
    ["good.pem", "none.key", /cannot read the key \S+none.key: No such file or directory/],
    ["good.pem", "one.key", /cannot read the key \S+one.key: key values mismatch/],
    ["good.key", "good.key", /cannot read the certificate \S+good.key: no start line/],
    ["fifo", "good.key", /cannot read the certificate \S+fifo: it is no regular file/],
    ["good.pem", "fifo", /cannot read the key \S+fifo: it is no regular file/],
    ["good.pem", ".", /cannot read the key \S+: it is no regular file/],
  ]) {
    await assert.rejects(start(t, [], args(cert, key)), why);
  }
  for (const [authorities, why] of [["none", "No such file"], ["fifo", "it is no regular file"], ["good.key", "no start line"]]) {
    await assert.rejects(start(t, ["--tls-client-ca", file(authorities)]),
      new RegExp(`cannot read the authorities \\S+: ${why}`));
  }
  await assert.rejects(start(t, [], ["--tls-client-ca", file("ca.pem")]), /TLS has no certificate/);
  await assert.rejects(start(t, [], ["--tls-key", file("good.key")]), /--tls-cert, has to stand before it/);
  await assert.rejects(start(t, ["--tls-client-cert", "maybe"]), /neither required nor optional/);
});

// ---- client certificates

test("clients have to have a certificate of the authority", async (t) => {
  const server = await start(t, ["--tls-client-ca", file("ca.pem")]);
  const own = (name) => ({ cert: read(`${name}.pem`), key: read(`${name}.key`) });
  const peer = await open(server, own("client"));
  await joinChat(peer, "ada");
  await peer.close();
  for (const [name, why] of [["old-client", /certificate has expired/], ["stranger", /unable to get local issuer/]]) {
    await assert.rejects(open(server, own(name)));
    await logged(server, why);
  }
  await assert.rejects(open(server));
  await logged(server, /peer did not return a certificate/);
  await server.stop();
  const lenient = await start(t, ["--tls-client-ca", file("ca.pem"), "--tls-client-cert", "optional"]);
  await (await open(lenient)).close();
  await (await open(lenient, own("client"))).close();
  await assert.rejects(open(lenient, own("stranger")));
  await lenient.stop();
});

for (const version of ["1_2", "1_3"]) {
  test(`a session of ${version} of clients of one authority is none of another's`, async (t) => {
    const session = file(`session-ca-${version}`);
    const args = [`-tls${version}`, "-ign_eof", "-cert", file("stranger.pem"), "-key", file("stranger.key")];
    const clients = file(`clients-${version}.pem`);
    // One of another name, and one of the same name that has another key.
    for (const other of ["ca", "renewed-ca"]) {
      copyFileSync(file("other-ca.pem"), clients);
      const server = await start(t, ["--tls-client-ca", clients]);
      const ask = (...more) => client(server, [...args, ...more], { input: request });
      assert.match(await ask("-sess_out", session), answered);
      const again = await ask("-sess_in", session);
      assert.match(again, /\nReused/);
      assert.match(again, answered);
      copyFileSync(file(`${other}.pem`), clients);
      server.child.kill("SIGHUP");
      await logged(server, /read again/);
      assert.doesNotMatch(await ask("-sess_in", session), answered, other);
      await server.stop();
    }
  });
}

// ---- listeners

test("listeners: by TLS, plain, and to redirect", async (t) => {
  const listen = (where) => ["--listen", where];
  const server = await start(t, [
    ...listen("127.0.0.1:0"), ...listen("plain:127.0.0.1:0"), ...listen("redirect:127.0.0.1:0"),
    "--hsts-seconds", "600",
  ], [...pair("good"), ...pair("two")]);
  await logged(server, /redirecting from http:\/\//);
  const plain = Number(/listening on ws:\/\/127\.0\.0\.1:(\d+)/.exec(server.log())[1]);
  const redirect = Number(/redirecting from http:\/\/127\.0\.0\.1:(\d+)/.exec(server.log())[1]);
  const secure = await ask({ port: server.port, path: "/healthz", servername: "localhost" });
  assert.equal(secure.status, 200);
  assert.equal(secure.headers["strict-transport-security"], "max-age=600");
  const upgrade = await ask({ port: server.port, path: "/" });
  assert.equal(upgrade.status, 426);
  assert.equal(upgrade.headers["strict-transport-security"], "max-age=600");
  const openly = await ask({ port: plain, path: "/healthz" }, http);
  assert.equal(openly.status, 200);
  assert.equal(openly.headers["strict-transport-security"], undefined);
  await (await Peer.open(`ws://127.0.0.1:${plain}`)).close();

  const sentOn = (host, path = "/a/b?c=%20", options = {}) =>
    ask({ port: redirect, path, headers: { host }, ...options }, http);
  for (const [host, where] of [
    ["localhost", "localhost"], ["localhost:8080", "localhost"], ["127.0.0.1", "127.0.0.1"],
    ["[::1]:80", "[::1]"], ["x.two.example.org", "x.two.example.org"],
  ]) {
    const { status, headers } = await sentOn(host);
    assert.equal(status, 308, host);
    assert.equal(headers.location, `https://${where}:${server.port}/a/b?c=%20`);
    assert.equal(headers["strict-transport-security"], undefined);
  }
  assert.equal((await sentOn("localhost", "/", { method: "POST" })).status, 308);
  for (const host of ["evil.example.net", "one.example.org", "127.0.0.2", "[::2]", "localhost.evil.net"]) {
    assert.equal((await sentOn(host)).status, 421, host);
  }
  for (const host of ["a b", "a/b", "[::1", "@localhost"]) {
    assert.equal((await sentOn(host)).status, 400, host);
  }
  await assert.rejects(Peer.open(`ws://127.0.0.1:${redirect}`, [], { headers: { host: "localhost" } }), /308/);
  await server.stop();
});

test("a redirect needs a certificate", async (t) => {
  await assert.rejects(start(t, ["--listen", "redirect:127.0.0.1:0"], []), /no certificate to send to/);
});

// ---- those who break off, or speak something else

async function connect(server) {
  const socket = net.connect(server.port, "127.0.0.1");
  socket.on("error", () => {});
  await once(socket, "connect");
  return socket;
}

/** Resolves with everything that a socket receives until it ends. */
async function drain(socket) {
  const chunks = [];
  socket.on("data", (chunk) => chunks.push(chunk));
  await once(socket, "close");
  return Buffer.concat(chunks);
}

test("a proxy says who its client is, and then the client speaks TLS", async (t) => {
  const server = await start(t, [
    "--listen", "proxy:127.0.0.1:0",
    "--forwarded-by", "proxy-protocol", "--trusted-proxies", "127.0.0.1",
  ]);
  const header = Buffer.from("0d0a0d0a000d0a515549540a" + "2111000c" + "cb007109" + "0a000001" + "1f4001bb", "hex");
  for (const cut of [header.length, 5]) {
    const socket = net.connect(server.port, "127.0.0.1");
    socket.write(header.subarray(0, cut));
    await once(socket, "connect");
    socket.write(header.subarray(cut));
    const secure = tls.connect({ socket, ca, servername: "localhost" });
    secure.write(`GET / HTTP/1.1\r\nHost: localhost\r\nOrigin: https://cut${cut}.example\r\nConnection: close\r\n\r\n`);
    let text = "";
    for await (const piece of secure) text += piece;
    assert.match(text, /^HTTP\/1\.1 403 /);
    await logged(server, new RegExp(`a request of 203\\.0\\.113\\.9 from a page of 'https://cut${cut}\\.`));
  }
  // Without the header there is no greeting.
  const socket = net.connect(server.port, "127.0.0.1");
  const secure = tls.connect({ socket, ca, servername: "localhost" });
  const [error] = await once(secure, "error");
  assert.match(error.message, /disconnected|ECONNRESET|EPIPE/);
  await server.stop();
});

test("HTTP on a port with TLS is answered in plain text", async (t) => {
  const server = await start(t);
  const { status, headers, text } = await ask({ port: server.port, path: "/healthz" }, http);
  assert.equal(status, 400);
  assert.ok(Math.abs(Date.parse(headers.date) - Date.now()) < 60_000, headers.date);
  assert.match(text, /https:\/\//);
  const socket = await connect(server);
  socket.write("HEAD / HTTP/1.1\r\nHost: x\r\n\r\n");
  const answer = String(await drain(socket));
  assert.match(answer, /^HTTP\/1\.1 400 /);
  assert.match(answer, /Content-Length: 35\r\n\r\n$/);
  await server.stop();
});

test("garbage instead of a greeting ends with an alert, or in time", async (t) => {
  const server = await start(t, ["--handshake-ms", "200"]);
  for (const bytes of [
    Buffer.from([0x16, 3, 1, 0, 5, 1, 0, 0, 1, 0]), // a ClientHello of one byte
    Buffer.from([0x16, 3, 1, 0xff, 0xff]), // a record that is too long
    Buffer.from([0x17, 3, 3, 0, 1, 0]), // data before the handshake
    Buffer.from([0x80, 0x2e, 1, 0, 2]), // SSL 2, incomplete
    Buffer.concat([Buffer.from([0xff]), randomBytes(4095)]), // no capital: no HTTP
    Buffer.alloc(70000, 0x16),
  ]) {
    const socket = await connect(server);
    socket.write(bytes);
    const got = await drain(socket);
    assert.ok(got.length === 0 || got[0] === 0x15, got.toString("hex"));
  }
  await (await open(server)).close();
  await server.stop();
});

test("half a handshake is given up in time", async (t) => {
  const server = await start(t, ["--handshake-ms", "200"]);
  const idle = await connect(server);
  const half = await connect(server);
  half.write(Buffer.from([0x16, 3, 1, 1, 0, 1, 0, 0, 0xfc, 3, 3]));
  const silent = tls.connect({ port: server.port, host: "127.0.0.1", ca });
  silent.on("error", () => {});
  await Promise.all([drain(idle), drain(half), drain(silent)]);
  await server.stop();
});
