// Refusals over real sockets: recordings of every byte that a refused connection
// receives, as HTTP and in band, a refused subscriber, and clients that are kicked
// or expelled, while a member writes. And messages that are sent before a deferred
// `open` or middleware has decided. ACCESS_SERVER names the program.
import assert from "node:assert/strict";
import { once } from "node:events";
import net from "node:net";
import { after, test } from "node:test";
import { Peer, startServer } from "./peer.js";

after(async () => {
  Recorder.closeAll();
  await Promise.all([writer.close(), desk.close()]);
  await server.stop();
});
const server = await startServer({ after }, process.env.ACCESS_SERVER);
const OURS = "zocket.rfc6902";
const ROOM = { actor: "room", actorId: "r" };

// ---- a client that records every byte ----

/** A text frame, masked with zeros. */
function frame(message) {
  const body = Buffer.from(JSON.stringify(message));
  const head = Buffer.alloc(body.length < 126 ? 6 : 8);
  head[0] = 0x81;
  head[1] = 0x80 | Math.min(body.length, 126);
  if (body.length > 125) head.writeUInt16BE(body.length, 2);
  return Buffer.concat([head, body]);
}

class Recorder {
  static #all = [];
  #bytes = Buffer.alloc(0);

  static closeAll() {
    for (const recorder of Recorder.#all) recorder.close();
  }

  /** Sends a request, and messages in the same breath. */
  static async open(query, { protocol, early = [] } = {}) {
    const recorder = new Recorder();
    const { hostname, port } = new URL(server.url);
    const socket = net.connect({ host: hostname, port: Number(port) });
    recorder.socket = socket;
    Recorder.#all.push(recorder);
    recorder.ended = new Promise((resolve) => socket.on("end", resolve));
    socket.on("data", (bytes) => {
      recorder.#bytes = Buffer.concat([recorder.#bytes, bytes]);
    });
    await once(socket, "connect");
    const head =
      `GET /?${new URLSearchParams(query)} HTTP/1.1\r\nHost: localhost\r\n` +
      "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n" +
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
      (protocol ? `Sec-WebSocket-Protocol: ${protocol}\r\n\r\n` : "\r\n");
    socket.write(Buffer.concat([Buffer.from(head), ...early.map(frame)]));
    return recorder;
  }

  send(...messages) {
    this.socket.write(Buffer.concat(messages.map(frame)));
  }

  /** Returns the head of the answer, and the frames or the body behind it. */
  get answer() {
    const at = this.#bytes.indexOf("\r\n\r\n");
    if (at < 0) return { head: "", rest: this.#bytes };
    const head = this.#bytes.subarray(0, at).toString();
    return { head, rest: this.#bytes.subarray(at + 4) };
  }

  /** Returns the messages so far, and the code and reason of a close frame. */
  get frames() {
    const { rest } = this.answer;
    const frames = [];
    for (let at = 0; at + 2 <= rest.length; ) {
      const long = rest[at + 1] === 126;
      assert.ok(rest[at + 1] <= 126, "no frame here is longer");
      if (long && at + 4 > rest.length) break;
      const from = at + (long ? 4 : 2);
      const end = from + (long ? rest.readUInt16BE(at + 2) : rest[at + 1]);
      if (end > rest.length) break;
      const body = rest.subarray(from, end);
      if (rest[at] === 0x81) frames.push(JSON.parse(body.toString()));
      else if (rest[at] === 0x88) frames.push([body.readUInt16BE(0), body.subarray(2).toString()]);
      else assert.fail(`a frame with ${rest[at].toString(16)}`);
      at = end;
    }
    return frames;
  }

  /** Waits until @is_true holds of the frames. */
  async until(isTrue) {
    while (!isTrue(this.frames)) {
      assert.ok(!this.socket.readableEnded, JSON.stringify(this.frames));
      await Promise.race([once(this.socket, "data"), this.ended]);
    }
  }

  close() {
    this.socket.destroy();
  }
}

const isClose = (frame) => Array.isArray(frame);
const rpc = (id, method, input) => ({ type: "rpc", id, ...ROOM, method, input });
const everything = [
  { type: "state:sub", ...ROOM },
  { type: "event:sub", ...ROOM },
  { type: "broadcast:sub" },
  rpc("w", "write", { text: "in secret" }),
];

// ---- people of the room ----

const writer = await Peer.open(server.url + "/?role=member");
const desk = await Peer.open(server.url);

/** Changes the state, and emits events and broadcasts, in calls that are over when
 * it resolves. */
async function write(text, times = 10) {
  for (let i = 0; i < times; i++) {
    assert.equal((await writer.call("room", "r", "write", { text })).error, undefined);
  }
}

/** Waits until the server holds @count deferred handlers. */
async function waiting(count) {
  while ((await desk.call("desk", "d", "waiting")).result !== count);
}

const release = () => desk.call("desk", "d", "release");

// ---- refused connections ----

const refusals = {
  invalid: [400, "INVALID_ARGUMENT", {}],
  unauthenticated: [401, "UNAUTHENTICATED", {}],
  denied: [403, "PERMISSION_DENIED", {}],
  missing: [404, "NOT_FOUND", {}],
  exhausted: [429, "RESOURCE_EXHAUSTED", { retryAfterMs: 1500 }],
  unavailable: [503, "UNAVAILABLE", { retryAfterMs: 1500 }],
  internal: [500, "INTERNAL", { error: "internal error" }],
  banned: [403, "PERMISSION_DENIED",
    { error: "You are banned.", reason: "banned", details: { days: 3 } }],
};

for (const late of [false, true]) {
  const title = late ? ", decided later" : "";

  for (const [answer, [status, code, keys]] of Object.entries(refusals)) {
    const refusal = { error: "not like this", code, ...keys };

    test(`${answer} as HTTP${title}`, async () => {
      const refused = await Recorder.open({ answer, late, role: "host" }, { early: everything });
      if (late) {
        await waiting(1);
        await write("before the refusal");
        assert.equal(refused.answer.rest.length, 0);
        await release();
      }
      await refused.ended;
      const { head, rest } = refused.answer;
      const [line, ...fields] = head.split("\r\n");
      assert.match(line, new RegExp(`^HTTP/1.1 ${status} `));
      const date = fields.findIndex((field) => field.startsWith("Date: "));
      assert.ok(Math.abs(Date.parse(fields[date].slice(6)) - Date.now()) < 60_000, fields[date]);
      fields.splice(date, 1);
      assert.deepEqual(fields.sort(), [
        "Cache-Control: no-store",
        "Connection: close",
        `Content-Length: ${rest.length}`,
        "Content-Type: application/json",
        ...("retryAfterMs" in keys ? ["Retry-After: 2"] : []),
        "Vary: Origin",
        ...(status === 401 ? ["WWW-Authenticate: Bearer"] : []),
        "X-Content-Type-Options: nosniff",
      ]);
      assert.deepEqual(JSON.parse(rest.toString()), refusal);
      refused.close();
    });

    test(`${answer} in band${title}`, async () => {
      const refused = await Recorder.open({ answer, late, role: "host" },
        { protocol: OURS, early: everything });
      if (late) {
        await waiting(1);
        assert.equal(refused.answer.rest.length, 0);
        await release();
      }
      await refused.until((frames) => frames.some(isClose));
      refused.send(...everything);
      await write("after the refusal");
      assert.match(refused.answer.head, /^HTTP\/1.1 101 /);
      assert.deepEqual(refused.frames, [
        { type: "error", ...refusal },
        [4000 + status, refusal.error],
      ]);
      refused.close();
    });
  }
}

test("nobody who was refused has written", async () => {
  const { lines } = await writer.subscribe("room", "r");
  assert.ok(!lines.includes("in secret"));
  writer.send({ type: "state:unsub", ...ROOM });
});

// ---- messages that come before the decision ----

test("messages before a deferred open has decided are answered in order", async () => {
  for (const protocol of [undefined, OURS]) {
    const early = [1, 2, 3, 4, 5].map((id) => rpc(id, "ping"));
    const guest = await Recorder.open({ late: true }, { protocol, early });
    await waiting(1);
    assert.equal(guest.answer.rest.length, 0);
    guest.send(rpc(6, "ping"));
    await release();
    await guest.until((frames) => frames.length === 7);
    const [welcome, ...results] = guest.frames;
    assert.equal(welcome.type, "welcome");
    assert.deepEqual(results, [1, 2, 3, 4, 5, 6].map((id) => ({ type: "rpc:result", id })));
    guest.close();
  }
});

test("messages behind deferred middleware are answered in order", async () => {
  const peer = await Peer.open(server.url + "/?role=member");
  const other = await Peer.open(server.url);
  peer.begin("room", "r", "slow"); // rpc_1_test
  peer.begin("room", "r", "ping");
  peer.send({ type: "state:sub", ...ROOM });
  peer.begin("room", "elsewhere", "ping");
  await waiting(1);
  await other.call("room", "r", "ping"); // the instance does not wait
  await release();
  const types = [];
  for (let i = 0; i < 4; i++) {
    const { type, id } = await peer.next();
    types.push(id ?? type);
  }
  // Answers of different instances come in any order.
  const elsewhere = types.indexOf("rpc_3_test");
  assert.ok(elsewhere > 0);
  types.splice(elsewhere, 1);
  assert.deepEqual(types, ["rpc_1_test", "rpc_2_test", "state:snapshot"]);
  await Promise.all([peer.close(), other.close()]);
});

test("a connection that is lost while open waits", async () => {
  const lost = await Recorder.open({ late: true }, { early: everything });
  await waiting(1);
  lost.close();
  await release();
  await write("nobody hears it");
});

// ---- refused subscribers, and clients that are sent away ----

const refused = { error: "Members only.", code: "PERMISSION_DENIED", reason: "membersOnly" };
const sentAway = { error: "out with you", code: "PERMISSION_DENIED" };
const denials = (why) => ["state", "events"].map((of) => ({ type: "sub:error", ...ROOM, of, ...why }));

test("a refused subscriber receives the refusal alone", async () => {
  const guest = await Peer.open(server.url, [OURS]);
  await write("before");
  for (const message of everything) guest.send(message);
  await write("after");
  // The answer of the instance does not overtake what it has sent before.
  const { before } = await guest.call("room", "r", "ping");
  assert.deepEqual(before, [
    ...denials(refused),
    { type: "rpc:result", id: "w", ...refused },
  ]);
  await guest.close();
});

test("a plain client that is refused reads the same, once for each subscription", async () => {
  const guest = await Peer.open(server.url);
  guest.send({ type: "event:sub", ...ROOM });
  await write("after");
  const { before } = await guest.call("room", "r", "ping");
  assert.deepEqual(before, [{ type: "sub:error", ...ROOM, ...refused }]);
  await guest.close();
});

/** A member that has subscribed to everything, and receives all of it. */
async function member() {
  const recorder = await Recorder.open({ role: "member" }, { protocol: OURS, early: everything });
  recorder.send(rpc("again", "write", { text: "as a writer" }));
  await recorder.until((frames) => frames.at(-1)?.id === "again");
  const [welcome, ...messages] = recorder.frames;
  assert.deepEqual(messages.map(({ type }) => type), [
    "state:snapshot", "sub:ok", "state:patch", "event", "rpc:result",
    "state:patch", "event", "broadcast", "rpc:result",
  ]);
  return { recorder, clientId: welcome.clientId, count: messages.length + 1 };
}

test("a client that is kicked receives the close frame alone", async () => {
  const { recorder, clientId, count } = await member();
  await writer.call("room", "r", "kick", { clientId });
  await recorder.until((frames) => frames.some(isClose));
  recorder.send(...everything, rpc("late", "write", { text: "from beyond" }));
  await write("after the kick");
  assert.deepEqual(recorder.frames.slice(count), [[4403, "out with you"]]);
  recorder.close();
  const { lines } = await writer.subscribe("room", "r");
  assert.ok(!lines.includes("from beyond"));
  writer.send({ type: "state:unsub", ...ROOM });
});

test("a client that is expelled receives the ends of its subscriptions alone", async () => {
  const { recorder, clientId, count } = await member();
  recorder.send({ type: "broadcast:unsub" }); // broadcasts are the app's, not the room's
  recorder.send(rpc("p", "ping"));
  await recorder.until((frames) => frames.length === count + 1);
  await writer.call("room", "r", "expel", { clientId });
  await write("after the expulsion");
  recorder.send(rpc("q", "ping"));
  await recorder.until((frames) => frames.at(-1).id === "q");
  assert.deepEqual(recorder.frames.slice(count), [
    { type: "rpc:result", id: "p" },
    ...denials(sentAway),
    { type: "rpc:result", id: "q" },
  ]);
  recorder.close();
});
