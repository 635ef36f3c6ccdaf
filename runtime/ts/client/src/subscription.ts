/* A subscription to the state or to the events of an instance. */
import { STABLE_MS, backoff, timer, type Timer } from "./connection.js";
import type { ZocketError } from "./errors.js";
import type { Entry } from "./outbox.js";

/** Not asked for, or there is no connection. */
export const OFF = 0;
/** Refused for good: until a listener joins, or a new connection. */
export const CLOSED = 1;
/** Refused or ended for a temporary reason, or a patch did not fit: asked for again later. */
const WAITING = 2;
/** Asked for; nothing has come yet. */
const ASKED = 3;
/** A snapshot has come; patches apply. */
export const LIVE = 4;

export interface Subscription extends Entry {
  readonly is: number;
  /** A listener has joined. */
  joined(): void;
  /** A snapshot has come, or a sign that events will. */
  accepted(): void;
  /** Refused, ended by the server, or out of step with it. */
  refused(error: ZocketError): void;
  /** The connection is lost. Returns whether this was asked for on it. */
  lost(): boolean;
}

/** `write` sends a message about it; `onOff` is called when nobody listens any more. */
export function createSubscription(
  listeners: Set<unknown>,
  write: (verb: "sub" | "unsub") => void,
  onOff?: () => void,
): Subscription {
  let state = OFF;
  let attempts = 0; // refusals and ends since it was stable
  let askedAt = 0;
  let retry: Timer;

  function become(next: number): void {
    clearTimeout(retry);
    state = next;
  }

  function ask(): void {
    become(ASKED);
    askedAt = Date.now();
    write("sub");
  }

  return {
    get is() {
      return state;
    },
    send: () => {
      if (!listeners.size) {
        if (state !== OFF) write("unsub");
        become(OFF);
        onOff?.();
      } else if (state === OFF) {
        attempts = 0;
        ask();
      }
    },
    joined: () => {
      if (state === CLOSED) become(OFF);
    },
    accepted: () => {
      if (state !== OFF) become(LIVE);
    },
    refused: (error) => {
      if (state < ASKED) return;
      if (!error.retryable) return become(CLOSED);
      // What was accepted is asked for again at once the first time: an
      // instance has ended, and a new one is made.
      if (Date.now() - askedAt >= STABLE_MS) attempts = 0;
      if (state === ASKED) attempts ||= 1;
      become(WAITING);
      retry = timer(backoff(attempts++ - 1, error), ask);
    },
    lost: () => {
      const was = state;
      become(OFF);
      return was !== OFF;
    },
  };
}
