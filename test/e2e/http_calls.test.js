// Actors by plain HTTP: calls with the answers that a WebSocket gets, one table
// of cases over two transports; the status of each code; states, and events as an
// EventSource reads them.
// CHAT_EXAMPLE and FLOW_SERVER name the programs.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { connect } from "node:net";
import { after, test } from "node:test";
import { promisify } from "node:util";
import { EventSource } from "eventsource";
import { EventSourceParserStream } from "eventsource-parser/stream";
import { Peer, applyPlain, startServer } from "./peer.js";

const run = promisify(execFile);

process.env.ZOCKET_HTTP_CALLS = "on";
after(() => Promise.all([chat.stop(), flow.stop()]));
const chat = await startServer({ after }, process.env.CHAT_EXAMPLE);
const flow = await startServer({ after }, process.env.FLOW_SERVER);

const httpOf = (server) => server.url.replace(/^ws/, "http");

/** Calls by curl; resolves with the status and the body. */
async function curl(server, path, input, ...args) {
  const { stdout } = await run("curl", [
    ...["-sS", "--max-time", "20", "-w", "\n%{http_code}"],
    ...["-H", "Content-Type: application/json", "-X", "POST"],
    ...(input === undefined ? [] : ["-d", JSON.stringify(input)]),
    ...args,
    httpOf(server) + path,
  ]);
  const end = stdout.lastIndexOf("\n");
  return { status: Number(stdout.slice(end + 1)), text: stdout.slice(0, end) };
}

const flowCall = (user, room, method, input) =>
  curl(flow, `/actors/room/${room}/${method}?user=${user}`, input);

const STATUS = {
  INVALID_ARGUMENT: 400,
  UNAUTHENTICATED: 401,
  PERMISSION_DENIED: 403,
  NOT_FOUND: 404,
  ABORTED: 409,
  ALREADY_EXISTS: 409,
  FAILED_PRECONDITION: 412,
  RESOURCE_EXHAUSTED: 429,
  CANCELLED: 499,
  INTERNAL: 500,
  UNIMPLEMENTED: 501,
  UNAVAILABLE: 503,
  DEADLINE_EXCEEDED: 504,
};

// Method, input, user, and the rooms, if they are none of their own. The answers
// are those of the other transport.
const cases = [
  ["join", undefined, "ada"],
  ["join", undefined, "eve"],
  ["say", { text: " hello " }, "ada"],
  ["say", { text: "an answer", replyTo: 1 }, "ada"],
  ["say", { text: "not a member" }, "eve"],
  ["say", { text: "" }, "ada"],
  ["say", {}, "ada"],
  ["say", "no object", "ada"],
  ["whisper", { to: "ada", text: "to me" }, "ada"],
  ["whisper", { to: "nobody", text: "?" }, "ada"],
  ["history", {}, "eve"],
  ["history", { limit: 1 }, "eve"],
  ["history", { limit: 0 }, "eve"],
  ["setTopic", { topic: "näh \u2028 \"quoted\"" }, "ada"],
  ["setTopic", { topic: "x" }, "eve"],
  ["leave", undefined, "eve"],
  ["none", undefined, "ada"],
  ["say", { text: "one of many" }, "mob", noisy],
  ["join", undefined, "late", full],
];

/** Times differ. */
const timeless = (value) =>
  JSON.parse(JSON.stringify(value ?? null), (key, of) =>
    /^(joinedAt|sentAt|retryAfterMs)$/.test(key) ? typeof of : of,
  );

/** A member of a room that stays while others call. */
async function enter(room, user) {
  const peer = await Peer.open(`${chat.url}/?user=${user}`);
  await peer.call("chat", room, "join");
  return peer;
}

/** Two rooms that others have filled. */
async function full() {
  const rooms = ["full one", "full two"];
  const members = await Promise.all(
    Array.from({ length: 100 }, async (_, i) => {
      const peer = await enter(rooms[0], `user${i}`);
      await peer.call("chat", rooms[1], "join");
      return peer;
    }),
  );
  return { rooms, end: () => Promise.all(members.map((member) => member.close())) };
}

/** Two rooms, and a user who says more than the rate allows all the while. A call
 * that has a token nevertheless is made again. */
async function noisy() {
  const rooms = ["noisy one", "noisy two"];
  const peer = await Peer.open(`${chat.url}/?user=mob`);
  let ends = false;
  const noise = (async () => {
    while (!ends) await peer.call("chat", rooms[0], "say", { text: "!" });
  })();
  return {
    rooms,
    async ask(call) {
      let answer;
      for (let i = 0; i < 100 && answer?.code !== "RESOURCE_EXHAUSTED"; i++) answer = await call();
      return answer;
    },
    async end() {
      ends = true;
      await noise;
      await peer.close();
    },
  };
}

async function byWebSocket(room, method, input, user) {
  const peer = await Peer.open(`${chat.url}/?user=${user}`);
  const { result, ...failure } = await peer.call("chat", room, method, input);
  await peer.close();
  return failure.code ? failureOf(failure) : timeless({ result });
}

const failureOf = ({ error, code, reason, issues, details, retryAfterMs }) =>
  timeless({ error, code, reason, issues, details, retryAfterMs });

async function byHttp(room, method, input, user) {
  const path = `/actors/chat/${encodeURIComponent(room)}/${method}?user=${user}`;
  const { status, text } = await curl(chat, path, input);
  if (status === 204) {
    assert.equal(text, "");
    return timeless({});
  }
  const value = JSON.parse(text);
  if (status === 200) return timeless({ result: value });
  assert.equal(status, STATUS[value.code], text);
  return failureOf(value);
}

test("every method of the chat has the same answers by both transports", async () => {
  const members = [await enter("one", "ada"), await enter("two", "ada")];
  const own = { rooms: ["one", "two"] };
  const seen = new Set();
  for (const [method, input, user, prepare] of cases) {
    const { rooms, ask = (call) => call(), end } = (await prepare?.()) ?? own;
    const expected = await ask(() => byWebSocket(rooms[0], method, input, user));
    const got = await ask(() => byHttp(rooms[1], method, input, user));
    await end?.();
    assert.deepEqual(got, expected, `${method} ${JSON.stringify(input)}`);
    seen.add(got.reason ?? got.code);
  }
  for (const of of ["notJoined", "notHere", "roomFull", "RESOURCE_EXHAUSTED"]) assert.ok(seen.has(of), of);
  const state = async (room) =>
    timeless(await (await fetch(`${httpOf(chat)}/actors/chat/${room}?user=bob`)).json());
  assert.deepEqual(await state("two"), await state("one"));
  for (const member of members) await member.close();
});

test("each code has its status", async () => {
  const peer = await Peer.open(`${flow.url}/?user=ann`);
  for (const [code, status] of Object.entries(STATUS)) {
    const told = { code, text: `it is ${code}` };
    const { type, id, before, ...failure } = await peer.call("room", "f", "fail", told);
    assert.equal(failure.code, code);
    const answer = await flowCall("ann", "f", "fail", told);
    assert.deepEqual({ ...answer, text: JSON.parse(answer.text) }, { status, text: failure });
  }
  await peer.close();
  // The codes that the runtime says itself, and the type of the body.
  const hurried = await flowCall("ann", "f", "hurry");
  assert.deepEqual([hurried.status, JSON.parse(hurried.text).code], [504, "DEADLINE_EXCEEDED"]);
  assert.equal((await flowCall("ann", "f", "none")).status, 501);
  assert.equal((await curl(flow, "/actors/none/f/none?user=ann")).status, 404);
  assert.equal((await curl(flow, "/actors/room/f/hurry?user=ann", {}, "-H", "Content-Type: text/plain")).status, 415);
});

test("a client that ends its stream has its answer", async () => {
  const peer = await Peer.open(`${flow.url}/?user=bob`);
  await peer.subscribe("room", "h");
  const { hostname, port } = new URL(flow.url);
  const body = JSON.stringify({ steps: 4 });
  const head = `Host: ${hostname}:${port}\r\nContent-Type: application/json\r\nContent-Length: `;
  const events = "Accept: text/event-stream\r\n";
  const streamed = /\r\n\r\n[^]*"type":"rpc:result"[^]*\n\n$/;
  const value = /\r\n\r\n(4|\{.*\})$/;
  for (const [request, answer] of [
    [`POST /actors/room/h/work?user=ann HTTP/1.1\r\n${head}${body.length}\r\n\r\n${body}`, value],
    [`POST /actors/room/h/work?user=ann HTTP/1.0\r\n${head}${body.length}\r\n\r\n${body}`, value],
    [`POST /actors/room/h/work?user=ann HTTP/1.0\r\n${events}${head}${body.length}\r\n\r\n${body}`, streamed],
    [`POST /actors/room/h/count?user=ann HTTP/1.0\r\n${events}${head}8\r\n\r\n{"to":3}`, streamed],
    [`GET /actors/room/h?user=ann HTTP/1.1\r\nHost: ${hostname}:${port}\r\n\r\n`, value],
  ]) {
    const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true });
    socket.end(request);
    let text = "";
    for await (const chunk of socket.setEncoding("utf8")) text += chunk;
    assert.match(text, /^HTTP\/1\.1 200 /);
    assert.match(text, answer);
  }
  await peer.close();
});

test("`open` refuses by HTTP as it refuses a handshake", async () => {
  const { status, text } = await curl(chat, "/actors/chat/one/history", {});
  assert.equal(status, 400);
  assert.equal(JSON.parse(text).code, "INVALID_ARGUMENT");
});

test("a form of another site cannot call", async () => {
  const url = `${httpOf(chat)}/actors/chat/one/leave?user=ada`;
  for (const type of [
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "text/plain",
  ]) {
    const response = await fetch(url, { method: "POST", headers: { "content-type": type }, body: "{}" });
    assert.equal(response.status, 415, type);
    assert.equal(response.headers.get("x-content-type-options"), "nosniff");
  }
  // With the type that is needed, the page's origin is judged, before and then.
  const headers = { origin: "https://evil.example", "content-type": "application/json" };
  assert.equal((await fetch(url, { method: "POST", headers, body: "{}" })).status, 403);
  const preflight = { origin: headers.origin, "access-control-request-method": "POST" };
  assert.equal((await fetch(url, { method: "OPTIONS", headers: preflight })).status, 403);
});

test("a state makes no instance", async () => {
  const response = await fetch(`${httpOf(chat)}/actors/chat/nowhere?user=ada`);
  assert.equal(response.status, 404);
  assert.equal((await response.json()).code, "NOT_FOUND");
});

/** The messages of a stream of events. */
class Messages {
  #waiting = [];
  #ended = false;
  all = [];

  take(data) {
    this.all.push(JSON.parse(data));
    this.#wake();
  }

  end() {
    this.#ended = true;
    this.#wake();
  }

  #wake() {
    for (const wake of this.#waiting.splice(0)) wake();
  }

  /** Waits until @holds is true of the messages. */
  async until(holds) {
    while (!holds(this.all) && !this.#ended) {
      await new Promise((wake) => this.#waiting.push(wake));
    }
    assert.ok(holds(this.all), "the stream has ended");
  }

  get state() {
    let state;
    for (const { type, state: whole, patches } of this.all) {
      if (type === "state:snapshot") state = whole;
      if (type === "state:patch") state = applyPlain(state, patches);
    }
    return state;
  }
}

/** Follows by an EventSource; resolves when it is open. */
async function follow(url, options) {
  const messages = new Messages();
  const source = new EventSource(url, options);
  source.addEventListener("message", ({ data, lastEventId }) => {
    assert.equal(lastEventId, "");
    messages.take(data);
  });
  await new Promise((resolve, reject) => {
    source.addEventListener("open", resolve);
    source.addEventListener("error", reject, { once: true });
  });
  messages.source = source;
  messages.close = () => source.close();
  return messages;
}

/** Calls a method that answers by a stream of events; an EventSource cannot. */
async function callForEvents(url, init) {
  const abort = new AbortController();
  const headers = { ...init.headers, accept: "text/event-stream" };
  const response = await fetch(url, { ...init, headers, signal: abort.signal });
  assert.equal(response.status, 200);
  assert.equal(response.headers.get("content-type"), "text/event-stream");
  const messages = new Messages();
  const events = response.body.pipeThrough(new TextDecoderStream()).pipeThrough(new EventSourceParserStream());
  (async () => {
    for await (const { data } of events) messages.take(data);
    messages.end();
  })().catch(() => messages.end());
  messages.close = () => abort.abort();
  return messages;
}

test("events have what their reader may see", async () => {
  const base = `${httpOf(flow)}/actors/room/e`;
  const ann = await follow(`${base}?user=ann`);
  const bob = await follow(`${base}?user=bob`);
  const peer = await Peer.open(`${flow.url}/?user=ann`);
  await peer.call("room", "e", "note", { user: "ann", text: "for ann" });
  await peer.call("room", "e", "note", { user: "bob", text: "for bob" });
  await peer.call("room", "e", "write", { line: "for all" });
  const written = (messages) =>
    messages.some(({ type, patches }) => type === "state:patch" && JSON.stringify(patches).includes("for all"));
  await ann.until(written);
  await bob.until(written);
  assert.deepEqual(ann.state.notes, { ann: "for ann" });
  assert.deepEqual(bob.state.notes, { bob: "for bob" });
  assert.ok(!JSON.stringify(ann.all).includes("for bob"));
  assert.ok(!JSON.stringify(bob.all).includes("for ann"));
  await peer.close();
  ann.close();
  bob.close();
});

test("a slow reader has the last state, and not every patch", async () => {
  let read;
  const reads = new Promise((resolve) => (read = resolve));
  const slow = await follow(`${httpOf(flow)}/actors/room/s?user=ann`, {
    async fetch(url, init) {
      const { status, headers, body } = await fetch(url, init);
      const later = new TransformStream({
        async transform(chunk, controller) {
          await reads;
          controller.enqueue(chunk);
        },
      });
      return { url, redirected: false, status, headers, body: body.pipeThrough(later) };
    },
  });
  const peer = await Peer.open(`${flow.url}/?user=bob`);
  const line = "x".repeat(10000);
  for (let i = 0; i < 900; i++) peer.begin("room", "s", "write", { line: `${i} ${line}` });
  await peer.call("room", "s", "write", { line: "last" });
  assert.equal(slow.all.length, 0);
  read();
  let log = [];
  let seen = 0;
  let writes = 0;
  const take = ({ type, state, patches = [] }) => {
    if (type === "state:snapshot") log = state.log;
    for (const { path, value } of patches) {
      writes += path.startsWith("/log");
      if (path === "/log") log = value;
      else if (path.startsWith("/log/")) log[Number(path.slice(5))] = value;
    }
  };
  await slow.until((messages) => {
    for (; seen < messages.length; seen++) take(messages[seen]);
    return log.at(-1) === "last";
  });
  assert.equal(log.length, 901);
  assert.equal(log.indexOf(undefined), -1);
  assert.ok(writes < 901, String(writes));
  await peer.close();
  slow.close();
});

test("streams and progress are events", async () => {
  const base = `${httpOf(flow)}/actors/room/p`;
  const headers = { "content-type": "application/json" };
  const post = (method, input) => ({ method: "POST", headers, body: JSON.stringify(input) });
  const refused = await fetch(`${base}/count?user=ann`, post("count", { to: 3 }));
  assert.equal(refused.status, 406);
  const ended = (messages) => messages.at(-1)?.type === "rpc:result";
  const counted = await callForEvents(`${base}/count?user=ann`, post("count", { to: 3 }));
  await counted.until(ended);
  assert.deepEqual(
    counted.all.filter(({ type }) => type === "rpc:chunk").map(({ chunk }) => chunk),
    [1, 2, 3],
  );
  const worked = await callForEvents(`${base}/work?user=ann`, post("work", { steps: 4 }));
  await worked.until(ended);
  assert.equal(worked.all.at(-1).result, 4);
  // Without the type, the result alone.
  const { status, text } = await flowCall("ann", "p", "work", { steps: 4 });
  assert.deepEqual([status, text], [200, "4"]);
  // A stream without an end, whose reader goes.
  const drips = await callForEvents(`${base}/drip?user=ann`, post("drip"));
  await drips.until(({ length }) => length > 10);
  drips.close();
});

test("an EventSource comes back when its server does", async (t) => {
  const timers = t.mock.method(globalThis, "setTimeout");
  const delays = () => timers.mock.calls.map(({ arguments: [, ms] }) => ms);
  const first = await startServer(t, process.env.CHAT_EXAMPLE);
  const requests = [];
  const events = await follow(`${httpOf(first)}/actors/chat/x?user=ann`, {
    fetch(url, init) {
      requests.push(new Headers(init.headers));
      return fetch(url, init);
    },
  });
  const snapshots = ({ type }) => type === "state:snapshot";
  await events.until((all) => all.some(snapshots));
  let errors = 0;
  events.source.addEventListener("error", () => errors++);
  const back = new Promise((resolve) => events.source.addEventListener("open", resolve));
  await first.stop();
  const { host } = new URL(first.url);
  const second = await startServer(t, process.env.CHAT_EXAMPLE, ["--listen", host]);
  await back;
  assert.ok(errors > 0);
  assert.ok(delays().includes(1000), "`retry: 1000` was read");
  assert.ok(!delays().includes(3000), "the time of an EventSource that was told none");
  // Events have no ids: the snapshot has all changes that were missed.
  assert.ok(requests.length > 1);
  for (const headers of requests) assert.equal(headers.get("last-event-id"), null);
  await events.until((all) => all.filter(snapshots).length === 2);
  const peer = await Peer.open(`${second.url}/?user=bob`);
  await peer.call("chat", "x", "join");
  await peer.call("chat", "x", "setTopic", { topic: "back" });
  await events.until(() => events.state.topic === "back");
  assert.deepEqual(events.state, await peer.subscribe("chat", "x"));
  // An id that the server never gave is not read.
  const forged = await follow(`${httpOf(second)}/actors/chat/x?user=eve`, {
    fetch: (url, init) => fetch(url, { ...init, headers: { ...init.headers, "last-event-id": "7" } }),
  });
  await forged.until(({ length }) => length > 0);
  assert.equal(forged.all[0].type, "state:snapshot");
  assert.equal(forged.state.topic, "back");
  forged.close();
  events.close();
  await peer.close();
  await second.stop();
});

test("an EventSource that is refused does not come back", async () => {
  const source = new EventSource(`${httpOf(chat)}/actors/chat/x`); // without its user
  const { code } = await new Promise((resolve) => source.addEventListener("error", resolve));
  assert.equal(code, 400);
  assert.equal(source.readyState, EventSource.CLOSED);
});
