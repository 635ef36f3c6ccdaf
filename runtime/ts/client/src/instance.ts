/*
 * An instance as the program sees it: its users, listeners and calls, its state
 * as the server has said it, and what is shown of it.
 *
 * Shown is the state with the guesses of the calls under way on top of it, in
 * the order of the calls. A guess ends with the message that has the changes of
 * its call in it, which the server says, or else with the call. While the state
 * is not current, what is shown stays: guesses that end meanwhile are in it, and
 * nobody knows better until the next snapshot; new ones are put on top.
 */
import type { CallOptions } from "../index.js";
import type { Definition, Pending } from "./calls.js";
import type { Core } from "./index.js";
import type { Message } from "./connection.js";
import { ZocketError, received } from "./errors.js";
import { Listeners } from "./listeners.js";
import { named, type Listen, type Named } from "./named.js";
import { applyPatch, frozen } from "./store.js";
import { CLOSED, LIVE, OFF, createSubscription, type Subscription } from "./subscription.js";

export interface Instance {
  /** What the program has of it. */
  readonly handle: object;
  readonly address: { readonly actor: string; readonly actorId: string };
  retain(): void;
  /** Sends a message about it. */
  send(message: object | string): void;
  began(call: Pending): void;
  ended(call: Pending): void;
  /** The connection is lost. Returns what was asked for on it. */
  lost(): Subscription[];
  /** Tells those who listen for it that the connection is refused. */
  refuse(error: ZocketError): void;
  receive(message: Message): void;
}

export function createInstance(
  { link, outbox, report, active, calls: all }: Core,
  address: Instance["address"],
  methods: Named<Definition> | undefined,
): Instance {
  let users = 0;
  let contact = 0; // the connection on which the server knows that we are here
  const calls = new Set<Pending>();

  const watchers = new Listeners(report, (hasJoined) => changed(states, hasJoined));
  const hearers = new Listeners(report, (hasJoined) => changed(events, hasJoined));
  const states = createSubscription(watchers, (verb) => tell(`state:${verb}`), forget);
  const events = createSubscription(hearers, (verb) => tell(`event:${verb}`));

  function changed(subscription: Subscription, hasJoined: boolean): void {
    if (hasJoined) {
      link.wake();
      subscription.joined();
    }
    outbox.later(subscription);
    touch();
  }

  function send(message: object | string): void {
    contact = link.count;
    link.send(message);
  }

  function tell(type: string): void {
    send({ type, ...address });
  }

  // ---- users ----

  /** Listeners and calls are users as well, but after the last `dispose`. */
  function touch(isDisposed = false): void {
    active.add(instance);
    if (users > 0) return;
    setTimeout(() => {
      if (users > 0) return;
      if (isDisposed) {
        watchers.clear();
        hearers.clear();
        outbox.later(events);
        outbox.later(states);
      }
      if (watchers.size + hearers.size + calls.size === 0) leave();
    });
  }

  /** The server is told, if it knows of us. Leaving ends the subscriptions. */
  function leave(): void {
    if (!active.delete(instance) || !link.level || contact !== link.count) return;
    for (const subscription of [events, states]) {
      subscription.lost();
      outbox.delete(subscription);
    }
    forget();
    outbox.later({
      send: () => {
        if (contact === link.count) tell("leave");
      },
    });
  }

  function retain(): void {
    users++;
    active.add(instance);
  }

  function dispose(): void {
    if (users > 0 && --users === 0) touch(true);
  }

  // ---- what is shown ----

  let base: unknown;
  let view: unknown;
  let held: unknown; // what was shown when the state ceased to be current
  const guesses = new Map<Pending, unknown>(); // what was held with them in it

  function show(): void {
    view = held ?? base;
    for (const [call, within] of view === undefined ? [] : guesses) {
      if (held !== undefined && within) continue;
      try {
        view = frozen(call.optimistic!(view));
      } catch (error) {
        guesses.delete(call);
        report(error);
      }
    }
    watchers.show(() => view);
  }

  /** Keeps what is shown until the next snapshot. */
  function hold(): void {
    held = view;
    for (const call of guesses.keys()) guesses.set(call, true);
  }

  function forget(): void {
    base = held = undefined;
    show();
  }

  // ---- messages ----

  function refuse(error: ZocketError, of?: unknown): void {
    const isTold = [of !== "events" && watchers.refuse(error), of !== "state" && hearers.refuse(error)];
    if (!isTold.includes(true) && !error.retryable) report(error);
  }

  function fail(error: ZocketError, of: unknown = "state"): void {
    if (of !== "state") events.refused(error);
    if (of !== "events") {
      hold();
      states.refused(error);
      if (states.is === CLOSED) forget();
    }
    refuse(error, of);
  }

  function patch({ patches }: Message): void {
    if (states.is !== LIVE) return; // a snapshot is on its way
    try {
      base = applyPatch(base, patches, link.isPlain);
    } catch {
      fail(new ZocketError("ABORTED", "the patch does not fit"));
    }
  }

  function update(message: Message): void {
    if (message.type === "state:patch") patch(message);
    else {
      base = frozen(message.state);
      held = undefined;
      states.accepted();
    }
    for (const call of [...guesses.keys()]) {
      if (([] as unknown[]).concat(message.calls).includes(call.id)) guesses.delete(call);
    }
    show();
  }

  // ---- what the program has ----

  const { actor, actorId } = address;
  const own = {
    on: (event: unknown, listener: Listen, onError?: Listen) => hearers.listen(listener, onError, event),
    state: {
      subscribe: (listener: Listen, onError?: Listen) => {
        const end = watchers.listen(listener, onError);
        watchers.show(() => view);
        return end;
      },
      getSnapshot: () => view,
      getConfirmed: () => base,
      getStatus: () => {
        if (view !== undefined) return states.is === LIVE ? "live" : "stale";
        return link.verdict || states.is === CLOSED ? "refused" : "waiting";
      },
    },
    meta: { name: actor, id: actorId, retain, dispose },
    $actorName: actor,
    $actorId: actorId,
    $dispose: dispose,
  };

  const instance: Instance = {
    address,
    handle: named(own, methods, (method) => (input?: unknown, settings: CallOptions<unknown, unknown> = {}) => all.begin(instance, method, methods?.[method], input, settings)),
    retain,
    send,
    began: (call) => {
      calls.add(call);
      touch();
      if (call.optimistic) {
        guesses.set(call, false);
        show();
      }
    },
    ended: (call) => {
      calls.delete(call);
      if (guesses.delete(call)) show();
      touch();
    },
    lost: () => {
      hold();
      return [events, states].filter((subscription) => subscription.lost());
    },
    refuse,
    receive: (message) => {
      const { type } = message;
      if (type === "event") hearers.tell(message.event, message.payload);
      if (type === "event" || type === "sub:ok") events.accepted();
      if (type === "sub:error") fail(received(message), message.of ?? "both");
      if (/^state:(snapshot|patch)$/.test(type) && states.is !== OFF) update(message);
    },
  };
  return instance;
}
