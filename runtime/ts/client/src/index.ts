/*
 * A client: its parts together, all instances in use, and the way of the
 * messages to them.
 *
 * There is one handle for an instance as long as anybody has it; instances that
 * have users, listeners or calls are kept.
 */
import { createCalls, type Calls, type Definition } from "./calls.js";
import { createLink, type Link, type Message, type Options } from "./connection.js";
import { received, type ZocketError } from "./errors.js";
import { createInstance, type Instance } from "./instance.js";
import { Listeners, type Report } from "./listeners.js";
import { named, type Listen, type Named } from "./named.js";
import { Outbox } from "./outbox.js";
import { createSubscription } from "./subscription.js";

export { ZocketError, isZocketError } from "./errors.js";

interface App {
  readonly actors: Named<{ readonly config: { readonly methods: Named<Definition> } }>;
  readonly connection?: { readonly query?: Named<string> };
}

/** What the parts of a client share. */
export interface Core {
  readonly link: Link;
  readonly outbox: Outbox;
  readonly report: Report;
  /** Instances that have users, listeners or calls. */
  readonly active: Set<Instance>;
  calls: Calls;
}

export function createClient(app: App | Options, given?: Options): object {
  const options = given ?? (app as Options);
  const { onError: report = globalThis.reportError ?? console.error } = options;
  const { actors, connection } = app as Partial<App>;
  const active = new Set<Instance>();
  const instances = new Map<string, WeakRef<Instance>>();
  const collected = new FinalizationRegistry<string>((key) => {
    if (!instances.get(key)?.deref()) instances.delete(key);
  });

  const link = createLink(options, connection?.query, { opened: () => outbox.flush(), lost, received: receive }, report);
  const outbox = new Outbox(link);
  const core = { link, outbox, report, active } as Core;
  const calls = (core.calls = createCalls(core, options));

  const broadcasts: Listeners = new Listeners(report, (hasJoined) => {
    if (hasJoined) link.wake();
    outbox.later(hearing);
  });
  const hearing = createSubscription(broadcasts, (verb) => {
    if (link.level) link.send({ type: `broadcast:${verb}` }); // others know none
  });

  /** Returns the instance; if there is none, a new one of that actor, or none. */
  function find(actor: string, actorId: string, definition?: true): Instance;
  function find(actor: unknown, actorId: unknown): Instance | undefined;
  function find(actor: any, actorId: any, isWanted?: true): Instance | undefined {
    const key = JSON.stringify([actor, actorId]);
    let instance = instances.get(key)?.deref();
    if (!instance && isWanted) {
      instance = createInstance(core, { actor, actorId }, actors?.[actor]?.config.methods);
      instances.set(key, new WeakRef(instance));
      collected.register(instance, key);
    }
    return instance;
  }

  /** Subscriptions that were made precede the messages that wait. */
  function lost(error: ZocketError, wasOpen: boolean, isFinal: boolean): void {
    const all = [...active];
    if (wasOpen) {
      hearing.lost();
      outbox.precede([...all.flatMap((instance) => instance.lost()), hearing]);
    }
    calls.lost(error, isFinal);
    if (isFinal && error.code !== "CANCELLED") for (const instance of all) instance.refuse(error);
  }

  function receive(message: Message): void {
    const { type } = message;
    if (type === "broadcast") broadcasts.tell(message.event, message.payload);
    else if (type === "error") report(received(message));
    else if (/^rpc:/.test(type)) calls.receive(message);
    else if (type === "welcome") {
      hearing.lost(); // a plain server says late what it knows
      outbox.later(hearing);
    } else find(message.actor, message.actorId)?.receive(message);
  }

  if (options.connect !== false) link.connect();
  const own = {
    connection: link,
    get clientId() {
      return link.clientId;
    },
    get $ready() {
      return link.ready;
    },
    get $status() {
      return link.status;
    },
    $close: link.close,
    $handle: (actor: string, id: string) => find(actor, id, true).handle,
    on: (event: string, listener: Listen) =>
      event === "status" ? link.subscribe(listener) : broadcasts.listen(listener, undefined, event),
  };
  return named(own, actors, (actor) => (id: string) => {
    const instance = find(actor, id, true);
    instance.retain();
    return instance.handle;
  });
}
