// The chat server of examples/chat, spoken to by hand: connections with a user,
// errors of the schema, and a rate. CHAT_EXAMPLE names the program.
import assert from "node:assert/strict";
import { once } from "node:events";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import WebSocket from "ws";
import { Peer, applyPlain, startServer } from "./peer.js";

let rooms = 0;
const newRoom = () => `room ${++rooms}`;

after(() => server.stop());
const server = await startServer({ after }, process.env.CHAT_EXAMPLE);

const enter = (user) => Peer.open(`${server.url}/?user=${user}`);

async function member(room, user) {
  const peer = await enter(user);
  const { result } = await peer.call("chat", room, "join");
  assert.equal(typeof result.joinedAt, "number");
  return peer;
}

/** Follows the state of a room; `until` resolves with it when @holds is true. */
async function follow(room, user) {
  const peer = await enter(user);
  let state = await peer.subscribe("chat", room);
  return {
    peer,
    async until(holds) {
      while (!holds(state)) {
        const { type, patches } = await peer.next();
        if (type === "state:patch") state = applyPlain(state, patches);
      }
      return state;
    },
  };
}

test("a connection without a user is refused, as HTTP", async () => {
  for (const [query, code] of [
    ["", "invalid_type"],
    ["?user=", "too_small"],
    ["?user=" + "a".repeat(33), "too_big"],
  ]) {
    const socket = new WebSocket(`${server.url}/${query}`);
    const [, response] = await once(socket, "unexpected-response");
    let body = "";
    for await (const chunk of response) body += chunk;
    const { error, code: status, issues } = JSON.parse(body);
    assert.equal(response.statusCode, 400);
    assert.equal(error, "Invalid connection parameters");
    assert.equal(status, "INVALID_ARGUMENT");
    assert.deepEqual(issues.map((issue) => [issue.code, issue.path]), [[code, ["user"]]]);
  }
});

test("a connection without a user is refused, in band", async () => {
  const socket = new WebSocket(server.url, ["zocket.rfc6902"]);
  const [data] = await once(socket, "message");
  const { type, code } = JSON.parse(data.toString());
  assert.deepEqual([type, code], ["error", "INVALID_ARGUMENT"]);
  const [closed] = await once(socket, "close");
  assert.equal(closed, 4400);
});

test("somebody who has not joined is told so by an error of the schema", async () => {
  const room = newRoom();
  const peer = await enter("ada");
  for (const [method, input] of [
    ["say", { text: "x" }],
    ["whisper", { to: "bob", text: "x" }],
    ["setTopic", { topic: "x" }],
  ]) {
    const { error, code, reason, result } = await peer.call("chat", room, method, input);
    assert.deepEqual(
      [error, code, reason, result],
      ["Join the room first.", "FAILED_PRECONDITION", "notJoined", undefined],
    );
  }
  await peer.call("chat", room, "join");
  const { result } = await peer.call("chat", room, "say", { text: " hi " });
  assert.deepEqual([result.from, result.text], ["ada", "hi"]);
  await peer.close();
});

test("a member is a user with any number of connections", async () => {
  const room = newRoom();
  const watcher = await follow(room, "watcher");
  const first = await member(room, "ada");
  const second = await member(room, "ada");
  const { members } = await watcher.until((state) => state.members.ada?.connections === 2);
  assert.deepEqual(Object.keys(members), ["ada"]);
  await first.close();
  await watcher.until((state) => state.members.ada?.connections === 1);
  assert.equal((await second.call("chat", room, "say", { text: "x" })).error, undefined);
  await second.close();
  const { online } = await watcher.until((state) => state.members.ada === undefined);
  assert.equal(online, 1);
  await watcher.peer.close();
});

test("a whisper reaches all connections of its user, and no others", async () => {
  const room = newRoom();
  const peers = [];
  for (const user of ["ada", "bob", "bob", "eve"]) {
    const peer = await member(room, user);
    peer.send({ type: "event:sub", actor: "chat", actorId: room });
    await peer.drain("chat", room, "history");
    peers.push(peer);
  }
  const { error } = await peers[0].call("chat", room, "whisper", { to: "bob", text: "psst" });
  assert.equal(error, undefined);
  const heard = [];
  for (const peer of peers) {
    const events = await peer.drain("chat", room, "history");
    heard.push(events.filter(({ event }) => event === "whispered").map((e) => e.payload));
  }
  const whispered = [{ from: "ada", text: "psst" }];
  assert.deepEqual(heard, [[], whispered, whispered, []]);
  const absent = await peers[0].call("chat", room, "whisper", { to: "zoe", text: "psst" });
  assert.equal(absent.error, "zoe is not here");
  assert.equal(absent.code, "NOT_FOUND");
  assert.equal(absent.reason, "notHere");
  assert.deepEqual(absent.details, { user: "zoe" });
  await Promise.all(peers.map((peer) => peer.close()));
});

test("a full room says how many it takes", async () => {
  const room = newRoom();
  const peers = await Promise.all(
    Array.from({ length: 100 }, (_, i) => member(room, `user${i}`)),
  );
  const late = await enter("late");
  const { error, code, reason, details } = await late.call("chat", room, "join");
  assert.deepEqual(
    { error, code, reason, details },
    {
      error: "The room is full.",
      code: "RESOURCE_EXHAUSTED",
      reason: "roomFull",
      details: { capacity: 100 },
    },
  );
  await peers[0].call("chat", room, "leave");
  assert.equal((await late.call("chat", room, "join")).error, undefined);
  await Promise.all([late, ...peers].map((peer) => peer.close()));
});

test("somebody who talks too fast is told when to go on", async () => {
  const room = newRoom();
  const ada = await member(room, "ada2");
  const bob = await member(room, "bob2");
  const say = (peer) => peer.call("chat", room, "say", { text: "x" });
  const count = 500; // more than a slow machine can take at 5 a second
  for (let i = 0; i < count; i++) ada.begin("chat", room, "say", { text: "x" });
  const refused = [];
  for (let i = 0; i < count; i++) {
    const message = await ada.next();
    if (message.error !== undefined) refused.push(message);
  }
  assert.ok(refused.length > 0 && refused.length <= count - 10);
  for (const { error, code, retryAfterMs } of refused) {
    assert.equal(error, "Rate limit exceeded");
    assert.equal(code, "RESOURCE_EXHAUSTED");
    assert.ok(retryAfterMs > 0 && retryAfterMs <= 200);
  }
  assert.equal((await say(bob)).error, undefined);
  await sleep(250); // one more call is due every 200 ms
  assert.equal((await say(ada)).error, undefined);
  await Promise.all([ada, bob].map((peer) => peer.close()));
});

test("a page of the program, and 404 for others", async () => {
  const url = server.url.replace("ws:", "http:");
  const version = await fetch(`${url}/version`);
  assert.equal(version.status, 200);
  assert.equal(version.headers.get("content-type"), "text/plain");
  assert.equal(await version.text(), "1.4.2\n");
  const other = await fetch(`${url}/other`, { method: "POST", body: "x" });
  assert.equal(other.status, 404);
});
