// The connection of a client, in a world without time and chance: attempts,
// welcome, refusals, backoff, tokens, the offers of subprotocols, status.
import assert from "node:assert/strict";
import { test } from "node:test";
import { World, settle, state } from "./fake.js";

const { createClient, isZocketError } = await import(process.env.CLIENT);

test("connects at once, and offers both dialects", (t) => {
  const world = new World(t);
  const client = createClient(world.options({ url: "http://server/path?x=1", params: { user: "ada b", n: 1, no: undefined } }));
  assert.equal(world.sockets.length, 1);
  assert.equal(world.socket.url, "ws://server/path?x=1&user=ada+b&n=1");
  assert.deepEqual(world.socket.protocols, ["zocket", "zocket.rfc6902"]);
  assert.equal(client.connection.status, "connecting");
  assert.equal(client.$status, "connecting");
});

test("the keys of parameters are those of the schema", (t) => {
  const world = new World(t);
  const app = { actors: {}, connection: { query: { userName: "user-name" } } };
  createClient(app, world.options({ params: { userName: "ada" } }));
  assert.equal(world.socket.url, "ws://server/?user-name=ada");
});

test("tokens are a subprotocol", async (t) => {
  for (const [token, name] of [
    ["abc.DEF-1~_", "bearer.abc.DEF-1~_"],
    ["a b", "bearer64.YSBi"],
    ["ü/+?>", "bearer64.w7wvKz8-"],
  ]) {
    const world = new World(t);
    createClient(world.options({ token: () => token }));
    await settle();
    assert.deepEqual(world.socket.protocols, ["zocket", "zocket.rfc6902", name]);
    world.clock.uninstall();
  }
});

test("is connected with welcome, and sends nothing before", async (t) => {
  const world = new World(t);
  const client = createClient(world.options());
  const call = client.chat("a").say({ text: "hi" });
  client.chat("a").state.subscribe(() => {});
  world.socket.accept();
  await world.advance(0);
  assert.deepEqual(world.socket.take(), []);
  assert.deepEqual(await state(client.$ready), "pending");
  assert.equal(client.clientId, null);
  world.socket.say({ type: "state:patch", actor: "chat", actorId: "a", patches: [] }); // early: ignored
  world.socket.welcome("ada");
  assert.equal(client.$status, "connected");
  assert.equal(client.clientId, "ada");
  assert.equal(client.connection.clientId, "ada");
  await client.$ready;
  assert.deepEqual(world.socket.take().map(({ type }) => type), ["rpc", "state:sub"]);
  world.socket.result("rpc_1", 5);
  assert.equal(await call, 5);
});

test("a plain server counts as connected when its socket is open", async (t) => {
  for (const protocol of ["zocket", ""]) {
    const world = new World(t);
    const client = createClient(world.options());
    const call = client.chat("a").say();
    client.on("news", () => {});
    world.socket.accept(protocol);
    await client.$ready;
    assert.equal(client.$status, "connected");
    assert.equal(client.clientId, null);
    assert.deepEqual(world.socket.take().map(({ type }) => type), ["rpc"]); // it knows no broadcasts
    world.socket.say({ type: "welcome", clientId: "late" });
    assert.equal(client.clientId, "late");
    world.socket.result("rpc_1");
    assert.equal(await call, undefined);
    world.clock.uninstall();
  }
});

test("a server that says late which level it has hears of broadcasts then", async (t) => {
  const world = new World(t);
  const client = createClient(world.options());
  client.on("news", () => {});
  world.socket.accept("zocket");
  await settle();
  world.socket.welcome();
  await settle();
  assert.deepEqual(world.socket.take(), [{ type: "broadcast:sub" }]);
});

test("where no socket opens, every other attempt offers no subprotocol", async (t) => {
  const world = new World(t);
  const client = createClient(world.options());
  const offers = [];
  for (let i = 0; i < 4; i++) {
    offers.push(world.socket.protocols.length);
    world.socket.drop();
    await world.advance(5000);
  }
  assert.deepEqual(offers, [2, 0, 2, 0]);
  world.socket.drop();
  await world.advance(5000);
  world.socket.accept("");
  assert.equal(client.$status, "connected");
  world.socket.drop();
  await world.advance(5000);
  assert.equal(world.socket.protocols.length, 0); // as it went well
  world.socket.accept("");
  world.socket.welcome(); // one of ours
  world.socket.drop();
  await world.advance(5000);
  assert.equal(world.socket.protocols.length, 2);
});

test("the backoff doubles, and begins anew after a stable connection alone", async (t) => {
  const world = new World(t);
  createClient(world.options());
  const delays = async () => {
    const before = world.clock.now;
    const count = world.sockets.length;
    while (world.sockets.length === count) await world.advance(10);
    return world.clock.now - before;
  };
  const seen = [];
  for (let i = 0; i < 5; i++) {
    world.connect(); // and is lost at once: no reason to hurry
    world.socket.drop();
    seen.push(await delays());
  }
  assert.deepEqual(seen, [250, 500, 1000, 2000, 2000]);
  world.connect();
  await world.advance(5000);
  world.socket.drop();
  assert.equal(await delays(), 250);
});

test("a part of the delay is left out at random", async (t) => {
  const world = new World(t);
  Math.random = () => 0.999999;
  createClient(world.options());
  world.socket.drop();
  await world.advance(124);
  assert.equal(world.sockets.length, 1);
  await world.advance(2);
  assert.equal(world.sockets.length, 2);
});

test("reconnectDelayMs replaces the backoff", async (t) => {
  const world = new World(t);
  createClient(world.options({ reconnectDelayMs: 5 }));
  for (let i = 1; i < 5; i++) {
    world.socket.drop();
    await world.advance(5);
    assert.equal(world.sockets.length, i + 1);
  }
});

test("the time that a server asks for is kept, with the backoff on top, for 5 minutes at most", async (t) => {
  const world = new World(t);
  createClient(world.options());
  world.socket.accept();
  world.socket.say({ type: "error", error: "later", code: "UNAVAILABLE", retryAfterMs: 3000 });
  world.socket.drop(4503);
  await world.advance(3249);
  assert.equal(world.sockets.length, 1);
  await world.advance(1);
  assert.equal(world.sockets.length, 2);
});

test("what a server asks for is bounded", async (t) => {
  for (const [retryAfterMs, due] of [[1e15, 300_250], ["7", 257], [-5, 250], [{}, 250], [null, 250]]) {
    const world = new World(t);
    createClient(world.options());
    world.socket.accept();
    world.socket.say({ type: "error", error: "later", retryAfterMs });
    world.socket.drop(4503);
    await world.advance(due - 1);
    assert.equal(world.sockets.length, 1);
    await world.advance(1);
    assert.equal(world.sockets.length, 2);
    world.clock.uninstall();
  }
});

test("status goes its way, and listeners are told of changes", async (t) => {
  const world = new World(t);
  const client = createClient(world.options());
  const seen = [];
  const end = client.connection.subscribe((status) => seen.push(status));
  client.on("status", (status) => seen.push(`on ${status}`));
  world.connect();
  world.socket.drop();
  assert.equal(client.clientId, null);
  end();
  end();
  await world.advance(250);
  world.connect();
  client.$close();
  client.$close();
  assert.deepEqual(seen, [
    "connected", "on connected", "reconnecting", "on reconnecting", "on connected", "on disconnected",
  ]);
  assert.equal(world.socket.closeCode, 1000);
});

test("failed attempts before the first connection leave the status", async (t) => {
  const world = new World(t);
  const client = createClient(world.options());
  world.socket.drop();
  await world.advance(250);
  world.socket.drop();
  assert.equal(client.$status, "connecting");
});

test("a listener that throws harms no other", async (t) => {
  const world = new World(t);
  const client = createClient(world.options());
  const seen = [];
  client.on("status", () => {
    throw new Error("mine");
  });
  client.on("status", (status) => seen.push(status));
  world.connect();
  assert.deepEqual(seen, ["connected"]);
  assert.deepEqual(world.errors.map(({ message }) => message), ["mine"]);
});

test("reconnect: false is disconnected after a loss, and calls fail at once", async (t) => {
  const world = new World(t);
  const client = createClient(world.options({ reconnect: false }));
  world.connect();
  world.socket.drop(1006);
  assert.equal(client.$status, "disconnected");
  await assert.rejects(client.chat("a").say(), { code: "UNAVAILABLE", maybeRan: false, message: "WebSocket closed" });
  await assert.rejects(client.$ready, { code: "UNAVAILABLE" });
  await world.advance(60_000);
  assert.equal(world.sockets.length, 1);
  client.connection.connect();
  world.connect();
  assert.equal(client.$status, "connected");
  await client.$ready;
});

test("an attempt takes connectTimeout, and so does ready", async (t) => {
  const world = new World(t);
  const client = createClient(world.options({ connectTimeout: 3000 }));
  const { $ready } = client;
  assert.equal(client.$ready, $ready);
  world.socket.accept(); // and says nothing
  await world.advance(3000);
  await assert.rejects($ready, { code: "DEADLINE_EXCEEDED", message: "WebSocket did not connect within 3000ms" });
  assert.ok(world.socket.closed);
  await world.advance(250);
  assert.equal(world.sockets.length, 2); // attempts go on
  const again = client.connection.ready;
  assert.notEqual(again, $ready);
  world.connect();
  await again;
  assert.equal(client.$ready, again);
  world.socket.drop();
  assert.equal(await state(client.$ready), "pending");
});

test("ready rejects in time, though attempts fail and are made", async (t) => {
  const world = new World(t);
  const client = createClient(world.options({ connectTimeout: 1000 }));
  const ready = client.$ready;
  for (let i = 0; i < 20; i++) {
    if (!world.socket.closed) world.socket.drop();
    await world.advance(100);
  }
  await assert.rejects(ready, { code: "DEADLINE_EXCEEDED" });
});

test("connectTimeout 0 waits for ever", async (t) => {
  const world = new World(t);
  const client = createClient(world.options({ connectTimeout: 0 }));
  const ready = client.$ready;
  await world.advance(1e6);
  assert.equal(await state(ready), "pending");
  world.connect();
  await ready;
});

test("a refusal in band is final, and known to all who wait", async (t) => {
  const world = new World(t);
  const client = createClient(world.options());
  const call = client.chat("a").say();
  const told = [];
  client.chat("a").state.subscribe(() => {}, (error) => told.push(error.reason));
  const ready = client.$ready;
  world.socket.accept();
  world.socket.say({ type: "error", error: "You are banned.", code: "PERMISSION_DENIED", reason: "banned", details: { days: 3 } });
  world.socket.drop(4403, "You are banned.");
  const expected = { code: "PERMISSION_DENIED", message: "You are banned.", reason: "banned", details: { days: 3 }, maybeRan: false };
  await assert.rejects(call, expected);
  await assert.rejects(ready, expected);
  await assert.rejects(client.$ready, expected);
  await assert.rejects(client.chat("a").say(), expected);
  assert.equal(client.$status, "disconnected");
  assert.equal(client.connection.refusal.reason, "banned");
  assert.deepEqual(told, ["banned"]);
  assert.equal(client.chat("a").state.getStatus(), "refused");
  await world.advance(60_000);
  assert.equal(world.sockets.length, 1);
  assert.deepEqual(world.errors, []);
});

test("a refusal with one of the final close codes is enough", async (t) => {
  for (const [code, name] of [[4400, "INVALID_ARGUMENT"], [4401, "UNAUTHENTICATED"], [4403, "PERMISSION_DENIED"], [4404, "NOT_FOUND"]]) {
    const world = new World(t);
    const client = createClient(world.options({ token: "t" }));
    world.connect();
    world.socket.drop(code, "out");
    assert.equal(client.$status, "disconnected");
    assert.equal(client.connection.refusal.code, name);
    assert.equal(client.connection.refusal.message, "out");
    world.clock.uninstall();
  }
  for (const code of [1000, 1001, 1008, 1011, 1013, 4402, 4429, 4500, 4503, 4999]) {
    const world = new World(t);
    const client = createClient(world.options());
    world.connect();
    world.socket.drop(code, "out");
    assert.equal(client.$status, "reconnecting", code);
    world.clock.uninstall();
  }
});

test("an old token is renewed once, and calls that wait survive it", async (t) => {
  const world = new World(t);
  const asked = [];
  const client = createClient(world.options({ token: async ({ again }) => (asked.push(again), again ? "new" : "old") }));
  const call = client.chat("a").say();
  await settle();
  world.socket.accept();
  world.socket.say({ type: "error", error: "The token has expired", code: "UNAUTHENTICATED" });
  world.socket.drop(4401);
  assert.equal(await state(call), "pending");
  await world.advance(0); // at once
  assert.deepEqual(asked, [false, true]);
  assert.equal(world.socket.protocols.at(-1), "bearer.new");
  world.connect();
  world.socket.result("rpc_1", "yes");
  assert.equal(await call, "yes");

  // Lost before it was stable: a second refusal is final.
  const second = client.chat("a").say();
  world.socket.drop(4401);
  await assert.rejects(second, { code: "UNAUTHENTICATED", maybeRan: true });
  assert.equal(client.$status, "disconnected");
});

test("a token that is refused twice fails all that waits", async (t) => {
  const world = new World(t);
  const client = createClient(world.options({ token: () => "bad" }));
  const call = client.chat("a").say();
  const ready = client.$ready;
  for (let i = 0; i < 2; i++) {
    await world.advance(0);
    world.socket.accept();
    world.socket.say({ type: "error", error: "No", code: "UNAUTHENTICATED" });
    world.socket.drop(4401);
  }
  await assert.rejects(call, { code: "UNAUTHENTICATED", message: "No", maybeRan: false });
  await assert.rejects(ready, { code: "UNAUTHENTICATED" });
  assert.equal(world.sockets.length, 2);
  // The program may have another: it begins anew.
  client.connection.connect();
  assert.equal(client.$status, "connecting");
  await settle();
  world.connect();
  assert.equal(client.$status, "connected");
});

test("after a stable connection a token is renewed again", async (t) => {
  const world = new World(t);
  const asked = [];
  createClient(world.options({ token: ({ again }) => (asked.push(again), "t") }));
  for (let i = 0; i < 3; i++) {
    await settle();
    world.connect();
    await world.advance(5000);
    world.socket.drop(4401);
    await world.advance(0);
  }
  assert.deepEqual(asked, [false, true, true, true]);
});

test("a token function that fails is a failed attempt", async (t) => {
  const world = new World(t);
  let asked = 0;
  const client = createClient(world.options({
    token: async () => {
      if (++asked < 3) throw new Error("no network");
      return "t";
    },
  }));
  const call = client.chat("a").say();
  await settle();
  assert.equal(client.connection.refusal.code, "UNAVAILABLE");
  assert.match(client.connection.refusal.message, /no network/);
  await world.advance(750);
  assert.equal(asked, 3);
  world.connect();
  world.socket.result("rpc_1", 1);
  assert.equal(await call, 1);
});

test("a token function may give up", async (t) => {
  const world = new World(t);
  const { ZocketError } = await import(process.env.CLIENT);
  const client = createClient(world.options({
    token: () => {
      throw new ZocketError("UNAUTHENTICATED", "logged out");
    },
  }));
  await assert.rejects(client.$ready, { code: "UNAUTHENTICATED", message: "logged out" });
  assert.equal(client.$status, "disconnected");
  assert.ok(isZocketError(client.connection.refusal));
});

test("a token function that never answers ends with the attempt", async (t) => {
  const world = new World(t);
  const never = [];
  createClient(world.options({ connectTimeout: 100, token: () => new Promise((resolve) => never.push(resolve)) }));
  await world.advance(100 + 250);
  assert.equal(never.length, 2);
  never[0]("late"); // for an attempt that is over
  await settle();
  assert.equal(world.sockets.length, 0);
  never[1]("t");
  await settle();
  assert.equal(world.sockets.length, 1);
});

test("connect: false connects at the first use", async (t) => {
  const uses = {
    call: (client) => void client.chat("a").say(),
    state: (client) => client.chat("a").state.subscribe(() => {}),
    event: (client) => client.chat("a").on("said", () => {}),
    broadcast: (client) => client.on("news", () => {}),
    ready: (client) => void client.$ready,
    connect: (client) => client.connection.connect(),
  };
  for (const [name, use] of Object.entries(uses)) {
    const world = new World(t);
    const client = createClient(world.options({ connect: false }));
    client.chat("a").meta.dispose();
    client.$handle("chat", "a").state.getSnapshot();
    client.on("status", () => {});
    await world.advance(10);
    assert.equal(world.sockets.length, 0);
    use(client);
    assert.equal(world.sockets.length, 1, name);
    world.clock.uninstall();
  }
});

test("without a WebSocket nothing is connected, and calls fail", async (t) => {
  const world = new World(t);
  const WebSocket = globalThis.WebSocket;
  globalThis.WebSocket = undefined;
  t.after(() => (globalThis.WebSocket = WebSocket));
  const client = createClient({ url: "/ws" });
  assert.equal(client.$status, "connecting"); // as the page will find it
  client.chat("a").state.subscribe(() => {});
  await assert.rejects(client.chat("a").say(), { code: "UNAVAILABLE", maybeRan: false });
  await assert.rejects(client.$ready, { code: "UNAVAILABLE" });
  assert.equal(world.clock.timers.size, 0);
  client.$close();
});

test("close ends everything", async (t) => {
  const world = new World(t);
  const client = createClient(world.options());
  const { $ready } = client;
  const waits = client.chat("a").say();
  client.$close();
  await assert.rejects(waits, { code: "CANCELLED", message: "WebSocket client closed", maybeRan: false });
  await assert.rejects($ready, { code: "CANCELLED" });
  await assert.rejects(client.chat("a").say(), { code: "CANCELLED" });
  await world.advance(100_000);
  client.connection.connect();
  client.chat("b").state.subscribe(() => {});
  await world.advance(100_000);
  assert.equal(world.sockets.length, 1);
  assert.equal(world.clock.timers.size, 0);
});

test("close while connected fails calls that were sent as such", async (t) => {
  const world = new World(t);
  const client = createClient(world.options());
  world.connect();
  const call = client.chat("a").say();
  client.$close();
  await assert.rejects(call, { code: "CANCELLED", message: "WebSocket client closed", maybeRan: true });
  assert.ok(world.socket.closed);
});

test("a listener may close the client in the middle of anything", async (t) => {
  for (const event of ["connected", "reconnecting"]) {
    const world = new World(t);
    const client = createClient(world.options());
    client.on("status", (status) => status === event && client.$close());
    world.connect();
    world.socket.drop();
    await world.advance(10_000);
    assert.equal(client.$status, "disconnected");
    assert.equal(world.sockets.length, 1);
    world.clock.uninstall();
  }
});

test("nonsense of a server is ignored, and what it says of errors is reported", async (t) => {
  const world = new World(t);
  const client = createClient(world.options());
  world.connect();
  for (const text of ["", "null", "1", "[]", "{}", "{", '"x"', '{"type":1}', '{"type":"__proto__"}', '{"type":"new"}',
    '{"type":"event"}', '{"type":"event","actor":{},"actorId":[]}', '{"type":"rpc:result"}', '{"type":"rpc:result","id":{}}',
    '{"type":"state:patch","actor":"chat","actorId":"a"}', '{"type":"sub:error","actor":"chat","actorId":"a"}',
    '{"__proto__":{"type":"welcome"}}']) {
    world.socket.say(text);
  }
  world.socket.onmessage({ data: new Uint8Array(3) });
  assert.equal(client.$status, "connected");
  assert.deepEqual(world.errors, []);
  world.socket.say({ type: "error", error: "what?", code: "INVALID_ARGUMENT" });
  assert.deepEqual(world.errors.map(({ code, message }) => [code, message]), [["INVALID_ARGUMENT", "what?"]]);
});
