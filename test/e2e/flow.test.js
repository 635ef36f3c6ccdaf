// Timers, streams, progress, cancelling, calls between instances and hidden
// fields, spoken to by hand, and with a reader that is like the client of
// TypeScript Zocket. FLOW_SERVER names the program.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { Peer, startServer } from "./peer.js";
import { PlainReader } from "./plain_reader.js";

after(() => server.stop());
const server = await startServer({ after }, process.env.FLOW_SERVER);

let rooms = 0;
const newRoom = () => `room ${++rooms}`;
const enter = (user) => Peer.open(`${server.url}/?user=${user}`);
const read = (user) => PlainReader.open(`${server.url}/?user=${user}`);

/** The messages about the call @id, up to its result. */
async function follow(peer, id) {
  const own = [];
  while (own.at(-1)?.type !== "rpc:result") {
    const message = await peer.next();
    if (message.id === id) own.push(message);
  }
  return own;
}

test("a stream: chunks in order, then the result, between two commits", async () => {
  const room = newRoom();
  const peer = await enter("ada");
  const reader = await read("bob");
  await reader.subscribe("room", room);
  const messages = await follow(peer, peer.begin("room", room, "count", { to: 1000 }));
  assert.deepEqual(messages.slice(0, -1), Array.from({ length: 1000 }, (_, i) => ({
    type: "rpc:chunk",
    id: messages[0].id,
    chunk: i + 1,
  })));
  assert.deepEqual(messages.at(-1), { type: "rpc:result", id: messages[0].id });
  await reader.until(() => reader.state("room", room).log.length === 2);
  assert.deepEqual(reader.state("room", room).log, ["counting", "counted"]);
  await Promise.all([peer.close(), reader.close()]);
});

test("others call while a stream is open, until it is cancelled", async () => {
  const room = newRoom();
  const peer = await enter("ada");
  const other = await enter("bob");
  const id = peer.begin("room", room, "drip");
  for (let i = 0; i < 10; i++) {
    const chunk = await peer.next();
    assert.deepEqual([chunk.type, chunk.id], ["rpc:chunk", id]);
    assert.equal((await other.call("room", room, "write", { line: `${i}` })).error, undefined);
  }
  peer.send({ type: "rpc:cancel", id });
  const last = (await follow(peer, id)).at(-1);
  assert.deepEqual([last.code, typeof last.error], ["CANCELLED", "string"]);
  await Promise.all([peer.close(), other.close()]);
});

test("progress goes to the caller alone, grows, and ends before the result", async () => {
  const room = newRoom();
  const peer = await enter("ada");
  const other = await enter("bob");
  await other.subscribe("room", room);
  const messages = await follow(peer, peer.begin("room", room, "work", { steps: 20 }));
  const reports = messages.slice(0, -1);
  assert.ok(reports.length >= 1);
  assert.ok(reports.every(({ type }) => type === "rpc:progress"));
  assert.ok(reports.every(({ progress }, i) => i === 0 || progress > reports[i - 1].progress));
  assert.equal(messages.at(-1).result, 20);
  const heard = await other.drain("room", room, "write", { line: "x" });
  assert.ok(heard.every(({ type }) => type === "state:patch"));
  await Promise.all([peer.close(), other.close()]);
});

test("a call ends when it is cancelled, or its time is over", async () => {
  const room = newRoom();
  const peer = await enter("ada");
  const first = peer.begin("room", room, "hold");
  const second = peer.begin("room", room, "hold"); // waits in the mailbox
  peer.send({ type: "rpc:cancel", id: second });
  peer.send({ type: "rpc:cancel", id: "nobody's" });
  assert.equal((await follow(peer, second))[0].code, "CANCELLED");
  peer.send({ type: "rpc:cancel", id: first });
  peer.send({ type: "rpc:cancel", id: first });
  assert.equal((await follow(peer, first))[0].code, "CANCELLED");
  const hurried = peer.begin("room", room, "hurry");
  assert.equal((await follow(peer, hurried))[0].code, "DEADLINE_EXCEEDED");
  peer.send({ type: "rpc", id: "t", actor: "room", actorId: room, method: "hold", timeoutMs: 20 });
  assert.equal((await follow(peer, "t"))[0].code, "DEADLINE_EXCEEDED");
  assert.deepEqual(await peer.drain("room", room, "write", { line: "x" }), []);
  await peer.close();
});

test("instances tell and ask each other, and themselves", async () => {
  const [one, two] = [newRoom(), newRoom()];
  const peer = await enter("ada");
  for (const room of [one, two]) {
    await peer.call("room", room, "tell", { room: two, line: `told by ${room}` });
  }
  assert.equal((await peer.call("room", one, "ask", { room: two, line: "a" })).result, 3);
  assert.equal((await peer.call("room", one, "ask", { room: one, line: "b" })).result, 1);
  const state = await peer.subscribe("room", two);
  assert.deepEqual(state.log, [`told by ${one}`, `told by ${two}`, "a"]);
  await peer.close();
});

test("a timer runs while somebody is there", async () => {
  const room = newRoom();
  const reader = await read("ada");
  await reader.subscribe("room", room);
  await reader.until(() => reader.state("room", room).ticks >= 3);
  await reader.close();
});

test("hidden fields reach those who may see them, and nobody else", async () => {
  const room = newRoom();
  const [ada, bob] = [await read("ada"), await read("bob")];
  await Promise.all([ada, bob].map((reader) => reader.subscribe("room", room)));
  await ada.call("room", room, "keep", { secret: "pear" });
  await bob.call("room", room, "note", { user: "bob", text: "for bob" });
  assert.equal(ada.state("room", room).secret, "pear");
  assert.deepEqual(ada.events.map(({ payload }) => payload.text), ["pear"]);
  assert.deepEqual(ada.state("room", room).notes, {});
  assert.equal(bob.state("room", room).secret, undefined);
  assert.deepEqual(bob.state("room", room).notes, { bob: "for bob" });
  await bob.call("room", room, "keep", { secret: "plum" });
  await ada.until(() => ada.state("room", room).keeper === "bob");
  assert.equal(ada.state("room", room).secret, undefined);
  assert.equal(bob.state("room", room).secret, "plum");
  assert.deepEqual([ada, bob].map(({ events }) => events.length), [1, 1]);
  const late = await enter("bob");
  assert.deepEqual({ ...(await late.subscribe("room", room)), ticks: 0 }, {
    keeper: "bob",
    secret: "plum",
    notes: { bob: "for bob" },
    ticks: 0,
    log: [],
  });
  await Promise.all([ada.close(), bob.close(), late.close()]);
});

test("a plain client of Zocket takes all of it", async () => {
  const room = newRoom();
  const reader = await read("ada");
  await reader.subscribe("room", room);
  const [counted, worked, asked] = await Promise.all([
    reader.call("room", room, "count", { to: 100 }),
    reader.call("room", room, "work", { steps: 5 }),
    reader.call("room", room, "ask", { room, line: "asked" }),
  ]);
  assert.deepEqual([counted, worked, typeof asked], [undefined, 5, "number"]);
  await assert.rejects(reader.call("room", room, "hurry"), Error);
  await reader.call("room", room, "keep", { secret: "quince" });
  const held = reader.call("room", room, "hold");
  assert.deepEqual([...reader.ignored].sort(), ["rpc:chunk", "rpc:progress"]);
  const late = await enter("ada");
  const fresh = await late.subscribe("room", room);
  assert.deepEqual({ ...reader.state("room", room), ticks: 0 }, { ...fresh, ticks: 0 });
  await late.close();
  held.catch(() => {}); // ends with the server
  await reader.close();
});
