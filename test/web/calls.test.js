// Calls of a client, in a world without time and chance: order, waiting,
// timeouts, cancelling, errors, streams, progress, the handles of instances.
import assert from "node:assert/strict";
import { test } from "node:test";
import { World, settle, state } from "./fake.js";

const { createClient, isZocketError, ZocketError } = await import(process.env.CLIENT);

const schema = {};
const app = {
  actors: {
    chat: {
      config: {
        state: schema,
        methods: {
          say: { input: schema },
          clear: {},
          generate: { input: schema, stream: schema },
          constructor: { input: schema },
          toString: {},
        },
        events: {},
      },
    },
  },
};

function connected(t, more) {
  const world = new World(t);
  const client = createClient(app, world.options(more));
  world.connect();
  return [world, client, world.socket];
}

test("a call is sent at once, and its answer ends it", async (t) => {
  const [, client, socket] = connected(t);
  const call = client.chat("a").say({ text: "hi" });
  assert.deepEqual(socket.take(), [
    { type: "rpc", id: "rpc_1", actor: "chat", actorId: "a", method: "say", input: { text: "hi" }, timeoutMs: 10000 },
  ]);
  socket.result("rpc_1", { n: 1 });
  assert.deepEqual(await call, { n: 1 });
  assert.deepEqual(await call.settled(), { ok: true, value: { n: 1 } });
  socket.result("rpc_1", 2); // once more: ignored
  socket.result("rpc_9", 2);
});

test("results may be anything, and missing", async (t) => {
  const [, client, socket] = connected(t);
  const room = client.chat("a");
  for (const value of [null, 0, "", false, [], { then: 1 }]) {
    const call = room.say();
    const [{ id }] = socket.take();
    socket.result(id, value);
    assert.deepEqual(await call, value);
  }
  const call = room.clear();
  socket.say({ type: "rpc:result", id: socket.take()[0].id });
  assert.equal(await call, undefined);
});

test("failures have all that the server says of them", async (t) => {
  const [, client, socket] = connected(t);
  const room = client.chat("a");
  const fail = async (message) => {
    const call = room.say({});
    const [{ id }] = socket.take();
    socket.say({ type: "rpc:result", id, ...message });
    const { ok, error } = await call.settled();
    assert.equal(ok, false);
    await assert.rejects(call, (other) => other === error);
    assert.ok(error instanceof Error && error instanceof ZocketError && isZocketError(error));
    assert.equal(error.name, "ZocketError");
    assert.equal(error.maybeRan, false);
    return error;
  };
  const full = await fail({ error: "The room is full.", code: "RESOURCE_EXHAUSTED", reason: "roomFull", details: { capacity: 2 }, retryAfterMs: 50 });
  assert.deepEqual(
    [full.message, full.code, full.reason, full.details, full.retryable, full.retryAfterMs],
    ["The room is full.", "RESOURCE_EXHAUSTED", "roomFull", { capacity: 2 }, true, 50],
  );
  const issues = [{ code: "too_small", path: ["text"], message: "must have at least 1 character" }];
  const invalid = await fail({ error: "Validation failed for say: []", code: "INVALID_ARGUMENT", issues });
  assert.deepEqual(invalid.issues, issues);
  assert.equal(invalid.retryable, false);
  const plain = await fail({ error: "boom" });
  assert.deepEqual([plain.message, plain.code, plain.reason], ["boom", "INTERNAL", undefined]);
  // An empty text is a failure as well; the original's client takes it for success.
  assert.equal((await fail({ error: "" })).message, "INTERNAL");
  assert.equal((await fail({ error: "x", code: "UNAVAILABLE", retryable: false })).retryable, false);
  assert.equal((await fail({ error: "x", code: "NOT_FOUND", retryable: true })).retryable, true);
  assert.equal(isZocketError(new Error("x")), false);
  for (const other of [undefined, null, 1, "ZocketError"]) assert.equal(isZocketError(other), false);
});

test("a failure that settled() or a loop tells is handled", async (t) => {
  const [, client, socket] = connected(t);
  const settled = client.chat("a").say().settled();
  const next = client.chat("a").generate()[Symbol.asyncIterator]().next().catch((error) => error.message);
  for (const { id } of socket.take()) socket.fail(id, id);
  assert.equal((await settled).error.message, "rpc_1");
  assert.equal(await next, "rpc_2");
  await settle(); // the test fails if a rejection is unhandled
});

test("what a method does not take is not sent", async (t) => {
  const [, client, socket] = connected(t);
  const cyclic = {};
  cyclic.self = cyclic;
  client.chat("a").clear(cyclic); // as an event handler would
  assert.equal("input" in socket.take()[0], false);
  client.chat("a").say(undefined);
  assert.equal("input" in socket.take()[0], false);
  client.chat("a").say(null);
  assert.equal(socket.take()[0].input, null);
  await assert.rejects(client.chat("a").say(cyclic), { code: "INVALID_ARGUMENT", maybeRan: false });
  await assert.rejects(client.chat("a").say(1n), { code: "INVALID_ARGUMENT" });
  assert.deepEqual(socket.take(), []);
});

test("an input is what it was at the call", async (t) => {
  const world = new World(t);
  const client = createClient(world.options());
  const input = { list: [1] };
  client.chat("a").say(input);
  input.list.push(2);
  world.connect();
  assert.deepEqual(world.socket.take()[0].input, { list: [1] });
});

test("the order of the program is kept, also across a wait", async (t) => {
  const world = new World(t);
  const client = createClient(world.options());
  const room = client.chat("a");
  const other = client.chat("b");
  room.say(1);
  room.state.subscribe(() => {});
  other.on("said", () => {});
  room.say(2);
  other.say(3);
  const end = other.state.subscribe(() => {});
  room.say(4);
  end();
  world.connect();
  const sent = world.socket.take().map(({ type, actorId, input }) => `${type} ${actorId} ${input ?? ""}`.trim());
  assert.deepEqual(sent, ["rpc a 1", "state:sub a", "event:sub b", "rpc a 2", "rpc b 3", "rpc a 4"]);
});

test("while connected, subscriptions precede the calls after them", async (t) => {
  const [, client, socket] = connected(t);
  const room = client.chat("a");
  room.state.subscribe(() => {});
  room.on("said", () => {});
  assert.deepEqual(socket.take(), []);
  room.say(1);
  assert.deepEqual(socket.take().map(({ type }) => type), ["state:sub", "event:sub", "rpc"]);
  room.on("said", () => {})();
  room.state.subscribe(() => {});
  await settle();
  assert.deepEqual(socket.take(), []);
});

test("calls that were sent fail with the connection, and are not sent again", async (t) => {
  const [world, client, socket] = connected(t);
  const sent = client.chat("a").say(1);
  socket.drop(1001, "restart");
  const waits = client.chat("a").say(2);
  await assert.rejects(sent, { code: "UNAVAILABLE", message: "restart", maybeRan: true, retryable: true });
  await world.advance(250);
  world.connect();
  assert.deepEqual(world.socket.take().map(({ input }) => input), [2]);
  world.socket.result("rpc_2", "b");
  assert.equal(await waits, "b");
});

test("a failed attempt to come back strands no call", async (t) => {
  const [world, client, socket] = connected(t);
  socket.drop();
  const waits = client.chat("a").say(1, { timeout: 0 });
  for (let i = 0; i < 10; i++) {
    await world.advance(2000);
    world.socket.drop(1006);
  }
  await world.advance(2000);
  world.connect();
  world.socket.result("rpc_1", "late");
  assert.equal(await waits, "late");
});

test("a timeout covers the wait for a connection and for the answer", async (t) => {
  const world = new World(t);
  const client = createClient(app, world.options({ rpcTimeout: 5000, connectTimeout: 0 }));
  const never = client.chat("a").say(1);
  const late = client.chat("a").say(2, { timeout: 8000 });
  const long = client.chat("a").say(3, { timeout: 0 });
  await world.advance(4999);
  assert.equal(await state(never), "pending");
  never.catch(() => {});
  await world.advance(1);
  await assert.rejects(never, { code: "DEADLINE_EXCEEDED", message: 'RPC "say" timed out after 5000ms: not connected', maybeRan: false });
  world.connect();
  const sent = world.socket.take();
  assert.deepEqual(sent.map(({ input, timeoutMs }) => [input, timeoutMs]), [[2, 3000], [3, undefined]]);
  late.catch(() => {});
  await world.advance(3000);
  await assert.rejects(late, { code: "DEADLINE_EXCEEDED", message: 'RPC "say" timed out after 8000ms', maybeRan: true });
  assert.deepEqual(world.socket.take(), [{ type: "rpc:cancel", id: "rpc_2" }]);
  await world.advance(1e9);
  assert.equal(await state(long), "pending");
  assert.equal(world.clock.timers.size, 0);
});

test("a server that ends a call itself has some more time to say so", async (t) => {
  const [world, client, socket] = connected(t);
  const call = client.chat("a").say(1, { timeout: 1000 });
  socket.take();
  await world.advance(1499);
  socket.fail("rpc_1", "timed out", { code: "DEADLINE_EXCEEDED" });
  await assert.rejects(call, { code: "DEADLINE_EXCEEDED", message: "timed out", maybeRan: false });
  const silent = client.chat("a").say(1, { timeout: 1000 });
  silent.catch(() => {});
  await world.advance(1500);
  await assert.rejects(silent, { code: "DEADLINE_EXCEEDED", maybeRan: true });
});

test("a method whose own limit is longer has it", async (t) => {
  const world = new World(t);
  const long = { actors: { chat: { config: { methods: { export: { timeoutMs: 30_000 }, ask: { timeoutMs: 50 } } } } } };
  for (const [options, expected] of [[{}, [30_000, 10_000]], [{ rpcTimeout: 0 }, [undefined, undefined]]]) {
    const room = createClient(long, world.options(options)).chat("a");
    world.connect();
    room.export();
    room.ask();
    assert.deepEqual(world.socket.take().map(({ timeoutMs }) => timeoutMs), expected);
  }
});

test("why there is no connection is part of the failure", async (t) => {
  const world = new World(t);
  const client = createClient(world.options());
  world.socket.drop(1006);
  const call = client.chat("a").say(1, { timeout: 10 });
  call.catch(() => {});
  await world.advance(10);
  await assert.rejects(call, { message: 'RPC "say" timed out after 10ms: not connected: WebSocket closed' });
});

test("a call that need not wait fails at once", async (t) => {
  const world = new World(t);
  const client = createClient(world.options({ queue: "fail" }));
  await assert.rejects(client.chat("a").say(1), { code: "UNAVAILABLE", maybeRan: false, retryable: true });
  const waits = client.chat("a").say(2, { queue: "wait" });
  world.connect();
  assert.deepEqual(world.socket.take().map(({ input }) => input), [2]);
  world.socket.result("rpc_2");
  await waits;
});

test("calls that wait are bounded", async (t) => {
  const world = new World(t);
  const client = createClient(world.options({ queueLimit: 2 }));
  const room = client.chat("a");
  const good = [room.say(1), room.say(2)];
  await assert.rejects(room.say(3), { code: "RESOURCE_EXHAUSTED", maybeRan: false });
  world.connect();
  const ids = world.socket.take().map(({ id }) => id);
  for (let i = 0; i < 5; i++) good.push(room.say(i)); // not bounded: they are sent
  ids.push(...world.socket.take().map(({ id }) => id));
  for (const id of ids) world.socket.result(id);
  await Promise.all(good);
});

test("a signal cancels a call, here and there", async (t) => {
  const [, client, socket] = connected(t);
  const room = client.chat("a");
  const abort = new AbortController();
  const call = room.say(1, { signal: abort.signal });
  socket.take();
  abort.abort(new Error("enough"));
  abort.abort();
  await assert.rejects(call, (error) => error.code === "CANCELLED" && error.maybeRan && error.cause.message === "enough");
  assert.deepEqual(socket.take(), [{ type: "rpc:cancel", id: "rpc_1" }]);
  socket.result("rpc_1", 1); // late
  await assert.rejects(room.say(2, { signal: abort.signal }), { code: "CANCELLED", maybeRan: false });
  assert.deepEqual(socket.take(), []);
});

test("a call that waits is cancelled unsent, and a call that has ended is left alone", async (t) => {
  const world = new World(t);
  const client = createClient(world.options());
  const [first, second] = [new AbortController(), new AbortController()];
  const waits = client.chat("a").say(1, { signal: first.signal });
  const good = client.chat("a").say(2, { signal: second.signal });
  first.abort();
  await assert.rejects(waits, { code: "CANCELLED", maybeRan: false });
  world.connect();
  assert.deepEqual(world.socket.take().map(({ input }) => input), [2]);
  world.socket.result("rpc_2", 1);
  assert.equal(await good, 1);
  second.abort();
  assert.deepEqual(world.socket.take(), []);
});

test("a server without a level knows no cancelling", async (t) => {
  const world = new World(t);
  const client = createClient(world.options());
  world.socket.accept("zocket");
  const call = client.chat("a").say(1, { timeout: 10 });
  call.catch(() => {});
  world.socket.take();
  await world.advance(10);
  await assert.rejects(call, { code: "DEADLINE_EXCEEDED" });
  assert.deepEqual(world.socket.take(), []);
});

test("a timeout may be longer than timers can be, and is a whole number at the server", async (t) => {
  const [world, client, socket] = connected(t);
  const calls = [Infinity, 1e12, 100.5].map((timeout) => client.chat("a").say(1, { timeout }));
  assert.deepEqual(socket.take().map(({ timeoutMs }) => timeoutMs), [undefined, 1e12, 101]);
  await world.advance(50);
  for (const call of calls) assert.equal(await state(call), "pending");
});

// ---- streams and progress ----

test("chunks are read in their order, and the result ends the loop", async (t) => {
  const [, client, socket] = connected(t);
  const stream = client.chat("a").generate({});
  assert.equal("timeoutMs" in socket.take()[0], false);
  for (const chunk of [1, null, { a: 1 }]) socket.say({ type: "rpc:chunk", id: "rpc_1", chunk });
  const read = [];
  const all = (async () => {
    for await (const chunk of stream) read.push(chunk);
  })();
  await settle();
  socket.say({ type: "rpc:chunk", id: "rpc_1", chunk: 4 });
  socket.say({ type: "rpc:chunk", id: "rpc_1", chunk: 5 });
  socket.result("rpc_1");
  await all;
  assert.deepEqual(read, [1, null, { a: 1 }, 4, 5]);
  assert.equal(await stream, undefined);
  assert.deepEqual(socket.take(), []);
});

test("the result of a stream is the last value of its iterator", async (t) => {
  const [, client, socket] = connected(t);
  const loop = client.chat("a").generate({})[Symbol.asyncIterator]();
  socket.say({ type: "rpc:chunk", id: "rpc_1", chunk: 1 });
  socket.result("rpc_1", "all");
  assert.deepEqual(await loop.next(), { done: false, value: 1 });
  assert.deepEqual(await loop.next(), { done: true, value: "all" });
});

test("leaving the loop cancels", async (t) => {
  const [, client, socket] = connected(t);
  const stream = client.chat("a").generate({});
  socket.take();
  socket.say({ type: "rpc:chunk", id: "rpc_1", chunk: 1 });
  for await (const chunk of stream) {
    assert.equal(chunk, 1);
    break;
  }
  assert.deepEqual(socket.take(), [{ type: "rpc:cancel", id: "rpc_1" }]);
  await assert.rejects(stream, { code: "CANCELLED", maybeRan: true });
});

test("throwing in the loop cancels, too", async (t) => {
  const [, client, socket] = connected(t);
  const stream = client.chat("a").generate({});
  socket.say({ type: "rpc:chunk", id: "rpc_1", chunk: 1 });
  socket.take();
  await assert.rejects((async () => {
    for await (const _ of stream) throw new Error("mine");
  })(), { message: "mine" });
  assert.deepEqual(socket.take(), [{ type: "rpc:cancel", id: "rpc_1" }]);
});

test("a failure is thrown behind the chunks before it", async (t) => {
  const [world, client, socket] = connected(t);
  const stream = client.chat("a").generate({});
  socket.say({ type: "rpc:chunk", id: "rpc_1", chunk: 1 });
  socket.drop();
  const read = [];
  await assert.rejects((async () => {
    for await (const chunk of stream) read.push(chunk);
  })(), { code: "UNAVAILABLE", maybeRan: true });
  assert.deepEqual(read, [1]);
  assert.equal(world.errors.length, 0);
});

test("two loops share the chunks of a stream", async (t) => {
  const [, client, socket] = connected(t);
  const stream = client.chat("a").generate({});
  const read = [];
  const loop = async () => {
    for await (const chunk of stream) read.push(chunk);
  };
  const both = [loop(), loop()];
  await settle();
  for (let chunk = 0; chunk < 10; chunk++) {
    socket.say({ type: "rpc:chunk", id: "rpc_1", chunk });
    await settle();
  }
  socket.result("rpc_1");
  await Promise.all(both);
  assert.deepEqual(read, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

test("a stream lasts as long as it has chunks to come", async (t) => {
  const [world, client, socket] = connected(t, { rpcTimeout: 1000 });
  const good = client.chat("a").generate({});
  const bad = client.chat("a").generate({});
  const read = [];
  const all = (async () => {
    for await (const chunk of good) read.push(chunk);
  })();
  bad.catch(() => {});
  socket.say({ type: "rpc:chunk", id: "rpc_1", chunk: 1 });
  await world.advance(1000);
  await assert.rejects(bad, { code: "DEADLINE_EXCEEDED" });
  await world.advance(100_000);
  socket.say({ type: "rpc:chunk", id: "rpc_1", chunk: 2 });
  socket.result("rpc_1");
  await all;
  assert.deepEqual(read, [1, 2]);
});

test("chunks that nobody reads are bounded", async (t) => {
  const [, client, socket] = connected(t);
  const stream = client.chat("a").generate({});
  socket.take();
  for (let i = 0; i < 65537; i++) socket.say('{"type":"rpc:chunk","id":"rpc_1","chunk":1}');
  await assert.rejects(stream, { code: "RESOURCE_EXHAUSTED", maybeRan: true });
  assert.deepEqual(socket.take(), [{ type: "rpc:cancel", id: "rpc_1" }]);
});

test("a call without chunks is an empty loop", async (t) => {
  const [, client, socket] = connected(t);
  const call = client.chat("a").say(1);
  socket.result("rpc_1", 1);
  for await (const _ of call) assert.fail();
});

test("progress is told, and its listener harms nobody", async (t) => {
  const [world, client, socket] = connected(t);
  const seen = [];
  const call = client.chat("a").say(1, {
    onProgress: (value) => {
      seen.push(value);
      if (value === 0.5) throw new Error("mine");
    },
  });
  client.chat("a").say(2);
  for (const progress of [0, 0.5, 1]) socket.say({ type: "rpc:progress", id: "rpc_1", progress });
  socket.say({ type: "rpc:progress", id: "rpc_2", progress: 1 });
  socket.result("rpc_1", 3);
  assert.equal(await call, 3);
  socket.say({ type: "rpc:progress", id: "rpc_1", progress: 2 });
  assert.deepEqual(seen, [0, 0.5, 1]);
  assert.equal(world.errors.length, 1);
});

// ---- handles ----

test("methods are the same function every time", (t) => {
  const [, client] = connected(t);
  const room = client.chat("a");
  assert.equal(room.say, room.say);
  assert.equal(client.chat, client.chat);
  assert.equal(client.chat("a"), room);
  assert.equal(client.$handle("chat", "a"), room);
  assert.notEqual(client.chat("b"), room);
});

test("names that an app does not have are undefined", (t) => {
  const [, client] = connected(t);
  const room = client.chat("a");
  assert.equal(room.nothing, undefined);
  assert.equal(client.nothing, undefined);
  assert.equal(typeof room.constructor, "function");
  assert.notEqual(room.constructor, Object);
  for (const name of ["then", "toJSON", "$$typeof", "__proto__x", Symbol.iterator, Symbol.toPrimitive, Symbol.asyncIterator]) {
    assert.equal(client[name], undefined);
    assert.equal(room[name], undefined);
  }
});

test("a client and a handle may be awaited, printed and made JSON", async (t) => {
  const world = new World(t);
  const client = createClient(world.options()); // every name is good
  const room = client.chat("a");
  assert.equal(await client, client);
  assert.equal(await room, room);
  JSON.stringify(room);
  assert.equal(String(room), "[object Object]");
  assert.ok(!(room instanceof Promise));
  for (const name of ["then", "toJSON", "$$typeof", Symbol.iterator]) {
    assert.equal(client[name], undefined);
    assert.equal(room[name], undefined);
  }
  world.connect();
  await settle();
  assert.deepEqual(world.socket.take(), []);
});

test("methods with the names of objects' properties can be called", async (t) => {
  const [, client, socket] = connected(t);
  client.chat("a").constructor({ a: 1 });
  client.chat("a").toString();
  assert.deepEqual(socket.take().map(({ method }) => method), ["constructor", "toString"]);
});

test("a handle has the names of Zocket's", (t) => {
  const [, client] = connected(t);
  const room = client.chat("general");
  assert.equal(room.meta.name, "chat");
  assert.equal(room.meta.id, "general");
  assert.equal(room.$actorName, "chat");
  assert.equal(room.$actorId, "general");
  assert.equal(typeof room.$dispose, "function");
});

test("names that look alike are different instances", async (t) => {
  const world = new World(t);
  const client = createClient(world.options());
  const seen = [];
  client["a"]("b:c").on("x", () => seen.push(1));
  client["a:b"]("c").on("x", () => seen.push(2));
  client["a"]('b","c').on("x", () => seen.push(3));
  world.connect();
  await settle();
  world.socket.say({ type: "event", actor: "a:b", actorId: "c", event: "x" });
  assert.deepEqual(seen, [2]);
});
