// States and events of instances, in a world without time and chance:
// subscribing, resubscribing, snapshots and patches, refusals, leaving.
import assert from "node:assert/strict";
import { test } from "node:test";
import { World, settle } from "./fake.js";

const { createClient } = await import(process.env.CLIENT);

async function connected(t, more) {
  const world = new World(t);
  const client = createClient(world.options(more));
  world.connect();
  return [world, client, world.socket];
}

const at = (actorId, actor = "chat") => ({ actor, actorId });
const snapshot = (actorId, state, more) => ({ type: "state:snapshot", ...at(actorId), state, ...more });
const patch = (actorId, ...patches) => ({ type: "state:patch", ...at(actorId), patches });
const replace = (path, value) => ({ op: "replace", path, value });
const types = (socket) => socket.take().map(({ type }) => type);

test("a snapshot, then patches", async (t) => {
  const [, client, socket] = await connected(t);
  const room = client.chat("a");
  const seen = [];
  assert.equal(room.state.getSnapshot(), undefined);
  assert.equal(room.state.getStatus(), "waiting");
  const end = room.state.subscribe((state) => seen.push(state));
  await settle();
  assert.deepEqual(socket.take(), [{ type: "state:sub", ...at("a") }]);
  socket.say(patch("a", replace("/n", 9))); // before the snapshot: of the past
  socket.say(snapshot("a", { n: 1, list: [] }));
  assert.equal(room.state.getStatus(), "live");
  socket.say(patch("a", replace("/n", 2)));
  socket.say(patch("a", { op: "add", path: "/list/0", value: 5 }));
  assert.deepEqual(seen, [{ n: 1, list: [] }, { n: 2, list: [] }, { n: 2, list: [5] }]);
  assert.equal(seen[0].list, seen[1].list);
  assert.equal(room.state.getSnapshot(), seen[2]);
  assert.equal(room.state.getConfirmed(), seen[2]);
  // Another listener is told at once.
  room.state.subscribe((state) => seen.push(["second", state]));
  assert.deepEqual(seen[3], ["second", seen[2]]);
  end();
  end();
  socket.say(patch("a", replace("/n", 3)));
  assert.equal(seen.length, 5);
  await settle();
  assert.deepEqual(socket.take(), []);
});

test("the last listener that goes ends the subscription, and the state is forgotten", async (t) => {
  const [, client, socket] = await connected(t);
  const room = client.chat("a");
  const end = room.state.subscribe(() => {});
  await settle();
  socket.say(snapshot("a", { n: 1 }));
  end();
  await settle();
  assert.deepEqual(types(socket), ["state:sub", "state:unsub"]);
  assert.equal(room.state.getSnapshot(), undefined);
  socket.say(patch("a", replace("/n", 2))); // under way meanwhile
  socket.say(snapshot("a", { n: 2 }));
  assert.equal(room.state.getSnapshot(), undefined);
  const seen = [];
  room.state.subscribe((state) => seen.push(state));
  assert.deepEqual(seen, []); // an old state would be a lie
  await settle();
  assert.deepEqual(types(socket), ["state:sub"]);
});

test("what ends and begins in the same moment is not sent", async (t) => {
  const [, client, socket] = await connected(t);
  const room = client.chat("a");
  room.state.subscribe(() => {})();
  room.on("x", () => {})();
  await settle();
  assert.deepEqual(socket.take(), []);
  const seen = [];
  const end = room.state.subscribe(() => {});
  await settle();
  socket.say(snapshot("a", { n: 1 }));
  end();
  room.state.subscribe((state) => seen.push(state)); // as a component that mounts twice
  await settle();
  assert.deepEqual(types(socket), ["state:sub"]);
  assert.deepEqual(seen, [{ n: 1 }]);
});

test("events reach those who listen", async (t) => {
  const [world, client, socket] = await connected(t);
  const room = client.chat("a");
  const seen = [];
  const end = room.on("said", (payload) => seen.push(payload));
  room.on("said", (payload) => seen.push(payload));
  room.on("cleared", (payload) => seen.push(payload));
  room.on("constructor", (payload) => seen.push(payload));
  await settle();
  assert.deepEqual(types(socket), ["event:sub"]);
  socket.say({ type: "sub:ok", ...at("a"), of: "events" });
  socket.say({ type: "event", ...at("a"), event: "said", payload: 1 });
  end();
  socket.say({ type: "event", ...at("a"), event: "said", payload: 2 });
  socket.say({ type: "event", ...at("a"), event: "cleared" });
  socket.say({ type: "event", ...at("a"), event: "constructor", payload: 3 });
  socket.say({ type: "event", ...at("a"), event: "toString", payload: 4 });
  socket.say({ type: "event", ...at("b"), event: "said", payload: 5 });
  assert.deepEqual(seen, [1, 1, 2, undefined, 3]);
  assert.deepEqual(world.errors, []);
});

test("listeners are isolated, may be added twice, and may end each other", async (t) => {
  const [world, client, socket] = await connected(t);
  const room = client.chat("a");
  const seen = [];
  const twice = (value) => seen.push(value);
  room.on("x", () => {
    throw new Error("mine");
  });
  room.on("x", () => other());
  const other = room.on("x", () => seen.push("never"));
  room.on("x", twice);
  const end = room.on("x", twice);
  socket.say({ type: "event", ...at("a"), event: "x", payload: 1 });
  end();
  socket.say({ type: "event", ...at("a"), event: "x", payload: 2 });
  assert.deepEqual(seen, [1, 1, 2]);
  assert.deepEqual(world.errors.map(({ message }) => message), ["mine", "mine"]);
  const states = [];
  room.state.subscribe(() => {
    throw new Error("state");
  });
  room.state.subscribe((state) => states.push(state));
  await settle();
  socket.say(snapshot("a", { n: 1 }));
  assert.deepEqual(states, [{ n: 1 }]);
});

test("a report that fails harms nobody", async (t) => {
  const [, client, socket] = await connected(t, {
    onError: () => {
      throw new Error("report");
    },
  });
  const seen = [];
  client.chat("a").on("x", () => {
    throw new Error("mine");
  });
  client.chat("a").on("x", () => seen.push(1));
  assert.throws(() => socket.say({ type: "event", ...at("a"), event: "x" }), { message: "report" });
  socket.result("rpc_1", 1);
});

test("a listener that causes another state is told it once, as all others are", async (t) => {
  const [, client, socket] = await connected(t);
  const room = client.chat("a");
  const seen = [[], []];
  room.state.subscribe((state) => {
    seen[0].push(state.n);
    if (state.n === 1) socket.say(patch("a", replace("/n", 2)));
  });
  room.state.subscribe((state) => seen[1].push(state.n));
  await settle();
  socket.say(snapshot("a", { n: 1 }));
  assert.deepEqual(seen, [[1, 2], [2]]);
});

test("a new connection asks again for all, in front of the calls, in order", async (t) => {
  const [world, client, socket] = await connected(t);
  const [a, b] = [client.chat("a"), client.chat("b")];
  const seen = [];
  b.state.subscribe((state) => seen.push(state));
  a.on("x", () => {});
  a.state.subscribe(() => {});
  client.on("news", () => {});
  await settle();
  socket.say(snapshot("b", { n: 1, list: [] }));
  socket.drop();
  assert.equal(b.state.getStatus(), "stale");
  assert.deepEqual(b.state.getSnapshot(), { n: 1, list: [] });
  a.say(1);
  const end = client.chat("c").state.subscribe(() => {});
  end(); // never sent
  client.chat("d").on("x", () => {});
  await world.advance(250);
  world.connect();
  await settle();
  const sent = world.socket.take().map(({ type, actorId }) => `${type} ${actorId ?? ""}`.trim());
  assert.deepEqual(sent, ["event:sub a", "state:sub a", "state:sub b", "broadcast:sub", "rpc a", "event:sub d"]);
  world.socket.say(snapshot("b", { n: 2, list: [] }));
  assert.equal(b.state.getStatus(), "live");
  assert.deepEqual(seen.map(({ n }) => n), [1, 2]);
});

test("a patch that does not fit asks for a snapshot, and what was known stays", async (t) => {
  const [world, client, socket] = await connected(t);
  const room = client.chat("a");
  const seen = [];
  room.state.subscribe((state) => seen.push(state.n));
  await settle();
  socket.say(snapshot("a", { n: 1 }));
  socket.take();
  socket.say(patch("a", replace("/n", 2), replace("/nowhere", 1)));
  assert.equal(room.state.getStatus(), "stale");
  socket.say(patch("a", replace("/n", 3))); // to a state that nobody has
  await world.advance(0);
  assert.deepEqual(types(socket), ["state:sub"]);
  assert.deepEqual(seen, [1]);
  socket.say(snapshot("a", { n: 3 }));
  socket.say(patch("a", replace("/n", 4)));
  assert.deepEqual(seen, [1, 3, 4]);
  assert.deepEqual(world.errors, []);
});

test("a server whose patches never fit is asked at a bounded rate", async (t) => {
  const [world, client, socket] = await connected(t);
  client.chat("a").state.subscribe(() => {});
  await settle();
  let asked = 0;
  for (let i = 0; i < 1000; i++) {
    for (const _ of socket.take()) {
      asked++;
      socket.say(snapshot("a", { n: 1 }));
      socket.say(patch("a", replace("/nowhere", 1)));
    }
    await world.advance(10);
  }
  assert.ok(asked > 3 && asked < 12, `${asked} times in 10 s`);
});

test("a slow reader's snapshot takes the place of patches", async (t) => {
  const [, client, socket] = await connected(t);
  const seen = [];
  client.chat("a").state.subscribe((state) => seen.push(state.n));
  await settle();
  socket.say(snapshot("a", { n: 1 }));
  socket.say(snapshot("a", { n: 5 }));
  socket.say(patch("a", replace("/n", 6)));
  assert.deepEqual(seen, [1, 5, 6]);
});

test("a refusal reaches those who asked for it, and others through onError", async (t) => {
  const [world, client, socket] = await connected(t);
  const room = client.chat("a");
  const told = [];
  room.state.subscribe(() => {}, (error) => told.push(["state", error.reason]));
  room.on("x", () => {}, (error) => told.push(["event", error.reason]));
  await settle();
  socket.take();
  const refusal = { type: "sub:error", ...at("a"), error: "Members only.", code: "PERMISSION_DENIED", reason: "membersOnly" };
  socket.say({ ...refusal, of: "state" });
  assert.deepEqual(told.splice(0), [["state", "membersOnly"]]);
  assert.equal(room.state.getStatus(), "refused");
  socket.say({ ...refusal, of: "events" });
  assert.deepEqual(told.splice(0), [["event", "membersOnly"]]);
  assert.deepEqual(world.errors, []);
  await world.advance(100_000);
  assert.deepEqual(socket.take(), []); // it is not asked for again
  room.state.subscribe(() => {}); // but for another listener
  await settle();
  assert.deepEqual(types(socket), ["state:sub"]);

  client.chat("b").state.subscribe(() => {});
  client.chat("b").on("x", () => {});
  await settle();
  socket.say({ ...refusal, ...at("b") }); // a plain server does not say of which
  assert.deepEqual(world.errors.map(({ reason }) => reason), ["membersOnly"]);
});

test("a new connection asks again for what was refused", async (t) => {
  const [world, client, socket] = await connected(t);
  client.chat("a").state.subscribe(() => {}, () => {});
  await settle();
  socket.say({ type: "sub:error", ...at("a"), error: "no", code: "PERMISSION_DENIED", of: "state" });
  socket.drop();
  await world.advance(250);
  world.connect();
  assert.deepEqual(types(world.socket), ["state:sub"]);
});

test("an instance that has ended is asked for at once, then with growing delays", async (t) => {
  const [world, client, socket] = await connected(t);
  const room = client.chat("a");
  room.state.subscribe(() => {});
  await settle();
  socket.say(snapshot("a", { n: 1 }));
  socket.take();
  const end = { type: "sub:error", ...at("a"), error: "gone", code: "UNAVAILABLE", of: "state" };
  const delay = async () => {
    const before = world.clock.now;
    while (socket.sent.length === 0) await world.advance(1);
    assert.deepEqual(types(socket), ["state:sub"]);
    return world.clock.now - before;
  };
  socket.say(end);
  assert.equal(room.state.getSnapshot().n, 1); // until there is another
  await world.advance(0);
  assert.deepEqual(types(socket), ["state:sub"]);
  const seen = [];
  for (let i = 0; i < 5; i++) {
    socket.say(end);
    seen.push(await delay());
  }
  assert.deepEqual(seen, [250, 500, 1000, 2000, 2000]);
  socket.say({ ...end, retryAfterMs: 5000 });
  assert.equal(await delay(), 7000);
  socket.say(snapshot("a", { n: 2 }));
  await world.advance(5000);
  socket.say(end);
  await world.advance(0);
  assert.deepEqual(types(socket), ["state:sub"]); // it was stable
  assert.deepEqual(world.errors, []);
});

test("an event that arrives shows that the subscription is accepted", async (t) => {
  const [world, client, socket] = await connected(t);
  client.chat("a").on("x", () => {});
  await settle();
  socket.say({ type: "event", ...at("a"), event: "x" });
  socket.take();
  socket.say({ type: "sub:error", ...at("a"), error: "gone", code: "UNAVAILABLE", of: "events" });
  await world.advance(0);
  assert.deepEqual(types(socket), ["event:sub"]);
});

test("broadcasts", async (t) => {
  const [world, client, socket] = await connected(t);
  const seen = [];
  const end = client.on("news", (payload) => seen.push(payload));
  const other = client.on("weather", (payload) => seen.push(payload));
  await settle();
  assert.deepEqual(types(socket), ["broadcast:sub"]);
  socket.say({ type: "broadcast", event: "news", payload: 1 });
  socket.say({ type: "broadcast", event: "weather" });
  socket.say({ type: "broadcast", event: "status", payload: "connected" });
  end();
  socket.say({ type: "broadcast", event: "news", payload: 2 });
  assert.deepEqual(seen, [1, undefined]);
  other();
  await settle();
  assert.deepEqual(types(socket), ["broadcast:unsub"]);
  client.on("news", () => {})();
  await settle();
  assert.deepEqual(types(socket), []);
  client.on("news", () => {});
  await settle();
  socket.drop();
  await world.advance(250);
  world.connect();
  await settle();
  assert.deepEqual(types(world.socket), ["broadcast:sub"]);
});

// ---- users ----

test("the last user who disposes leaves, in a tick", async (t) => {
  const [world, client, socket] = await connected(t);
  const room = client.chat("a");
  client.chat("a");
  const seen = [];
  room.state.subscribe((state) => seen.push(state));
  room.on("x", (value) => seen.push(value));
  await settle();
  socket.say(snapshot("a", { n: 1 }));
  socket.take();
  room.meta.dispose();
  await world.advance(10);
  assert.deepEqual(types(socket), []); // there is another user
  room.meta.dispose();
  assert.equal(client.chat("a"), room); // within the tick: as if nothing had been
  await world.advance(10);
  assert.deepEqual(types(socket), []);
  room.meta.dispose();
  await world.advance(10);
  assert.deepEqual(socket.take(), [{ type: "leave", ...at("a") }]);
  socket.say(patch("a", replace("/n", 2)));
  socket.say({ type: "event", ...at("a"), event: "x", payload: 1 });
  assert.equal(seen.length, 1);
  assert.equal(room.state.getSnapshot(), undefined);
});

test("disposing too often does no harm", async (t) => {
  const [world, client, socket] = await connected(t);
  const room = client.chat("a");
  room.on("x", () => {});
  await settle();
  room.meta.dispose();
  room.meta.dispose();
  room.$dispose();
  await world.advance(10);
  assert.deepEqual(types(socket), ["event:sub", "leave"]);
  const again = client.chat("a");
  again.on("x", () => {});
  again.meta.dispose();
  await world.advance(10);
  assert.deepEqual(types(socket).at(-1), "leave");
});

test("a handle works on after it was disposed", async (t) => {
  const [world, client, socket] = await connected(t);
  const room = client.chat("a");
  room.say(1);
  socket.result("rpc_1");
  room.meta.dispose();
  await world.advance(10);
  assert.deepEqual(types(socket), ["rpc", "leave"]);
  const seen = [];
  const end = room.on("x", (value) => seen.push(value));
  await settle();
  socket.say({ type: "event", ...at("a"), event: "x", payload: 1 });
  assert.deepEqual(seen, [1]);
  assert.equal(client.chat("a"), room);
  room.meta.dispose();
  end();
  await world.advance(10);
  assert.deepEqual(types(socket), ["event:sub", "event:unsub", "leave"]);
});

test("calls under way keep the contact", async (t) => {
  const [world, client, socket] = await connected(t);
  const room = client.chat("a");
  const call = room.say(1);
  room.meta.dispose();
  await world.advance(10);
  assert.deepEqual(types(socket), ["rpc"]);
  socket.result("rpc_1", 1);
  await call;
  await world.advance(10);
  assert.deepEqual(types(socket), ["leave"]);
});

test("a handle that is not counted is kept by its listeners and calls", async (t) => {
  const [world, client, socket] = await connected(t);
  const room = client.$handle("chat", "a");
  await world.advance(10);
  assert.deepEqual(types(socket), []);
  const end = room.state.subscribe(() => {});
  await world.advance(10);
  end();
  await world.advance(10);
  assert.deepEqual(types(socket), ["state:sub", "state:unsub", "leave"]);
  room.say(1);
  socket.result("rpc_1");
  await world.advance(10);
  assert.deepEqual(types(socket), ["rpc", "leave"]);
  room.meta.retain();
  room.say(1);
  socket.result("rpc_2");
  await world.advance(10);
  assert.deepEqual(types(socket), ["rpc"]);
  room.meta.dispose();
  await world.advance(10);
  assert.deepEqual(types(socket), ["leave"]);
});

test("only a server that knows of the instance, and of leaving, is told", async (t) => {
  const [world, client, socket] = await connected(t);
  client.chat("a").meta.dispose(); // never used
  await world.advance(10);
  assert.deepEqual(types(socket), []);
  const room = client.chat("b");
  room.say(1);
  socket.result("rpc_1");
  socket.drop();
  await world.advance(250);
  world.connect();
  room.meta.dispose(); // this connection has nothing of it
  await world.advance(10);
  assert.deepEqual(types(world.socket), []);
  world.socket.drop();
  await world.advance(1000);
  world.socket.accept("zocket"); // no level
  const other = client.chat("c");
  other.state.subscribe(() => {});
  other.on("x", () => {});
  await settle();
  other.meta.dispose();
  await world.advance(10);
  assert.deepEqual(types(world.socket), ["state:sub", "event:sub", "event:unsub", "state:unsub"]);
});

test("handles that nobody has are forgotten", { skip: typeof gc === "undefined" && "without --expose-gc" }, async (t) => {
  const [world, client] = await connected(t);
  const kept = client.$handle("chat", "kept");
  let collected = 0;
  const registry = new FinalizationRegistry(() => collected++);
  (() => {
    for (let i = 0; i < 1000; i++) registry.register(client.$handle("chat", `${i}`), i);
  })();
  for (let i = 0; i < 10 && collected < 900; i++) {
    await settle();
    gc();
    await world.advance(1);
  }
  assert.ok(collected >= 900, `${collected}`);
  assert.equal(client.$handle("chat", "kept"), kept);
});

test("in development states are frozen", async (t) => {
  const [, client, socket] = await connected(t);
  const room = client.chat("a");
  room.state.subscribe(() => {});
  await settle();
  socket.say(snapshot("a", { list: [{ n: 1 }] }));
  const isFrozen = Object.isFrozen(room.state.getSnapshot().list[0]);
  assert.equal(isFrozen, process.env.CLIENT.endsWith("development.js"));
});

test("hostile keys in messages are data", async (t) => {
  const [, client, socket] = await connected(t);
  const room = client.chat("a");
  room.state.subscribe(() => {});
  await settle();
  socket.say('{"type":"state:snapshot","actor":"chat","actorId":"a","state":{"map":{"__proto__":{"x":1},"":1}}}');
  socket.say('{"type":"state:patch","actor":"chat","actorId":"a","patches":[{"op":"add","path":"/map/__proto__/y","value":2},{"op":"add","path":"/map/constructor","value":3}]}');
  assert.equal(JSON.stringify(room.state.getSnapshot()), '{"map":{"__proto__":{"x":1,"y":2},"":1,"constructor":3}}');
  assert.equal({}.y, undefined);
  assert.equal(room.state.getSnapshot().map.y, undefined);
});
