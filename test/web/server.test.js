// The client and servers in C, over loopback: what test/e2e checks of the C
// client. COUNTER_SERVER, FLOW_SERVER, ACCESS_SERVER and AUTH_SERVER name the
// programs; without the last, tokens are not tested.
import assert from "node:assert/strict";
import { createHmac, randomBytes } from "node:crypto";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import WebSocket from "ws";
import { startServer } from "../e2e/peer.js";

const { createClient, isZocketError } = await import(process.env.CLIENT);
const { COUNTER_SERVER, FLOW_SERVER, ACCESS_SERVER, AUTH_SERVER } = process.env;

const clients = [];
after(async () => {
  for (const client of clients) client.$close();
  await Promise.all([flow.stop(), access.stop()]);
});
const flow = await startServer({ after }, FLOW_SERVER);
const access = await startServer({ after }, ACCESS_SERVER);
const methods = (...names) => ({ config: { methods: Object.fromEntries(names) } });
const input = {};
const flowApp = {
  actors: {
    room: methods(
      ["keep", { input }], ["note", { input }], ["write", { input }], ["count", { input, stream: {} }],
      ["drip", { stream: {} }], ["work", { input, progress: {} }], ["hold", {}], ["hurry", {}],
    ),
  },
  connection: { query: { user: "user" } },
};

function open(app, options) {
  const client = createClient(app, { WebSocket, reconnectDelayMs: 20, onError: (error) => errors.push(error), ...options });
  clients.push(client);
  return client;
}

const errors = [];
const enter = (user) => open(flowApp, { url: flow.url, params: { user } });
const visit = (params) => createClient({ WebSocket, url: access.url, params, reconnectDelayMs: 20, onError: (error) => errors.push(error) });
let rooms = 0;
const newRoom = () => `web ${++rooms}`;

/** Resolves when a state, or what it is of, is as expected. */
function until(handle, isTrue) {
  return new Promise((resolve, reject) => {
    const end = handle.state.subscribe((state) => {
      if (isTrue(state)) {
        queueMicrotask(() => end());
        resolve(state);
      }
    }, reject);
  });
}

test("state, calls and typed failures", async () => {
  const client = enter("ada");
  const room = client.room(newRoom());
  await client.$ready;
  assert.match(client.clientId, /./);
  const seen = [];
  const end = room.state.subscribe((state) => seen.push(state.log));
  assert.equal(await room.write({ line: "one" }), undefined);
  await room.write({ line: "two" });
  await room.note({ user: "ada", text: "mine" });
  await room.note({ user: "bob", text: "hidden" });
  assert.deepEqual(seen.at(-1), ["one", "two"]);
  assert.deepEqual(room.state.getSnapshot().notes, { ada: "mine" });
  end();
  const { ok, error } = await room.write({ line: 5 }).settled();
  assert.equal(ok, false);
  assert.ok(isZocketError(error, room.write));
  assert.equal(error.code, "INVALID_ARGUMENT");
  assert.deepEqual(error.issues.map(({ path }) => path), [["line"]]);
  client.$close();
});

test("a stream, its chunks in order, and a loop that is left", async () => {
  const client = enter("ada");
  const room = client.room(newRoom());
  const read = [];
  for await (const n of room.count({ to: 500 })) read.push(n);
  assert.deepEqual(read, Array.from({ length: 500 }, (_, i) => i + 1));
  assert.equal((await until(room, ({ log }) => log.length === 2)).log[1], "counted");
  const drip = room.drip();
  let drops = 0;
  for await (const _ of drip) if (++drops === 3) break;
  assert.equal((await drip.settled()).error.code, "CANCELLED");
  await room.write({ line: "on" }); // the server has ended it as well
  client.$close();
});

test("progress, cancelling and deadlines", async () => {
  const client = enter("ada");
  const room = client.room(newRoom());
  const reports = [];
  assert.equal(await room.work({ steps: 5 }, { onProgress: (value) => reports.push(value) }), 5);
  assert.ok(reports.length > 0 && reports.every((value, i) => i === 0 || value > reports[i - 1]));
  await assert.rejects(room.hurry(), { code: "DEADLINE_EXCEEDED", maybeRan: false });
  const abort = new AbortController();
  const hold = room.hold(undefined, { signal: abort.signal });
  await client.room(newRoom()).write({ line: "meanwhile" });
  abort.abort();
  await assert.rejects(hold, { code: "CANCELLED", maybeRan: true });
  await room.write({ line: "free again" });
  // The server ends the call at the client's time, and says so.
  await assert.rejects(room.hold(undefined, { timeout: 30 }), { code: "DEADLINE_EXCEEDED" });
  await room.write({ line: "free again" });
  client.$close();
});

test("optimistic updates: nothing is shown twice, or goes", async () => {
  const [ada, bob] = [enter("ada"), enter("bob")];
  const id = newRoom();
  const shown = [];
  const room = ada.room(id);
  await until(room, () => true);
  room.state.subscribe(({ log }) => {
    assert.equal(new Set(log).size, log.length, `twice: ${log}`);
    for (const line of shown.at(-1) ?? []) assert.ok(log.includes(line) || line === "never", `${line} is gone: ${log}`);
    shown.push(log);
  });
  const write = (line) => room.write({ line }, { optimistic: (state) => ({ ...state, log: [...state.log, line] }) });
  const calls = [];
  for (let i = 0; i < 200; i++) {
    calls.push(write(`a${i}`));
    assert.ok(room.state.getSnapshot().log.includes(`a${i}`));
    if (i % 3 === 0) calls.push(bob.room(id).write({ line: `b${i}` }));
    if (i % 40 === 0) await calls.at(-1);
  }
  await Promise.all(calls);
  const { log } = await until(room, ({ log }) => log.length === 200 + 67);
  assert.deepEqual(room.state.getConfirmed().log, log);
  const failed = room.write({ line: 5 }, { optimistic: (state) => ({ ...state, log: [...state.log, "never"] }) });
  assert.equal(room.state.getSnapshot().log.at(-1), "never");
  await assert.rejects(failed, { code: "INVALID_ARGUMENT" });
  assert.equal(room.state.getSnapshot(), room.state.getConfirmed());
  ada.$close();
  bob.$close();
});

test("events of audiences", async () => {
  const [ada, bob] = [enter("ada"), enter("bob")];
  const id = newRoom();
  const heard = [];
  ada.room(id).on("hint", ({ text }) => heard.push(`ada ${text}`));
  bob.room(id).on("hint", ({ text }) => heard.push(`bob ${text}`));
  await Promise.all([ada.room(id).write({ line: "" }), bob.room(id).write({ line: "" })]);
  const [a, b] = [until(ada.room(id), (s) => s.keeper === "ada"), until(bob.room(id), (s) => s.keeper === "ada")];
  await ada.room(id).keep({ secret: "s" });
  assert.equal((await a).secret, "s");
  assert.equal((await b).secret, undefined);
  await bob.room(id).write({ line: "" });
  assert.deepEqual(heard, ["ada s"]);
  ada.$close();
  bob.$close();
});

test("refusals in band", async () => {
  const client = visit({ answer: "banned" });
  const told = [];
  client.room("r").state.subscribe(() => {}, (error) => told.push(error.reason));
  const expected = { code: "PERMISSION_DENIED", reason: "banned", details: { days: 3 } };
  await assert.rejects(client.$ready, expected);
  await assert.rejects(client.room("r").ping(), { ...expected, maybeRan: false });
  assert.equal(client.$status, "disconnected");
  assert.deepEqual(told, ["banned"]);
  client.$close();

  const invalid = visit({ answer: "nothing" });
  await assert.rejects(invalid.$ready, (error) => error.code === "INVALID_ARGUMENT" && error.issues[0].path[0] === "answer");
});

test("a server that is unavailable is asked again", async () => {
  const client = visit({ answer: "unavailable" });
  const statuses = [];
  client.on("status", (status) => statuses.push(status));
  await assert.rejects(client.room("r").ping(undefined, { timeout: 200 }), { code: "DEADLINE_EXCEEDED", maybeRan: false });
  assert.equal(client.connection.refusal.code, "UNAVAILABLE");
  assert.deepEqual(statuses, []);
  client.$close();
});

test("refused subscriptions, broadcasts, and clients that are sent away", async () => {
  const member = visit({ role: "member" });
  const guest = visit({});
  const denied = await new Promise((resolve) => guest.room("r").state.subscribe(() => {}, resolve));
  assert.equal(denied.reason, "membersOnly");
  assert.equal(guest.room("r").state.getStatus(), "refused");
  await assert.rejects(guest.room("r").write({ text: "x" }), { reason: "membersOnly", code: "PERMISSION_DENIED" });

  const news = [];
  member.on("news", (payload) => news.push(payload));
  await member.room("r").write({ text: "first" });
  await member.room("r").write({ text: "second" });
  await member.room("r").ping();
  assert.ok(news.length > 0);

  const other = visit({ role: "member" });
  await other.$ready;
  const gone = new Promise((resolve) => other.on("status", (status) => status === "disconnected" && resolve()));
  await member.room("r").kick({ clientId: other.clientId });
  await gone;
  assert.deepEqual([other.connection.refusal.code, other.connection.refusal.message], ["PERMISSION_DENIED", "out with you"]);

  const third = visit({ role: "member" });
  const expelled = new Promise((resolve) => third.room("r").state.subscribe(() => {}, resolve));
  await third.room("r").ping();
  await member.room("r").expel({ clientId: third.clientId });
  assert.equal((await expelled).message, "out with you");
  for (const client of [member, guest, other, third]) client.$close();
});

test("leaving ends the contact", async () => {
  const client = visit({ role: "member" });
  const room = client.room("left");
  const heard = [];
  room.on("written", ({ text }) => heard.push(text));
  await room.write({ text: "one" });
  room.meta.dispose();
  const other = visit({ role: "member" });
  await new Promise((resolve) => setTimeout(resolve, 5));
  await client.desk("d").waiting(); // what was sent before has arrived
  await other.room("left").write({ text: "two" });
  await client.desk("d").waiting();
  assert.deepEqual(heard, ["one"]);
  client.$close();
  other.$close();
});

test("a server that comes back finds all subscriptions and the calls that wait", async (t) => {
  let server = await startServer(t, COUNTER_SERVER);
  const { port } = new URL(server.url);
  const client = open({ actors: { counter: methods(["inc", { input }], ["reset", {}]) } }, { url: server.url });
  const counter = client.counter("a");
  const seen = [];
  counter.state.subscribe(({ n }) => seen.push(n));
  assert.equal(await counter.inc({ by: 3 }), 3);
  const statuses = [];
  const lost = new Promise((resolve) => client.on("status", (status) => (statuses.push(status), resolve())));
  await server.stop();
  await lost;
  const waits = counter.inc({ by: 4 });
  assert.deepEqual(seen, [0, 3]);
  assert.equal(counter.state.getStatus(), "stale");
  server = await startServer(t, COUNTER_SERVER, ["--listen", `127.0.0.1:${port}`]);
  assert.equal(await waits, 4);
  assert.deepEqual(statuses, ["reconnecting", "connected"]);
  assert.deepEqual(seen, [0, 3, 0, 4]);
  client.$close();
  await server.stop();
});

test("tokens", { skip: !AUTH_SERVER }, async (t) => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "auth-"));
  t.after(() => fs.rmSync(folder, { recursive: true }));
  const key = randomBytes(32);
  process.env.AUTH_KEY_FILE = path.join(folder, "key");
  fs.writeFileSync(process.env.AUTH_KEY_FILE, key);
  const server = await startServer(t, AUTH_SERVER);
  const sign = (user, validMs = 3600_000) => {
    const content = `${user}.member.${Date.now() + validMs}`;
    return `${content}.${createHmac("sha256", key).update(content).digest("hex").toUpperCase()}`;
  };
  const asked = [];
  const client = open({ actors: { hall: methods(["enter", { input }], ["say", { input }]) } }, {
    url: server.url,
    token: async ({ again }) => (asked.push(again), sign("bob", again ? undefined : -1)),
  });
  await client.hall("main").enter({ room: "a" }); // waits for the second token
  assert.deepEqual(asked, [false, true]);
  await client.hall("main").say({ room: "a", text: "hi" });

  const bad = open({ actors: {} }, { url: server.url, token: "nonsense, with blanks" });
  await assert.rejects(bad.$ready, { code: "UNAUTHENTICATED", reason: "badToken" });
  const none = open({ actors: {} }, { url: server.url });
  await assert.rejects(none.$ready, { reason: "noToken" });
  for (const other of [client, bad, none]) other.$close();
  await server.stop();
});

test("nothing was reported", () => {
  assert.deepEqual(errors, []);
});
