// A world for clients in which tests decide: of time, of chance, and of all that
// a server does. Nothing in it waits for anything real.
import assert from "node:assert/strict";

const real = {
  setTimeout: globalThis.setTimeout,
  clearTimeout: globalThis.clearTimeout,
  now: Date.now,
  random: Math.random,
};

/** Lets everything run that needs no time. */
export function settle() {
  return new Promise((resolve) => setImmediate(resolve));
}

class Clock {
  now = 1_000_000;
  timers = new Map();
  last = 0;

  install() {
    globalThis.setTimeout = (call, ms = 0) => {
      this.timers.set(++this.last, { due: this.now + (ms > 0 ? ms : 0), call });
      return this.last;
    };
    globalThis.clearTimeout = (id) => void this.timers.delete(id);
    Date.now = () => Math.floor(this.now);
    Math.random = () => 0;
  }

  uninstall() {
    globalThis.setTimeout = real.setTimeout;
    globalThis.clearTimeout = real.clearTimeout;
    Date.now = real.now;
    Math.random = real.random;
  }

  /** Runs what is due within that time, in order. */
  async advance(ms) {
    const end = this.now + ms;
    await settle();
    for (;;) {
      const next = [...this.timers].filter(([, { due }]) => due <= end);
      if (next.length === 0) break;
      next.sort(([a, { due: x }], [b, { due: y }]) => x - y || a - b);
      const [id, { due, call }] = next[0];
      this.timers.delete(id);
      this.now = Math.max(this.now, due);
      call();
      await settle();
    }
    this.now = end;
  }
}

/** The client's end of a connection, and the server's in `sent` and what acts. */
class FakeSocket {
  onopen = null;
  onmessage = null;
  onclose = null;
  onerror = null;
  protocol = "";
  sent = [];
  closed = false;

  constructor(world, url, protocols) {
    this.url = url;
    this.protocols = protocols;
    world.sockets.push(this);
  }

  send(text) {
    assert.equal(typeof text, "string");
    assert.ok(!this.closed, "nothing is sent on a closed socket");
    this.sent.push(JSON.parse(text));
  }

  close(code) {
    this.closed = true;
    this.closeCode = code;
  }

  // ---- the server ----

  /** Takes all that was sent since the last time. */
  take() {
    return this.sent.splice(0);
  }

  accept(protocol = "zocket.rfc6902") {
    this.protocol = protocol;
    this.onopen?.({});
  }

  say(message) {
    this.onmessage?.({ data: typeof message === "string" ? message : JSON.stringify(message) });
  }

  welcome(clientId = "me") {
    this.say({ type: "welcome", clientId, level: 1 });
  }

  result(id, result) {
    this.say({ type: "rpc:result", id, result });
  }

  fail(id, error, more) {
    this.say({ type: "rpc:result", id, error, ...more });
  }

  /** Ends the connection as a server does, or the network. */
  drop(code = 1006, reason = "") {
    this.closed = true;
    this.onclose?.({ code, reason });
  }
}

export class World {
  sockets = [];
  errors = [];
  clock = new Clock();

  /** A world for a test, which it ends with. */
  constructor(t) {
    this.clock.install();
    t.after(() => this.clock.uninstall());
    const world = this;
    this.WebSocket = class extends FakeSocket {
      constructor(url, protocols) {
        super(world, url, protocols);
      }
    };
  }

  get socket() {
    return this.sockets.at(-1);
  }

  options(more = {}) {
    return {
      url: "ws://server",
      WebSocket: this.WebSocket,
      onError: (error) => this.errors.push(error),
      ...more,
    };
  }

  /** Answers the attempt to connect that is under way. */
  connect(clientId) {
    this.socket.accept();
    this.socket.welcome(clientId);
    return this.socket;
  }

  advance(ms) {
    return this.clock.advance(ms);
  }
}

/** Whether a promise is settled, and how. */
export async function state(promise) {
  const pending = Symbol("pending");
  const late = settle().then(() => pending);
  try {
    const value = await Promise.race([promise, late]);
    return value === pending ? "pending" : { value };
  } catch (error) {
    return { error };
  }
}
