// What is shown while calls are under way: sequences of base and view, and a
// random server that answers, fails, conflates, lets others in, and is lost. No
// change is ever shown twice, and none is lost.
import assert from "node:assert/strict";
import { test } from "node:test";
import { World, settle, state } from "./fake.js";

const { createClient } = await import(process.env.CLIENT);
const at = { actor: "chat", actorId: "a" };
const snapshot = (log, calls) => ({ type: "state:snapshot", ...at, state: { log }, ...(calls && { calls }) });
const append = (index, value, calls) => ({
  type: "state:patch",
  ...at,
  patches: [{ op: "add", path: `/log/${index}`, value }],
  ...(calls && { calls }),
});
const adding = (value) => (state) => ({ ...state, log: [...state.log, value] });

/** A client that has subscribed; `views` has all that was shown. */
async function watching(t, log = []) {
  const world = new World(t);
  const client = createClient(world.options());
  const room = client.chat("a");
  const views = [];
  world.connect();
  room.state.subscribe(({ log }) => views.push(log.join("")));
  await settle();
  world.socket.say(snapshot(log));
  world.socket.take();
  views.length = 0;
  const add = (value, options) => {
    const call = room.add(value, { optimistic: adding(value), ...options });
    call.catch(() => {});
    return call;
  };
  const base = () => room.state.getConfirmed().log.join("");
  return { world, client, room, views, add, base };
}

test("a call is shown at once, and its commit replaces the guess in one step", async (t) => {
  const { world, room, views, add, base } = await watching(t, ["a"]);
  const call = add("b");
  assert.deepEqual(world.socket.take(), [
    { type: "rpc", id: "rpc_1", ...at, method: "add", input: "b", optimistic: true },
  ]);
  assert.deepEqual([views.splice(0), base()], [["ab"], "a"]);
  world.socket.say(append(1, "b", ["rpc_1"]));
  assert.deepEqual([views.splice(0), base()], [["ab"], "ab"]);
  assert.equal(room.state.getSnapshot(), room.state.getConfirmed()); // without guesses they are one
  world.socket.result("rpc_1", 1);
  assert.equal(await call, 1);
  assert.deepEqual(views, []);
});

test("a call without a guess is not announced as one", async (t) => {
  const { world, room } = await watching(t);
  room.add("x");
  assert.equal("optimistic" in world.socket.take()[0], false);
});

test("what the server made of a call replaces the guess", async (t) => {
  const { world, views, add } = await watching(t);
  add("b");
  world.socket.say(append(0, "B", ["rpc_1"]));
  assert.deepEqual(views, ["b", "B"]);
});

test("a call that fails, or changes nothing, takes its guess with it, before its promise", async (t) => {
  const { world, views, add } = await watching(t, ["a"]);
  const bad = add("b");
  const seen = bad.catch(() => views.push("rejected"));
  world.socket.fail("rpc_1", "no");
  assert.deepEqual(views, ["ab", "a"]);
  await seen;
  const idle = add("c").then(() => views.push("resolved"));
  world.socket.result("rpc_2");
  assert.deepEqual(views.slice(3), ["ac", "a"]);
  await idle;
  assert.deepEqual(views.slice(-2), ["a", "resolved"]);
});

test("several calls under way, and the changes of others between them", async (t) => {
  const { world, views, add, base } = await watching(t);
  const first = add("1");
  const second = add("2");
  const third = add("3");
  world.socket.say(append(0, "x"));
  world.socket.say(append(1, "1", ["rpc_1"]));
  world.socket.result("rpc_1");
  world.socket.fail("rpc_2", "no");
  world.socket.say(append(2, "y"));
  world.socket.say(append(3, "3", ["rpc_3"]));
  world.socket.result("rpc_3");
  assert.deepEqual(views, ["1", "12", "123", "x123", "x123", "x13", "x1y3", "x1y3"]);
  assert.equal(base(), "x1y3");
  await Promise.all([first, third]);
  await assert.rejects(second);
});

test("results in another order", async (t) => {
  const { world, views, add } = await watching(t);
  add("1");
  add("2");
  world.socket.say(append(0, "2", ["rpc_2"])); // deferred calls end in any order
  world.socket.result("rpc_2");
  world.socket.say(append(1, "1", ["rpc_1"]));
  world.socket.result("rpc_1");
  assert.deepEqual(views, ["1", "12", "21", "21"]);
});

test("a snapshot in the place of patches says which calls are in it", async (t) => {
  const { world, views, add } = await watching(t);
  for (const value of ["1", "2", "3"]) add(value);
  views.length = 0;
  world.socket.say(snapshot(["x", "1", "2"], ["rpc_1", "rpc_2"]));
  world.socket.result("rpc_1");
  world.socket.result("rpc_2");
  world.socket.say(append(3, "3", ["rpc_3"]));
  assert.deepEqual(views, ["x123", "x123"]);
});

test("a guess is computed once for each change", async (t) => {
  const { world, room, add } = await watching(t);
  let computed = 0;
  room.add("1", { optimistic: (state) => (computed++, adding("1")(state)) });
  assert.equal(computed, 1);
  room.state.getSnapshot();
  room.state.subscribe(() => {});
  assert.equal(computed, 1);
  add("2");
  assert.equal(computed, 2);
  world.socket.say(append(0, "x"));
  assert.equal(computed, 3);
  world.socket.fail("rpc_2", "no");
  assert.equal(computed, 4);
  world.socket.say(append(1, "1", ["rpc_1"]));
  world.socket.result("rpc_1");
  assert.equal(computed, 4);
});

test("a guess that throws is dropped, and reported", async (t) => {
  const { world, room, views, add } = await watching(t);
  const bad = room.add("1", {
    optimistic: (state) => {
      if (state.log.length > 0) throw new Error("mine");
      return adding("1")(state);
    },
  });
  add("2");
  world.socket.say(append(0, "x"));
  assert.deepEqual(views, ["1", "12", "x2"]);
  assert.deepEqual(world.errors.map(({ message }) => message), ["mine"]);
  world.socket.result("rpc_1", 1);
  assert.equal(await bad, 1); // the call goes on
});

test("a guess waits unseen for a state", async (t) => {
  const world = new World(t);
  const client = createClient(world.options());
  const room = client.chat("a");
  const views = [];
  world.connect();
  room.add("1", { optimistic: adding("1") });
  assert.equal(room.state.getSnapshot(), undefined);
  room.state.subscribe(({ log }) => views.push(log.join("")));
  await settle();
  world.socket.say(snapshot(["x"]));
  assert.deepEqual(views, ["x1"]);
  world.socket.say(append(1, "1", ["rpc_1"]));
  world.socket.result("rpc_1");
  assert.deepEqual(views, ["x1", "x1"]);
});

test("from a loss to the next snapshot nothing that was shown goes", async (t) => {
  const { world, room, views, add } = await watching(t, ["a"]);
  const lost = add("1"); // it has run, or not: nobody knows
  world.socket.drop();
  await assert.rejects(lost, { maybeRan: true });
  assert.deepEqual(views, ["a1"]);
  assert.equal(room.state.getSnapshot().log.join(""), "a1");
  const waits = add("2"); // shown while it waits
  assert.deepEqual(views, ["a1", "a12"]);
  const abort = new AbortController();
  add("3", { signal: abort.signal });
  abort.abort(); // never sent: nothing of it remains
  assert.deepEqual(views, ["a1", "a12", "a123", "a12"]);
  await world.advance(250);
  world.connect();
  assert.deepEqual(world.socket.take().map(({ type }) => type), ["state:sub", "rpc"]);
  views.length = 0;
  world.socket.say(snapshot(["a", "1"])); // it had run
  world.socket.say(append(2, "2", ["rpc_2"]));
  world.socket.result("rpc_2");
  await waits;
  assert.deepEqual(views, ["a12", "a12"]);
});

test("a call that a lost connection took along is gone with the next snapshot", async (t) => {
  const { world, views, add } = await watching(t, ["a"]);
  add("1");
  world.socket.drop();
  await world.advance(250);
  world.connect();
  world.socket.say(snapshot(["a"]));
  assert.deepEqual(views, ["a1", "a"]);
});

test("a connection that is lost again before the snapshot", async (t) => {
  const { world, views, add } = await watching(t, ["a"]);
  add("1");
  world.socket.drop();
  const second = add("2");
  await world.advance(250);
  world.connect(); // the second is sent
  world.socket.drop();
  await assert.rejects(second, { maybeRan: true });
  add("3");
  assert.deepEqual(views, ["a1", "a12", "a123"]);
  await world.advance(500);
  world.connect();
  world.socket.say(snapshot(["a", "2"]));
  assert.deepEqual(views.slice(3), ["a23"]);
});

test("a misfit keeps what is shown, also of calls that end meanwhile", async (t) => {
  const { world, views, add } = await watching(t, ["a"]);
  const call = add("1");
  const other = add("2");
  world.socket.say({ ...append(1, "1", ["rpc_1"]), patches: [{ op: "replace", path: "/x", value: 1 }] });
  world.socket.result("rpc_1");
  await call;
  assert.deepEqual(views, ["a1", "a12"]);
  await world.advance(0);
  world.socket.say(snapshot(["a", "1"]));
  assert.deepEqual(views, ["a1", "a12", "a12"]);
  world.socket.say(append(2, "2", ["rpc_2"]));
  world.socket.result("rpc_2");
  await other;
  assert.deepEqual(views, ["a1", "a12", "a12", "a12"]);
});

test("a plain server, which names no calls, ends guesses by results", async (t) => {
  const { world, views, add } = await watching(t);
  add("1");
  world.socket.say(append(0, "1"));
  world.socket.result("rpc_1");
  assert.deepEqual(views, ["1", "11", "1"]); // twice for a moment, as the manual says
});

test("a guess must not change the state", { skip: !process.env.CLIENT.endsWith("development.js") }, async (t) => {
  const { world, room, views } = await watching(t, ["a"]);
  room.add("1", { optimistic: (state) => (state.log.push("1"), state) });
  assert.deepEqual(views, []);
  assert.ok(world.errors[0] instanceof TypeError);
});

test("nonsense in calls is ignored", async (t) => {
  const { world, views, add } = await watching(t);
  add("1");
  for (const calls of [null, 1, {}, "x", [null, 1, {}, ["rpc_1"]], { includes: 1 }]) {
    world.socket.say({ ...append(0, "x"), calls });
    world.socket.say({ type: "state:patch", ...at, patches: [{ op: "remove", path: "/log/0" }] });
  }
  assert.ok(views.every((view) => view.endsWith("1")));
});

test("who listens no longer has no guesses, and calls go on", async (t) => {
  const world = new World(t);
  const client = createClient(world.options());
  const room = client.chat("a");
  world.connect();
  const end = room.state.subscribe(() => {});
  await settle();
  world.socket.say(snapshot(["a"]));
  const call = room.add("1", { optimistic: adding("1") });
  assert.equal(room.state.getSnapshot().log.join(""), "a1");
  end();
  await settle();
  assert.equal(room.state.getSnapshot(), undefined);
  world.socket.result("rpc_1", 5);
  assert.equal(await call, 5);
  assert.equal(await state(call).then(({ value }) => value), 5);
});

// ---- a random server ----

const ROUNDS = 300;
const CALLS_MAX = 64; // names of calls that the server keeps with a snapshot

function generator(seed) {
  let x = seed;
  return (below) => {
    x = (Math.imul(x, 1103515245) + 12345) & 0x7fffffff;
    return (x >>> 8) % below;
  };
}

/**
 * A server with one instance, whose state is a log of words, and the model of what
 * a client that subscribes may see. Messages wait in `queue` until they are
 * delivered, and patches that wait may become a snapshot.
 */
class Server {
  log = [];
  calls = []; // that have arrived
  queue = [];
  isSubscribed = false;

  constructor(random) {
    this.random = random;
  }

  take(socket) {
    for (const message of socket.take()) {
      if (message.type === "state:sub") {
        this.isSubscribed = true;
        this.queue.push({ kind: "snapshot", log: [...this.log], calls: [] });
      } else if (message.type === "rpc") {
        this.calls.push(message);
      }
    }
  }

  /** Runs a call, not always the first: some are deferred. */
  run() {
    if (this.calls.length === 0) return;
    const [{ id, input, optimistic }] = this.calls.splice(this.random(4) === 0 ? this.random(this.calls.length) : 0, 1);
    const outcome = this.random(4);
    if (outcome === 0) {
      this.queue.push({ kind: "fail", id });
      return;
    }
    if (outcome > 1) this.commit(input, optimistic ? id : undefined); // else it changes nothing
    this.queue.push({ kind: "result", id });
  }

  commit(word, id) {
    const index = this.random(this.log.length + 1);
    this.log.splice(index, 0, word);
    if (!this.isSubscribed) return;
    const calls = id ? [id] : [];
    const conflated = this.queue.findLast(({ kind }) => kind === "conflated");
    if (conflated) conflated.calls.push(...calls); // all that follows is in it
    else this.queue.push({ kind: "patch", index, word, calls });
  }

  /** Puts a snapshot in the place of the first patch that waits. */
  conflate() {
    const first = this.queue.findIndex(({ kind }) => kind === "patch");
    if (first < 0 || this.queue.some(({ kind }) => kind === "conflated" || kind === "snapshot")) return;
    const patches = this.queue.filter(({ kind }) => kind === "patch");
    this.queue[first] = { kind: "conflated", calls: patches.flatMap(({ calls }) => calls) };
    this.queue = this.queue.filter(({ kind }) => kind !== "patch");
  }

  deliver(socket) {
    const message = this.queue.shift();
    if (!message) return false;
    const calls = message.calls?.length > 0 ? message.calls.slice(0, CALLS_MAX) : undefined;
    switch (message.kind) {
      case "snapshot":
        socket.say(snapshot(message.log));
        return true;
      case "conflated":
        socket.say(snapshot([...this.log], calls)); // as it is now
        break;
      case "patch":
        socket.say(append(message.index, message.word, calls));
        break;
      case "result":
        socket.result(message.id);
        break;
      case "fail":
        socket.fail(message.id, "no");
    }
    return false;
  }
}

for (let round = 0; round < ROUNDS; round++) {
  const seed = round + 1;
  test(`a random server, ${seed}`, async (t) => {
    const random = generator(seed);
    const world = new World(t);
    const client = createClient(world.options({ reconnectDelayMs: 10, rpcTimeout: 0 }));
    const room = client.chat("a");
    const server = new Server(random);
    const ended = new Set(); // words of calls that failed, or changed nothing
    const underWay = new Set(); // words of calls whose promise is not settled
    const maybe = new Set(); // words of calls that a connection took along
    let shown = [];
    let isSnapshot = false; // a first one, of a connection
    let words = 0;

    const check = ({ log }) => {
      assert.equal(new Set(log).size, log.length, `twice: ${log}`);
      for (const word of shown) {
        if (log.includes(word)) continue;
        assert.ok(ended.has(word) || (isSnapshot && maybe.has(word)), `lost: ${word} of ${shown} in ${log}`);
      }
      shown = log;
    };
    world.connect();
    room.state.subscribe(check);
    await settle();
    server.take(world.socket);

    const call = () => {
      const word = `w${++words}`;
      const isGuessed = random(5) > 0;
      const made = room.add(word, isGuessed ? { optimistic: adding(word) } : {});
      const known = room.state.getSnapshot();
      if (isGuessed && known) assert.ok(known.log.includes(word));
      underWay.add(word);
      made.then(
        () => underWay.delete(word),
        ({ maybeRan }) => {
          underWay.delete(word);
          (maybeRan ? maybe : ended).add(word);
        },
      );
    };
    const steps = [
      call,
      call,
      () => server.run(),
      () => server.run(),
      () => server.commit(`o${++words}`),
      () => server.conflate(),
      ...Array(6).fill(() => {
        const next = server.queue[0];
        if (next?.kind === "fail" || next?.kind === "result") {
          // A guess that did not come true goes before the promise says so.
          const { input } = sent.get(next.id);
          if (!server.log.includes(input)) ended.add(input);
        }
        isSnapshot = next?.kind === "snapshot";
        server.deliver(world.socket);
        isSnapshot = false;
      }),
    ];
    const sent = new Map();
    const lose = async () => {
      world.socket.drop();
      for (const { input } of server.calls) if (random(2)) server.commit(input); // it runs all the same
      server.calls = [];
      server.queue = [];
      server.isSubscribed = false;
      for (let i = random(4); i > 0; i--) call();
      if (random(3) === 0) server.commit(`o${++words}`);
      await world.advance(10);
      if (random(4) === 0) {
        world.socket.drop();
        await world.advance(10);
      }
      world.connect();
    };
    for (let i = 0; i < 120; i++) {
      if (random(40) === 0) await lose();
      else steps[random(steps.length)]();
      for (const message of world.socket.sent) if (message.type === "rpc") sent.set(message.id, message);
      server.take(world.socket);
      if (random(3) === 0) await settle();
    }
    // In the end all is answered, and what is shown is what the server has.
    while (server.calls.length > 0) server.run();
    while (server.queue.length > 0) steps.at(-1)();
    await settle();
    assert.equal(underWay.size, 0);
    assert.deepEqual(room.state.getSnapshot().log, server.log);
    assert.equal(room.state.getSnapshot(), room.state.getConfirmed());
    assert.deepEqual(world.errors, []);
    client.$close();
  });
}
