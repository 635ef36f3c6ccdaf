/*
 * Calls from their begin to their one end: a result, a timeout, cancelling, or
 * the end of the connection that they were sent on. A call that was sent is
 * never sent again, since a method may not be idempotent.
 */
import type { Call, CallOptions } from "../index.js";
import type { Core } from "./index.js";
import { timer, type Message, type Options, type Timer } from "./connection.js";
import { ZocketError, copied, received } from "./errors.js";
import type { Instance } from "./instance.js";
import type { Entry } from "./outbox.js";

const GRACE_MS = 500; // more for the answer of a server that has the same limit
const UNREAD_MAX = 65536; // chunks of a call

/** Of a method; undefined if the app is a type alone. */
export type Definition =
  | { readonly input?: unknown; readonly stream?: unknown; readonly timeoutMs?: number }
  | undefined;

type Settings = CallOptions<unknown, unknown>;

/** A call under way. */
export interface Pending extends Entry {
  readonly id: string;
  readonly optimistic: Settings["optimistic"];
  receive(message: Message): void;
  lost(error: ZocketError, isFinal: boolean): void;
}

export interface Calls {
  begin(instance: Instance, method: string, definition: Definition, input: unknown, settings: Settings): Call<unknown>;
  receive(message: Message): void;
  /** The connection is lost: with it those calls that were sent, or all. */
  lost(error: ZocketError, isFinal: boolean): void;
}

export function createCalls({ link, outbox, report }: Core, defaults: Options): Calls {
  const pending = new Map<unknown, Pending>();
  let count = 0;

  function absence(): string {
    return link.refusal ? `not connected: ${link.refusal.message}` : "not connected";
  }

  /** Why a call cannot begin. */
  function refusal({ signal, queue = defaults.queue }: Settings): ZocketError | undefined {
    if (link.verdict) return copied(link.verdict);
    if (signal?.aborted) return new ZocketError("CANCELLED", "the call was cancelled", { cause: signal.reason });
    if (link.isOpen) return undefined;
    if (queue === "fail") return new ZocketError("UNAVAILABLE", absence());
    if (outbox.size < (defaults.queueLimit ?? 1000)) return undefined;
    return new ZocketError("RESOURCE_EXHAUSTED", "too many calls wait");
  }

  function begin(instance: Instance, method: string, definition: Definition, input: unknown, settings: Settings) {
    const { signal, onProgress, optimistic } = settings;
    const { rpcTimeout = 10_000 } = defaults;
    const timeout = Math.ceil(settings.timeout ?? (rpcTimeout && Math.max(rpcTimeout, definition?.timeoutMs ?? 0)));
    const id = `rpc_${++count}`;
    const due = Date.now() + timeout;
    let text: string; // the message without its end
    let isSent = false;
    let isOver = false;
    const hasLimit = timeout > 0 && timeout < Infinity && definition && !definition.stream; // at the server as well
    let expiry: Timer;
    let resolve!: (value: unknown) => void;
    let reject!: (error: ZocketError) => void;
    const promise = new Promise((good, bad) => {
      resolve = good;
      reject = bad;
    });
    const chunks: unknown[] = []; // that no loop has read
    const loops: (() => void)[] = []; // that wait for one
    const wake = () => loops.splice(0).forEach((go) => go());
    const abort = () => abandon("CANCELLED", "the call was cancelled", signal?.reason);

    async function* read(): AsyncGenerator {
      try {
        for (;;) {
          if (chunks.length) yield chunks.shift();
          else if (isOver) return await promise;
          else await new Promise<void>((go) => loops.push(go));
        }
      } finally {
        abort();
      }
    }

    function finish(error: ZocketError | undefined, value?: unknown): void {
      isOver = true;
      pending.delete(id);
      outbox.delete(call);
      clearTimeout(expiry);
      signal?.removeEventListener("abort", abort);
      instance.ended(call);
      if (error) reject(error);
      else resolve(value);
      wake();
    }

    /** Ends the call here, and at the server, which may have it. */
    function abandon(code: string, message: string, cause?: unknown): void {
      if (isOver) return;
      if (isSent && link.level) link.send({ type: "rpc:cancel", id });
      finish(new ZocketError(code, message, { maybeRan: isSent, cause }));
    }

    function expire(): void {
      const message = `RPC "${method}" timed out after ${timeout}ms`;
      abandon("DEADLINE_EXCEEDED", isSent ? message : `${message}: ${absence()}`);
    }

    const call: Pending = {
      id,
      optimistic,
      send: () => {
        const limit = hasLimit ? `,"timeoutMs":${Math.max(due - Date.now(), 1)}` : "";
        isSent = true;
        instance.send(`${text}${limit}}`);
      },
      lost: (error, isFinal) => {
        if (isSent || isFinal) finish(copied(error, isSent));
      },
      receive: (message) => {
        const { type } = message;
        if (type === "rpc:result") {
          finish(message.error == null ? undefined : received(message), message.result);
        } else if (type === "rpc:progress") {
          try {
            onProgress?.(message.progress);
          } catch (thrown) {
            report(thrown);
          }
        } else if (type === "rpc:chunk") {
          clearTimeout(expiry); // it may last as long as it has chunks to come
          chunks.push(message.chunk);
          wake();
          if (chunks.length > UNREAD_MAX) abandon("RESOURCE_EXHAUSTED", "too many unread chunks");
        }
      },
    };

    link.wake();
    let error = refusal(settings);
    try {
      if (definition && !definition.input) input = undefined;
      // Written now, so that the program may change the input later.
      text = JSON.stringify({ type: "rpc", id, ...instance.address, method, input, optimistic: optimistic && true }).slice(0, -1);
    } catch (cause) {
      error ??= new ZocketError("INVALID_ARGUMENT", String(cause), { cause });
    }
    if (error) finish(error);
    else {
      pending.set(id, call);
      if (timeout > 0) expiry = timer(timeout + (hasLimit && link.isOpen ? GRACE_MS : 0), expire);
      signal?.addEventListener("abort", abort);
      instance.began(call);
      outbox.later(call);
      outbox.flush();
    }
    return Object.assign(promise, {
      settled: () => promise.then((value) => ({ value, ok: true }), (error) => ({ error, ok: false })),
      [Symbol.asyncIterator]: () => {
        promise.catch(() => {}); // the loop throws it
        return read();
      },
    }) as Call<unknown>;
  }

  return {
    begin,
    receive: (message) => pending.get(message.id)?.receive(message),
    lost: (error, isFinal) => pending.forEach((call) => call.lost(error, isFinal)),
  };
}
