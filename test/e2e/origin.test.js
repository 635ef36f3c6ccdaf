// Which hosts and pages are let in by listeners of loopback, of all interfaces
// and of Unix sockets; what a page may read; what the log says. test/unit has
// the whole table. COUNTER_SERVER names the program.
import assert from "node:assert/strict";
import fs from "node:fs";
import http from "node:http";
import os from "node:os";
import path from "node:path";
import { test } from "node:test";
import { startServer } from "./peer.js";

const KEY = "dGhlIHNhbXBsZSBub25jZQ==";

/** Sends a request; resolves with its status, 101 included, and headers. */
async function ask(where, headers, method = "GET", url = "/nothing") {
  const request = http.request({ ...where, path: url, method, headers }).end();
  const answered = new Promise((resolve) => {
    request.on("response", (response) => {
      response.resume();
      resolve(response);
    });
    request.on("upgrade", (response, socket) => {
      socket.destroy();
      resolve(response);
    });
  });
  const { statusCode: status, headers: fields } = await answered;
  request.destroy();
  return { status, fields };
}

const upgrade = {
  connection: "Upgrade",
  upgrade: "websocket",
  "sec-websocket-version": "13",
  "sec-websocket-key": KEY,
};

test("each listener lets in the hosts and pages of its nature", async (t) => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "zocket-origin-"));
  t.after(() => fs.rmSync(folder, { recursive: true }));
  const socketPath = path.join(folder, "s");
  const listeners = ["127.0.0.1:0", "0.0.0.0:0", `unix:${socketPath}`];
  const args = listeners.flatMap((listener) => ["--listen", listener]);
  const server = await startServer(t, process.env.COUNTER_SERVER, args);
  await server.logged(/ws\+unix/);
  const [loopback, everybody] = [...server.log().matchAll(/ws:\/\/\S+:(\d+)/g)].map(
    ([, port]) => ({ host: "127.0.0.1", port }),
  );
  const unix = { socketPath };
  for (const [where, host, origin, status] of [
    [loopback, "localhost:1", undefined, 101],
    [loopback, "localhost:1", "http://localhost:5173", 101],
    [loopback, "localhost:1", "https://evil.example", 403],
    [loopback, "evil.example:1", "http://evil.example:1", 421],
    [everybody, "rooms.example", "https://rooms.example", 101],
    [everybody, "localhost:1", "http://localhost:5173", 403],
    [unix, "rooms.example", "https://rooms.example", 101],
    [unix, "rooms.example", "https://evil.example", 403],
    [unix, "rooms.example", "null", 403],
  ]) {
    const headers = { host, ...(origin && { origin }) };
    const socket = await ask(where, { ...headers, ...upgrade });
    assert.equal(socket.status, status, `${host} ${origin}`);
    const plain = await ask(where, headers); // no route: 426
    assert.equal(plain.status, status === 101 ? 426 : status, `${host} ${origin}`);
  }
  await server.logged(/127\.0\.0\.1 from a page of 'https:\/\/evil\.example' was refused: allow_origins/);
  await server.logged(/127\.0\.0\.1 for the host 'evil\.example:1' was refused: server_names/);
  await server.logged(/a Unix socket from a page of 'null' was refused: allow_origins/);
  assert.equal((await ask(loopback, { host: "10.0.0.1" }, "GET", "/healthz")).status, 200);
  await server.stop();
});

test("the options name hosts and pages", async (t) => {
  const server = await startServer(t, process.env.COUNTER_SERVER, [
    "--allow-origins", "https://app.example, *.dev.example",
    "--server-names", "rooms.example, *.rooms.example",
  ]);
  const { hostname: host, port } = new URL(server.url);
  const where = { host, port };
  const from = (name, origin) => ask(where, { host: name, origin });
  assert.equal((await from("localhost", "https://app.example")).status, 421);
  assert.equal((await from("rooms.example", "https://rooms.example")).status, 403);
  assert.equal((await from("eu.rooms.example", "http://a.dev.example:5173")).status, 426);
  const { status, fields } = await ask(
    where,
    {
      host: "rooms.example",
      origin: "https://app.example",
      "access-control-request-method": "POST",
      "access-control-request-headers": "content-type,traceparent",
    },
    "OPTIONS",
  );
  assert.equal(status, 204);
  assert.equal(fields["access-control-allow-origin"], "https://app.example");
  assert.equal(fields["access-control-allow-credentials"], "true");
  assert.match(fields["access-control-allow-headers"], /\bcontent-type\b.*\btraceparent\b/);
  assert.equal(fields.vary, "Origin");
  assert.equal(fields["content-length"], undefined);
  await server.stop();
});
