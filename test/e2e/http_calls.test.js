// Actors by plain HTTP: calls with the answers that a WebSocket gets, one table
// of cases over two transports; states, and events as an EventSource reads them.
// CHAT_EXAMPLE and FLOW_SERVER name the programs.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { after, test } from "node:test";
import { promisify } from "node:util";
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

const STATUS = {
  INVALID_ARGUMENT: 400,
  NOT_FOUND: 404,
  FAILED_PRECONDITION: 412,
  RESOURCE_EXHAUSTED: 429,
  UNIMPLEMENTED: 501,
};

// Method, input, user. The answers are those of the other transport.
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
];

/** Times differ. */
const timeless = (value) =>
  JSON.parse(JSON.stringify(value ?? null), (key, of) =>
    key === "joinedAt" || key === "sentAt" ? typeof of : of,
  );

/** A member of a room that stays while others call. */
async function enter(room, user) {
  const peer = await Peer.open(`${chat.url}/?user=${user}`);
  await peer.call("chat", room, "join");
  return peer;
}

async function byWebSocket(room, method, input, user) {
  const peer = await Peer.open(`${chat.url}/?user=${user}`);
  const { result, error, code, reason, issues, details } = await peer.call(
    ...["chat", room, method, input],
  );
  await peer.close();
  return timeless(code ? { error, code, reason, issues, details } : { result });
}

async function byHttp(room, method, input, user) {
  const { status, text } = await curl(chat, `/actors/chat/${room}/${method}?user=${user}`, input);
  if (status === 204) {
    assert.equal(text, "");
    return timeless({});
  }
  const value = JSON.parse(text);
  if (status === 200) return timeless({ result: value });
  const { error, code, reason, issues, details } = value;
  assert.equal(status, STATUS[code], text);
  return timeless({ error, code, reason, issues, details });
}

test("every method of the chat has the same answers by both transports", async () => {
  const members = [await enter("one", "ada"), await enter("two", "ada")];
  for (const [method, input, user] of cases) {
    const expected = await byWebSocket("one", method, input, user);
    const got = await byHttp("two", method, input, user);
    assert.deepEqual(got, expected, `${method} ${JSON.stringify(input)}`);
  }
  const state = async (room) =>
    timeless(await (await fetch(`${httpOf(chat)}/actors/chat/${room}?user=bob`)).json());
  assert.deepEqual(await state("two"), await state("one"));
  for (const member of members) await member.close();
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

/** Reads a stream of events as an EventSource does. */
class Events {
  #parts = []; // of a block that is not complete
  #done = false;
  messages = [];
  retry;

  static async open(url, options = {}) {
    const events = new Events();
    events.abort = new AbortController();
    const headers = { accept: "text/event-stream", ...options.headers };
    const response = await fetch(url, { ...options, headers, signal: events.abort.signal });
    assert.equal(response.status, 200);
    assert.equal(response.headers.get("content-type"), "text/event-stream");
    events.reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    return events;
  }

  /** Reads until @holds is true of the messages. */
  async until(holds) {
    while (!holds(this.messages) && !this.#done) {
      const { value, done } = await this.reader.read();
      this.#done = done;
      this.#parts.push(value ?? "");
      if (!this.#parts.slice(-2).join("").includes("\n\n")) continue;
      const blocks = this.#parts.join("").split("\n\n");
      this.#parts = [blocks.pop()];
      for (const block of blocks) this.#take(block);
    }
    assert.ok(holds(this.messages), "the stream has ended");
  }

  #take(block) {
    for (const line of block.split("\n")) {
      if (line.startsWith("data: ")) this.messages.push(JSON.parse(line.slice(6)));
      else if (line.startsWith("retry: ")) this.retry = Number(line.slice(7));
      else assert.equal(line, ":");
    }
  }

  get state() {
    let state;
    for (const { type, state: whole, patches } of this.messages) {
      if (type === "state:snapshot") state = whole;
      if (type === "state:patch") state = applyPlain(state, patches);
    }
    return state;
  }

  close() {
    this.abort.abort();
  }
}

const flowCall = (user, room, method, input) =>
  curl(flow, `/actors/room/${room}/${method}?user=${user}`, input);

test("events have what their reader may see", async () => {
  const base = `${httpOf(flow)}/actors/room/e`;
  const ann = await Events.open(`${base}?user=ann`);
  const bob = await Events.open(`${base}?user=bob`);
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
  assert.ok(!JSON.stringify(ann.messages).includes("for bob"));
  assert.ok(!JSON.stringify(bob.messages).includes("for ann"));
  await peer.close();
  ann.close();
  bob.close();
});

test("a slow reader has the last state, and not every patch", async () => {
  const slow = await Events.open(`${httpOf(flow)}/actors/room/s?user=ann`);
  const peer = await Peer.open(`${flow.url}/?user=bob`);
  const line = "x".repeat(10000);
  for (let i = 0; i < 900; i++) peer.begin("room", "s", "write", { line: `${i} ${line}` });
  await peer.call("room", "s", "write", { line: "last" });
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
  const counted = await Events.open(`${base}/count?user=ann`, post("count", { to: 3 }));
  await counted.until(ended);
  assert.deepEqual(
    counted.messages.filter(({ type }) => type === "rpc:chunk").map(({ chunk }) => chunk),
    [1, 2, 3],
  );
  const worked = await Events.open(`${base}/work?user=ann`, post("work", { steps: 4 }));
  await worked.until(ended);
  assert.equal(worked.messages.at(-1).result, 4);
  // Without the type, the result alone.
  const { status, text } = await flowCall("ann", "p", "work", { steps: 4 });
  assert.deepEqual([status, text], [200, "4"]);
  // A stream without an end, whose reader goes.
  const drips = await Events.open(`${base}/drip?user=ann`, post("drip"));
  await drips.until(({ length }) => length > 10);
  drips.close();
});

test("a stopping server tells readers to come back", async (t) => {
  const server = await startServer(t, process.env.CHAT_EXAMPLE);
  const events = await Events.open(`${httpOf(server)}/actors/chat/x?user=ann`);
  await events.until(({ length }) => length > 0);
  const stopped = server.stop();
  await events.until(() => events.retry === 1000);
  await stopped;
});
