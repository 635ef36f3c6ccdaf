// A client that speaks the wire protocol by hand, and a server process for it.
// It is independent of the code under test.
import { spawn } from "node:child_process";
import { once } from "node:events";
import assert from "node:assert/strict";
import { setTimeout } from "node:timers/promises";
import WebSocket from "ws";

const PATIENCE_MS = 20000; // sanitizers are slow; no test waits this long
const SECRET_MIN = 6; // shorter texts may stand in a log by chance

// Tokens and cookies that clients of this process have sent; see keepSecrets.
const secrets = new Set();

/** Notes the secrets of a request: no server may write them into its log. */
function keepSecrets(url, protocols, { headers = {} } = {}) {
  const texts = [...new URL(url).searchParams.values(), ...[protocols].flat()];
  for (const [name, value] of Object.entries(headers)) {
    if (/^(authorization|cookie)$/i.test(name)) texts.push(...String(value).split(/[\s;=]+/));
  }
  for (const text of texts) {
    const secret = text.replace(/^bearer(64)?\./, "");
    if (secret.length >= SECRET_MIN && !/^zocket/.test(secret)) secrets.add(secret);
  }
}

/** Notes a secret that is sent in another way. */
export function keepSecret(text) {
  secrets.add(text);
  return text;
}

/** Checks that a log, which has a line for each call, tells no secret. */
function checkLog(log) {
  assert.doesNotMatch(log, /authorization|cookie|bearer/i);
  for (const secret of secrets) {
    assert.ok(!log.includes(secret), `the log has ${secret}`);
  }
}

/**
 * Starts a server program on a free port, unless @args name listeners; resolves
 * when it listens on a port. Its log has every call, and is searched for secrets
 * of clients at the end. The server ends with @scope, a test or any object
 * with `after`: a failing test leaves no server behind, which would delay the
 * end of the run.
 */
export async function startServer(scope, program, args = []) {
  const port = args.includes("--listen") ? [] : ["--port", "0"];
  const child = spawn(program, [...port, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ZOCKET_LOG_LEVEL: "debug", ...process.env },
  });
  scope.after(() => {
    child.kill("SIGKILL");
    checkLog(log);
  });
  let log = "";
  const url = await new Promise((resolve, reject) => {
    const look = (chunk) => {
      log += chunk;
      const found = /(?:^|")listening on (wss?:\/\/[^\s"]+)/m.exec(log);
      if (found) resolve(found[1]);
    };
    child.stdout.on("data", look);
    child.stderr.on("data", look);
    child.on("error", reject);
    child.on("close", (code) => reject(new Error(`exit ${code}: ${log}`)));
  });
  child.removeAllListeners("close");
  return {
    url,
    child,
    log: () => log,
    /** Resolves with the match when the log has it, which may be a moment
     * after the peer's answer. */
    async logged(pattern) {
      while (!pattern.test(log)) await setTimeout(5);
      return pattern.exec(log);
    },
    /** Stops the server and checks that it ends properly. */
    async stop() {
      const ended = once(child, "exit");
      child.kill("SIGTERM");
      const timer = globalThis.setTimeout(() => child.kill("SIGKILL"), PATIENCE_MS);
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

  static async open(url, protocols = [], options = {}) {
    const peer = new Peer();
    keepSecrets(url, protocols, options);
    peer.socket = new WebSocket(url, protocols, options);
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
      const timer = globalThis.setTimeout(
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

  /** Makes a call; returns the result message and all messages before it. */
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

  /** Subscribes to the state and returns the snapshot. */
  async subscribe(actor, actorId) {
    this.send({ type: "state:sub", actor, actorId });
    const message = await this.next();
    assert.equal(message.type, "state:snapshot", JSON.stringify(message));
    assert.equal(message.actor, actor);
    assert.equal(message.actorId, actorId);
    return message.state;
  }

  /**
   * Returns the messages that have arrived at the end of a round trip to an
   * instance. The result does not overtake earlier messages of the instance, on
   * any thread.
   */
  async drain(actor, actorId, method, input) {
    const { before } = await this.call(actor, actorId, method, input);
    return before;
  }

  async close() {
    this.socket.close(1000);
    return this.closed;
  }
}

/**
 * Applies a patch as the TypeScript client does: `add` to an existing array
 * index overwrites it. Written from the description of the protocol alone.
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
