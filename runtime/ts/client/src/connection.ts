/*
 * The connection of a client: attempts to connect, the backoff between them,
 * and what ends it all.
 *
 * Our servers admit a client after the handshake: a connection to one is open
 * when its `welcome` has come. Plain Zocket may send that only after the first
 * message: a connection to it is open at once. The selected subprotocol tells
 * which is which. Most plain servers answer with the first name of any offer,
 * so that is `zocket`; ours prefer `zocket.rfc6902`. A server that answers with
 * none is one that browsers leave: until a connection has been open, every
 * other attempt offers none.
 */
import type { ClientOptionsBase, ConnectionStatus } from "../index.js";
import { ZocketError, isZocketError, received, type Failure } from "./errors.js";
import { Listeners, type Report } from "./listeners.js";

export interface Message extends Failure {
  readonly [key: string]: any;
}

export type Options = ClientOptionsBase & { params?: unknown };
export type Timer = ReturnType<typeof setTimeout> | undefined;

const DIALECT = "zocket.rfc6902";
export const STABLE_MS = 5000; // what is this old begins at the first delay

/** Of the close codes from 4400 on: failures that another attempt would not mend. */
const FINAL = ["INVALID_ARGUMENT", "UNAUTHENTICATED", , "PERMISSION_DENIED", "NOT_FOUND"];

/** Timers take no more than 2^31 - 1 ms. */
export function timer(ms: number, call: () => void): Timer {
  return setTimeout(call, Math.min(ms, 2 ** 31 - 1));
}

/** A delay that doubles up to 2 s, of which up to half is left out at random. It is added to the time that a server
 * has asked for: all of its clients have read the same. */
export function backoff(attempts: number, { retryAfterMs = 0 }: ZocketError): number {
  const delay = attempts < 0 ? 0 : Math.min(250 * 2 ** attempts, 2000) * (1 - Math.random() / 2);
  return delay + Math.min(retryAfterMs > 0 ? retryAfterMs : 0, 300_000);
}

/** The subprotocol that carries a token; its name is a token of RFC 9110, section 5.6.2. */
function bearer(token: string): string {
  if (/^[\w.~-]+$/.test(token)) return `bearer.${token}`;
  const text = btoa(String.fromCharCode(...new TextEncoder().encode(token)));
  return `bearer64.${text.replace(/[+/=]/g, (c) => ({ "+": "-", "/": "_" })[c] ?? "")}`;
}

/** A message is an object in text. */
function parse(data: string): Message {
  try {
    return Object(JSON.parse(data));
  } catch {
    return {};
  }
}

export interface Link {
  status: ConnectionStatus;
  clientId: string | null;
  refusal: ZocketError | undefined;
  /** Why no call can be made, now and later. */
  verdict: ZocketError | undefined;
  /** Of the server's `welcome`; 0: it knows no messages but those of Zocket. */
  level: number;
  isPlain: boolean;
  isOpen: boolean;
  /** Connections that were open, with this one. */
  count: number;
  readonly ready: Promise<void>;
  subscribe(listener: (status: ConnectionStatus) => void): () => void;
  connect(): void;
  /** Connects, unless that is known to be in vain. */
  wake(): void;
  send(message: object | string): void;
  close(): void;
}

export interface Owner {
  /** Messages that wait can be sent. */
  opened(): void;
  /** The connection is lost, if it was open. */
  lost(error: ZocketError, wasOpen: boolean, isFinal: boolean): void;
  received(message: Message): void;
}

export function createLink(
  options: Options,
  keys: { readonly [name: string]: string } | undefined,
  owner: Owner,
  report: Report,
): Link {
  const { url = "/", connectTimeout = 10_000, reconnect = true, reconnectDelayMs, token, params } = options;
  const { WebSocket = globalThis.WebSocket } = options;
  const listeners = new Listeners(report);
  let socket: InstanceType<typeof WebSocket> | undefined;
  let next: Timer; // the end of the attempt, or the next one
  let isBusy = false; // with an attempt, a connection, or the time before one
  let isClosed = !WebSocket;
  let isGreeted = false; // the handshake is over
  let offersNone = false;
  let isRenewed = false; // another token was asked for
  let number = 0; // of the attempt
  let attempts = 0; // since a connection was stable
  let openedAt = 0;
  let ready: Promise<void> | undefined;
  let settle: (error?: ZocketError) => void = () => {}; // it

  function become(status: ConnectionStatus): void {
    if (link.status !== status) {
      link.status = status;
      listeners.show(() => link.status);
    }
  }

  /** Calls `late` after the time of an attempt. */
  function limit(late: (error: ZocketError) => void): Timer {
    const error = new ZocketError("DEADLINE_EXCEEDED", `WebSocket did not connect within ${connectTimeout}ms`);
    return connectTimeout > 0 ? timer(connectTimeout, () => late(error)) : undefined;
  }

  function awaitReady(): Promise<void> {
    const promise = new Promise<void>((resolve, reject) => {
      const late = limit((error) => settle(error));
      settle = (error) => {
        clearTimeout(late);
        if (error) {
          ready = undefined;
          reject(error);
        } else resolve();
      };
    });
    promise.catch(() => {}); // who does not wait for it need not know
    if (link.isOpen || link.verdict) queueMicrotask(() => settle(link.verdict));
    return promise;
  }

  // ---- connecting ----

  function connect(): void {
    if (isBusy || isClosed) return;
    isBusy = true;
    isRenewed = false;
    link.verdict = undefined;
    become("connecting");
    void attempt();
  }

  async function attempt(): Promise<void> {
    const mine = ++number;
    next = limit(lose);
    try {
      const bearing = typeof token === "function" ? await token({ again: isRenewed }) : token;
      if (mine === number) open(bearing);
    } catch (cause) {
      if (mine !== number) return;
      lose(isZocketError(cause) ? cause : new ZocketError("UNAVAILABLE", String(cause), { cause }));
    }
  }

  function open(bearing: string | null | undefined): void {
    const target = new URL(url, globalThis.location?.href);
    target.protocol = target.protocol.replace("http", "ws");
    for (const [name, value] of Object.entries(params ?? {})) {
      if (value != null) target.searchParams.set(keys?.[name] ?? name, value);
    }
    const offers = offersNone ? [] : ["zocket", DIALECT];
    if (bearing) offers.push(bearer(bearing));
    const opened = new WebSocket!(target.href, offers);
    let refusal: Message | undefined;
    socket = opened;
    isGreeted = false;
    opened.onopen = () => {
      isGreeted = true;
      link.isPlain = opened.protocol !== DIALECT;
      link.level = 0;
      if (link.isPlain) begin();
    };
    opened.onmessage = ({ data }: { data: string }) => {
      const message = parse(data);
      if (message.type === "welcome") welcome(message);
      else if (link.isOpen) owner.received(message);
      else if (message.type === "error") refusal = message;
    };
    opened.onerror = () => {}; // the close says more
    opened.onclose = ({ code, reason }: { code: number; reason: string }) =>
      lose(received({ error: reason || "WebSocket closed", ...refusal }, FINAL[code - 4400] ?? "UNAVAILABLE"), token);
  }

  function welcome(message: Message): void {
    link.clientId = message.clientId;
    link.level = Number(message.level) || 0;
    offersNone &&= !link.level;
    if (link.isOpen) owner.received(message);
    else begin();
  }

  function begin(): void {
    clearTimeout(next);
    link.isOpen = true;
    link.count++;
    link.refusal = undefined;
    openedAt = Date.now();
    owner.opened();
    if (link.isOpen) {
      settle();
      become("connected");
    }
  }

  // ---- the end ----

  /** If another token may help, `renews` makes one. */
  function lose(error: ZocketError, renews?: unknown): void {
    const { isOpen } = link;
    forget();
    if (isOpen) ready = undefined;
    if (isOpen && Date.now() - openedAt >= STABLE_MS) {
      attempts = 0;
      isRenewed = false;
    }
    if (!isGreeted && !link.count && !token) offersNone = !offersNone;
    const isStale = error.code === "UNAUTHENTICATED" && typeof renews === "function" && !isRenewed;
    const isFinal = isClosed || !reconnect || (FINAL.includes(error.code) && !isStale);
    link.refusal = error;
    isBusy = !isFinal;
    if (isFinal) {
      link.verdict = error;
    } else {
      isRenewed ||= isStale;
      next = timer(reconnectDelayMs ?? backoff(isStale ? -1 : attempts++, error), attempt);
    }
    owner.lost(error, isOpen, isFinal);
    if (isFinal) settle(error);
    if (isFinal ? !isBusy : isOpen) become(isFinal ? "disconnected" : "reconnecting");
  }

  function forget(): void {
    clearTimeout(next);
    number++;
    link.isOpen = false;
    link.clientId = null;
    if (socket) {
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close(1000);
      socket = undefined;
    }
  }

  const link: Link = {
    status: "connecting",
    clientId: null,
    refusal: undefined,
    verdict: WebSocket ? undefined : new ZocketError("UNAVAILABLE", "no WebSocket here"),
    level: 0,
    isPlain: true,
    isOpen: false,
    count: 0,
    get ready() {
      link.wake();
      return (ready ??= awaitReady());
    },
    subscribe: (listener) => listeners.listen(listener),
    connect,
    wake: () => {
      if (!link.verdict) connect();
    },
    send: (message) => socket!.send(typeof message === "string" ? message : JSON.stringify(message)),
    close: () => {
      if (isClosed) return;
      isClosed = true;
      lose(new ZocketError("CANCELLED", "WebSocket client closed"));
    },
  };
  return link;
}
