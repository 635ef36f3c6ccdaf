// The client and a server that speaks plain Zocket alone, as its documentation
// has it: no codes, no levels, patches that overwrite, and a welcome at once, late
// or never. Most such servers answer an offer of subprotocols with the first of
// them; some with none, which a browser does not accept.
import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import WebSocket, { WebSocketServer } from "ws";

const { createClient, isZocketError } = await import(process.env.CLIENT);

/** A server of the actor `list`, whose method `unshift` moves all items. */
async function serve(t, { protocol, welcome }) {
  const instances = new Map();
  const server = new WebSocketServer({
    port: 0,
    host: "127.0.0.1",
    handleProtocols: (offers) => (protocol === "first" ? [...offers][0] : false),
  });
  t.after(() => server.close());
  await once(server, "listening");
  let connections = 0;
  const find = (id) => {
    if (!instances.has(id)) instances.set(id, { state: { items: [], note: null }, states: new Set(), events: new Set() });
    return instances.get(id);
  };
  const methods = {
    unshift(instance, input, tell) {
      if (typeof input !== "string") throw new Error(`Validation failed for unshift: ${JSON.stringify([{ path: [] }])}`);
      const { items } = instance.state;
      items.unshift(input);
      const patches = items.map((value, i) => ({ op: i === items.length - 1 ? "add" : "replace", path: `/items/${i}`, value }));
      tell(instance.states, { type: "state:patch", patches });
      tell(instance.events, { type: "event", event: "added", payload: { input } });
      return items.length;
    },
    fail() {
      throw new Error("");
    },
    drop() {
      for (const socket of server.clients) socket.terminate();
    },
  };
  server.on("connection", (socket) => {
    const greet = () => socket.send(JSON.stringify({ type: "welcome", clientId: `bun_${++connections}` }));
    if (welcome === "at once") greet();
    socket.on("message", (data) => {
      const message = JSON.parse(data);
      const { type, actor, actorId, id, method, input } = message;
      if (welcome === "late" && !socket.isGreeted) greet();
      socket.isGreeted = true;
      const instance = find(actorId);
      const tell = (to, what) => {
        for (const one of to) one.send(JSON.stringify({ ...what, actor, actorId }));
      };
      if (type === "rpc") {
        try {
          const result = methods[method](instance, input, tell);
          socket.send(JSON.stringify({ type: "rpc:result", id, result }));
        } catch (error) {
          socket.send(JSON.stringify({ type: "rpc:result", id, error: error.message }));
        }
      } else if (type === "state:sub") {
        instance.states.add(socket);
        tell([socket], { type: "state:snapshot", state: instance.state });
      } else if (type === "event:sub") {
        instance.events.add(socket);
      } else if (type === "state:unsub") {
        instance.states.delete(socket);
      } else if (type === "event:unsub") {
        instance.events.delete(socket);
      } else {
        throw new Error(`plain Zocket knows no ${type}`);
      }
    });
    socket.on("close", () => {
      for (const { states, events } of instances.values()) {
        states.delete(socket);
        events.delete(socket);
      }
    });
  });
  return { url: `ws://127.0.0.1:${server.address().port}`, find };
}

for (const protocol of ["first", "none"]) {
  for (const welcome of ["at once", "late", "never"]) {
    test(`a server that selects ${protocol}, and welcomes ${welcome}`, async (t) => {
      const server = await serve(t, { protocol, welcome });
      const errors = [];
      const client = createClient({ url: server.url, WebSocket, reconnectDelayMs: 10, onError: (error) => errors.push(error) });
      const list = client.list("a");
      const seen = [];
      const heard = [];
      list.state.subscribe((state) => seen.push(state.items));
      list.on("added", ({ input }) => heard.push(input));
      client.on("news", () => {});
      assert.equal(await list.unshift("one"), 1);
      assert.equal(await list.unshift("two"), 2);
      assert.deepEqual(seen, [[], ["one"], ["two", "one"]]);
      assert.deepEqual(heard, ["one", "two"]);
      assert.match(String(client.clientId), welcome === "never" ? /^null$/ : /^bun_\d$/);
      const failure = (await list.unshift(1).settled()).error;
      assert.ok(isZocketError(failure));
      assert.deepEqual([failure.code, failure.message], ["INTERNAL", 'Validation failed for unshift: [{"path":[]}]']);
      await assert.rejects(list.fail(), { code: "INTERNAL", maybeRan: false });

      await assert.rejects(list.drop(), { code: "UNAVAILABLE", maybeRan: true });
      assert.equal(client.$status, "reconnecting");
      assert.equal(await list.unshift("three"), 3);
      assert.deepEqual(seen.slice(3), [["two", "one"], ["three", "two", "one"]]);
      assert.equal(server.find("a").states.size, 1);

      list.meta.dispose();
      await new Promise((resolve) => setTimeout(resolve, 5));
      await client.list("b").unshift("x");
      assert.equal(server.find("a").states.size + server.find("a").events.size, 0);
      assert.deepEqual(errors, []);
      client.$close();
    });
  }
}
