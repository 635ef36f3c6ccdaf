// A reader with the shape of TypeScript Zocket's client: calls by id, one store
// for each instance, listeners of events; it knows no code, no chunk and no
// progress, and ignores messages whose type it does not know. It fails when it
// sees something that such a client cannot take.
import assert from "node:assert/strict";
import { once } from "node:events";
import WebSocket from "ws";
import { applyPlain } from "./peer.js";

const isString = (value) => typeof value === "string" && value !== "";

export class PlainReader {
  #calls = new Map();
  #count = 0;
  #waiting = [];
  stores = new Map();
  events = [];
  /** The types that were ignored. */
  ignored = new Set();

  static async open(url) {
    const reader = new PlainReader();
    reader.socket = new WebSocket(url);
    reader.closed = once(reader.socket, "close");
    reader.socket.on("message", (data, binary) => {
      assert.equal(binary, false);
      reader.#take(JSON.parse(data.toString()));
      reader.#waiting = reader.#waiting.filter((look) => !look());
    });
    await reader.until(() => reader.id !== undefined);
    return reader;
  }

  #take(message) {
    assert.ok(isString(message.type));
    const key = `${message.actor}/${message.actorId}`;
    switch (message.type) {
      case "welcome":
        assert.equal(this.id, undefined, "a second welcome");
        assert.ok(isString(message.clientId));
        this.id = message.clientId;
        break;
      case "rpc:result":
        this.#end(message);
        break;
      case "event":
        assert.ok(isString(message.actor) && isString(message.actorId) && isString(message.event));
        this.events.push(message);
        break;
      case "state:snapshot":
        assert.ok(isString(message.actor) && isString(message.actorId));
        assert.ok(message.state !== null && typeof message.state === "object");
        this.stores.set(key, message.state);
        break;
      case "state:patch":
        this.#patch(key, message.patches);
        break;
      default:
        this.ignored.add(message.type);
    }
  }

  #end({ id, error, result }) {
    const call = this.#calls.get(id);
    assert.ok(call, `a result of no call, or a second one: ${id}`);
    this.#calls.delete(id);
    if (error === undefined) call.resolve(result);
    else call.reject(new Error(error));
  }

  #patch(key, patches) {
    assert.ok(Array.isArray(patches) && patches.length > 0);
    for (const { op, path, value } of patches) {
      assert.ok(["add", "replace", "remove"].includes(op), op);
      assert.ok(path.startsWith("/"), path);
      assert.equal(value === undefined, op === "remove");
    }
    const state = this.stores.get(key);
    assert.ok(state, "a patch before the snapshot");
    this.stores.set(key, applyPlain(state, patches));
  }

  send(message) {
    this.socket.send(JSON.stringify(message));
  }

  call(actor, actorId, method, input) {
    const id = `rpc_${++this.#count}_${Date.now().toString(36)}`;
    const call = { id };
    call.result = new Promise((resolve, reject) => Object.assign(call, { resolve, reject }));
    this.#calls.set(id, call);
    this.send({ type: "rpc", id, actor, actorId, method, input });
    return call.result;
  }

  subscribe(actor, actorId) {
    this.send({ type: "state:sub", actor, actorId });
    this.send({ type: "event:sub", actor, actorId });
    return this.until(() => this.stores.has(`${actor}/${actorId}`));
  }

  state(actor, actorId) {
    return this.stores.get(`${actor}/${actorId}`);
  }

  /** Resolves when @holds is true, which is looked at after each message. */
  until(holds) {
    return new Promise((resolve) => {
      const look = () => {
        if (!holds()) return false;
        resolve();
        return true;
      };
      if (!look()) this.#waiting.push(look);
    });
  }

  close() {
    this.socket.close(1000);
    return this.closed;
  }
}
