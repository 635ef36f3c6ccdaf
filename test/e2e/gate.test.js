// Every source of a parameter of a connection, and refusals as HTTP and in band,
// by `ws`, and by a client that can set subprotocols only, as a page can.
// GATE_SERVER names the program; its refusals say which parameters it has read.
// DOOR_SERVER raises the role of a connection with each call.
import assert from "node:assert/strict";
import { once } from "node:events";
import { after, test } from "node:test";
import WebSocket from "ws";
import { Peer, startServer } from "./peer.js";

after(() => server.stop());
const server = await startServer({ after }, process.env.GATE_SERVER);

/** Connects; resolves with the refusal as HTTP. */
async function refused(query, options = {}, protocols = []) {
  const socket = new WebSocket(server.url + query, protocols, {
    ...options,
    headers: { "x-tenant": "t", ...options.headers },
  });
  const [, response] = await once(socket, "unexpected-response");
  let body = "";
  for await (const chunk of response) body += chunk;
  return { status: response.statusCode, headers: response.headers, body: JSON.parse(body) };
}

async function read(query, options, protocols) {
  const { status, body } = await refused(query, options, protocols);
  assert.equal(status, 401);
  return body.error;
}

test("every source of a parameter", async () => {
  assert.equal(await read("/"), "tenant=t locale=en");
  assert.equal(
    await read("/?locale=d%65&n=5&x=1.5&flag=true&color=dark+red&blob=-_8"),
    "tenant=t locale=de n=5 x=1.5 flag=1 color=1 blob=2:fbff",
  );
  assert.equal(
    await read("/", { headers: { cookie: "a=b; sid=s1" } }),
    "sid=s1 tenant=t locale=en",
  );
  assert.equal(
    await read("/", { headers: { authorization: "Bearer abc" } }),
    "token=abc tenant=t locale=en",
  );
  assert.equal(await read("/", {}, ["zocket", "bearer.abc"]), "token=abc tenant=t locale=en");
  const encoded = Buffer.from("é!").toString("base64url");
  assert.equal(await read("/", {}, ["bearer64." + encoded]), "token=é! tenant=t locale=en");
});

test("a refusal as HTTP", async () => {
  const { status, headers, body } = await refused("/?n=-1");
  assert.equal(status, 400);
  assert.equal(headers["content-type"], "application/json");
  assert.equal(headers["cache-control"], "no-store");
  assert.equal(headers.connection, "close");
  assert.deepEqual(body, {
    error: "Invalid connection parameters",
    code: "INVALID_ARGUMENT",
    issues: [{ code: "too_small", path: ["n"], message: "must be at least 0" }],
  });
  assert.equal((await refused("/")).headers["www-authenticate"], "Bearer");
});

test("another origin is refused, as the app reads a cookie", async () => {
  const { status, body } = await refused("/", { origin: "https://evil.example" });
  assert.equal(status, 403);
  assert.equal(body.code, "PERMISSION_DENIED");
  const { host } = new URL(server.url);
  assert.equal((await refused("/", { origin: "http://" + host })).status, 401);
});

/** All that a client receives until it is closed. */
async function received(url, protocols, options) {
  const socket = new WebSocket(url, protocols, options);
  const messages = [];
  socket.on("message", (data) => messages.push(JSON.parse(data.toString())));
  socket.on("open", () => socket.send('{"type":"state:sub","actor":"x","actorId":"y"}'));
  const [code, reason] = await once(socket, "close");
  return { protocol: socket.protocol, messages, code, reason: reason.toString() };
}

test("a refusal in band, for a page that can set subprotocols only", async () => {
  const got = await received(server.url + "/", ["zocket.rfc6902", "zocket", "bearer.abc"]);
  assert.equal(got.protocol, "zocket.rfc6902");
  assert.equal(got.code, 4400);
  assert.equal(got.reason, "Invalid connection parameters");
  assert.deepEqual(got.messages, [
    {
      type: "error",
      error: "Invalid connection parameters",
      code: "INVALID_ARGUMENT",
      issues: [{ code: "invalid_type", path: ["tenant"], message: "is required" }],
    },
  ]);
  const headers = { "x-tenant": "t" };
  const denied = await received(server.url + "/?locale=" + "%C3%A9".repeat(8),
    ["zocket.rfc6902", "bearer." + "a".repeat(64)], { headers });
  assert.equal(denied.code, 4401);
  assert.ok(Buffer.byteLength(denied.reason) <= 123);
  assert.equal(denied.messages.length, 1);
  assert.ok(denied.messages[0].error.startsWith(denied.reason));
});

test("the selected subprotocol", async () => {
  const headers = { "x-tenant": "in" };
  for (const [offered, selected] of [
    [["zocket", "bearer.abc"], "zocket"],
    [["bearer.abc", "zocket.rfc6902"], "zocket.rfc6902"],
    [["other", "bearer.abc", "bearer2.x"], "bearer.abc"],
  ]) {
    const socket = new WebSocket(server.url, offered, { headers });
    const [message] = await once(socket, "message");
    assert.equal(JSON.parse(message.toString()).type, "welcome");
    assert.equal(socket.protocol, selected);
    socket.terminate();
  }
});

test("no token and no cookie is in the log", async () => {
  await refused("/?n=x", {
    headers: { cookie: "sid=topsecret-too-long", authorization: "Bearer topsecret" },
  });
  assert.ok(!server.log().includes("topsecret"));
});

test("writes of a connection's data are in force when the result arrives", async (t) => {
  const door = await startServer(t, process.env.DOOR_SERVER);
  const peers = [];
  for (let i = 0; i < 8; i++) {
    peers.push(await Peer.open(door.url + "/", [], { headers: { "x-tenant": "t" } }));
  }
  await Promise.all(
    peers.map(async (peer, i) => {
      for (let n = 2; n < 60; n++) {
        // Instances of any thread.
        const { result } = await peer.call("room", "r" + ((i + n * 7) % 16), "who");
        assert.equal(result, String(n % 10));
      }
    }),
  );
  for (const peer of peers) peer.socket.close();
  await door.stop();
});
