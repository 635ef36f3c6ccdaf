// A client that speaks the wire protocol by hand, and a server process to
// speak it to. Nothing here knows the code under test.
import { spawn } from "node:child_process";
import { once } from "node:events";
import assert from "node:assert/strict";
import WebSocket from "ws";

const PATIENCE_MS = 20000; // sanitizers are slow; no test waits this long

/**
 * Starts a server program on a free port; resolves when it listens. It ends
 * with @scope, a test or whatever else has `after`: one that fails leaves no
 * server behind, for which everybody would wait.
 */
export async function startServer(scope, program, args = []) {
  const child = spawn(program, ["--port", "0", ...args], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  scope.after(() => child.kill("SIGKILL"));
  let log = "";
  const url = await new Promise((resolve, reject) => {
    const look = (chunk) => {
      log += chunk;
      const found = /^listening on (ws:\/\/\S+)$/m.exec(log);
      if (found) resolve(found[1]);
    };
    child.stdout.on("data", look);
    child.stderr.on("data", look);
    child.on("error", reject);
    child.on("exit", (code) => reject(new Error(`exit ${code}: ${log}`)));
  });
  child.removeAllListeners("exit");
  return {
    url,
    child,
    log: () => log,
    /** Asks it to stop and checks that it does so in good order. */
    async stop() {
      const ended = once(child, "exit");
      child.kill("SIGTERM");
      const timer = setTimeout(() => child.kill("SIGKILL"), PATIENCE_MS);
      const [code, signal] = await ended;
      clearTimeout(timer);
      assert.equal(signal, null, log);
      assert.equal(code, 0, log);
    },
  };
}

export class Peer {
  #queue = [];
  #waiting = [];
  #calls = 0;

  static async open(url, protocols = []) {
    const peer = new Peer();
    peer.socket = new WebSocket(url, protocols);
    peer.closed = new Promise((resolve) => {
      peer.socket.on("close", (code, reason) =>
        resolve({ code, reason: reason.toString() }),
      );
    });
    peer.socket.on("message", (data, binary) => {
      assert.equal(binary, false, "a server sends text only");
      peer.#take(JSON.parse(data.toString()));
    });
    await once(peer.socket, "open");
    const welcome = await peer.next();
    assert.equal(welcome.type, "welcome");
    peer.id = welcome.clientId;
    return peer;
  }

  #take(message) {
    const waiter = this.#waiting.shift();
    if (waiter) waiter(message);
    else this.#queue.push(message);
  }

  /** The next message in the order of arrival. */
  next() {
    if (this.#queue.length > 0) return Promise.resolve(this.#queue.shift());
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error("no message came")),
        PATIENCE_MS,
      );
      this.#waiting.push((message) => {
        clearTimeout(timer);
        resolve(message);
      });
    });
  }

  sendText(text) {
    this.socket.send(text);
  }

  send(message) {
    this.sendText(JSON.stringify(message));
  }

  /** Sends a call and returns its id. */
  begin(actor, actorId, method, input) {
    const id = `rpc_${++this.#calls}_test`;
    this.send({ type: "rpc", id, actor, actorId, method, input });
    return id;
  }

  /** Calls, and gives the result message and all that came before it. */
  async call(actor, actorId, method, input) {
    const id = this.begin(actor, actorId, method, input);
    const before = [];
    for (;;) {
      const message = await this.next();
      if (message.type === "rpc:result" && message.id === id) {
        return { ...message, before };
      }
      before.push(message);
    }
  }

  /** Subscribes to state and gives the snapshot. */
  async subscribe(actor, actorId) {
    this.send({ type: "state:sub", actor, actorId });
    const message = await this.next();
    assert.equal(message.type, "state:snapshot", JSON.stringify(message));
    assert.equal(message.actor, actor);
    assert.equal(message.actorId, actorId);
    return message.state;
  }

  /**
   * Whatever has arrived when a round trip to an instance is over: what it has
   * said before is not overtaken, on whatever thread it lives.
   */
  async drain(actor, actorId, method) {
    const { before } = await this.call(actor, actorId, method);
    return before;
  }

  async close() {
    this.socket.close(1000);
    return this.closed;
  }
}

/**
 * Applies a patch as the TypeScript client does: `add` to an array index that
 * exists overwrites it. Written from the protocol's description alone.
 */
export function applyPlain(state, patches) {
  const root = { "": structuredClone(state) };
  for (const { op, path, value } of patches) {
    const steps = path
      .split("/")
      .map((s) => s.replaceAll("~1", "/").replaceAll("~0", "~"));
    const last = steps.length === 1 ? "" : steps.pop();
    let at = root;
    if (steps.length > 1 || last !== "" || path !== "") {
      for (const step of steps) at = at[step];
    }
    if (op === "remove") {
      if (Array.isArray(at)) at.splice(Number(last), 1);
      else delete at[last];
    } else if (Array.isArray(at) && last === "-") {
      at.push(structuredClone(value));
    } else {
      at[last] = structuredClone(value);
    }
  }
  return root[""];
}
