/*
 * A client of zocketc servers, and of those of TypeScript Zocket, for browsers,
 * workers, Node, Deno and Bun. What `zocketc --ts` writes for a schema gives
 * its types; it also takes those of `createApp` of Zocket.
 *
 *     import { createClient } from "@zocketc/client";
 *     import { app } from "./chat.gen.js";
 *
 *     const client = createClient(app, { url: "ws://localhost:3000" });
 *     const room = client.chat("general");
 *     room.state.subscribe((state) => console.log(state.topic));
 *     await room.say({ text: "hi" });
 */

// ---- connecting ----

/** Of a client: never called with the current status, only with changes. */
export type ConnectionStatus = "connecting" | "connected" | "reconnecting" | "disconnected";

type Maybe<T> = T | PromiseLike<T>;

/** The part of the interface of a WebSocket that a client uses. */
export interface WebSocketLike {
  readonly protocol: string;
  onopen: ((event: any) => void) | null;
  onmessage: ((event: any) => void) | null;
  onclose: ((event: any) => void) | null;
  onerror: ((event: any) => void) | null;
  send(text: string): void;
  close(code?: number, reason?: string): void;
}

type Token = string | null | ((attempt: { readonly again: boolean }) => Maybe<string | null | undefined>);

export interface ClientOptionsBase {
  /** `ws:`, `wss:`, `http:` or `https:`, or relative to the page; missing: the server of the page. */
  url?: string | URL | undefined;
  /**
   * Sent with the handshake as a subprotocol. A function is called before each attempt to connect; after a
   * refusal with UNAUTHENTICATED once more, at once, with `again`. If it fails, the attempt has; with the code
   * UNAUTHENTICATED, PERMISSION_DENIED, INVALID_ARGUMENT or NOT_FOUND the client gives up.
   */
  token?: Token | undefined;
  /** Of a call, in ms: waiting for the connection and the answer; 0: none. 10000. `timeout` of a call precedes. */
  rpcTimeout?: number | undefined;
  /** Of an attempt to connect, and of `$ready`, in ms; 0: none. 10000. */
  connectTimeout?: number | undefined;
  /** Whether to come back after a loss or a failed attempt: after 250 ms, then twice as long up to 2 s, of which
   * up to half is left out at random. true. */
  reconnect?: boolean | undefined;
  /** Instead of these delays, in ms. */
  reconnectDelayMs?: number | undefined;
  /** false: connects at the first call or subscription. true. */
  connect?: boolean | undefined;
  /** Of calls without a connection: they wait for one (as program order has it), or fail at once. "wait". */
  queue?: "wait" | "fail" | undefined;
  /** Messages that wait for a connection, at most: then calls fail with RESOURCE_EXHAUSTED. 1000. */
  queueLimit?: number | undefined;
  /** For want of a global one, as in Node before 22: that of the package `ws`. */
  WebSocket?: (new (url: string, protocols?: string[]) => WebSocketLike) | undefined;
  /** Gets what listeners and guesses throw, and refusals for which no listener asks. Missing: `reportError` of the
   * page, or the console. */
  onError?: ((error: unknown) => void) | undefined;
}

/** With the parameters of the connection that a URL has, and a token where the schema requires them. */
export type ClientOptions<App> = ClientOptionsBase &
  ({} extends ParamsOf<App> ? { params?: ParamsOf<App> | undefined } : { params: ParamsOf<App> }) &
  (App extends { readonly connection: { readonly token: "required" } } ? { token: Token } : {});

export interface Connection {
  readonly status: ConnectionStatus;
  /** The server's name for this connection; null before its `welcome` and without a connection. */
  readonly clientId: string | null;
  /** Why there is no connection; undefined while there is. */
  readonly refusal: ZocketError | undefined;
  /**
   * Resolves when the client is connected. Rejects when it gives up or is closed, and after `connectTimeout`,
   * though attempts go on; read then, it is another promise.
   */
  readonly ready: Promise<void>;
  subscribe(listener: (status: ConnectionStatus) => void): () => void;
  /** Connects, if `connect` was false, or anew after the client has given up. */
  connect(): void;
  /** Ends the client for good: its calls fail with CANCELLED, its subscriptions end. */
  close(): void;
}

// ---- errors ----

/** A failure of a call, of a subscription or of the connection. */
export interface ZocketError<Reason extends string | undefined = string | undefined, Details = unknown>
  extends Error {
  readonly name: "ZocketError";
  /** As the protocol has it: "NOT_FOUND"; "INTERNAL" from servers without codes. */
  readonly code: string;
  /** The name of the error, if the schema declares it. */
  readonly reason: Reason;
  readonly details: Details;
  /** Whether trying again may help. */
  readonly retryable: boolean;
  /** When to try again, in ms, if the server said it. */
  readonly retryAfterMs: number | undefined;
  /** Of a wrong input: every failure. */
  readonly issues: readonly Issue[] | undefined;
  /** Of a call: whether the server may have run it, though nobody knows its result. */
  readonly maybeRan: boolean;
}

export interface Issue {
  readonly code: string;
  readonly path: readonly (string | number)[];
  readonly message: string;
}

export const ZocketError: {
  readonly prototype: ZocketError;
  new (code: string, message?: string, more?: Partial<Omit<ZocketError, keyof Error | "code">>): ZocketError;
};

type Declared<Failures> = Failures extends { readonly reason: infer Reason extends string }
  ? ZocketError<Reason, Failures extends { readonly details: infer Details } ? Details : undefined>
  : never;

/** The errors that a method declares, and all others, whose reason is undefined. */
export type CallError<Failures> = Declared<Failures> | ZocketError<undefined, undefined>;

/** Whether something that was caught is a failure of the client or server; with a method also which. */
export function isZocketError<Failures>(
  error: unknown,
  method: (...args: any[]) => Call<any, Failures>,
): error is CallError<Failures>;
export function isZocketError(error: unknown): error is ZocketError;

// ---- calls ----

export type Settled<Result, Failures> =
  | { readonly ok: true; readonly value: Result; readonly error?: undefined }
  | { readonly ok: false; readonly error: CallError<Failures>; readonly value?: undefined };

/** A call under way, which was sent when it was made. */
export interface Call<Result, Failures = never> extends Promise<Result> {
  /** Never rejects. */
  settled(): Promise<Settled<Result, Failures>>;
}

/** A call with chunks. Each is read once; leaving the loop cancels the call. */
export interface StreamCall<Chunk, Result, Failures = never> extends Call<Result, Failures> {
  [Symbol.asyncIterator](): AsyncIterator<Chunk, Result, undefined>;
}

export interface CallOptions<State = unknown, Progress = never> {
  /** Cancels the call, at the server as well. */
  signal?: AbortSignal | undefined;
  /** In ms, instead of `rpcTimeout`; 0: none. A stream may last longer once its first chunk has come. */
  timeout?: number | undefined;
  /** Gets how far the call is; of several reports perhaps only the last. */
  onProgress?: ([Progress] extends [never] ? never : (progress: Progress) => void) | undefined;
  queue?: "wait" | "fail" | undefined;
  /**
   * The state as it is expected after the call, shown until the server has said how it is. Gets a state that it must
   * not change, and returns another; is called again whenever the state below it changes.
   */
  optimistic?: ((state: State) => State) | undefined;
}

type Method<Definition, State> = Definition extends { readonly input: infer Input }
  ? {} extends InputOf<Input>
    ? (input?: InputOf<Input>, options?: CallOptions<State, ProgressOf<Definition>>) => CallOf<Definition>
    : (input: InputOf<Input>, options?: CallOptions<State, ProgressOf<Definition>>) => CallOf<Definition>
  : (input?: undefined, options?: CallOptions<State, ProgressOf<Definition>>) => CallOf<Definition>;

type CallOf<Definition> = Definition extends { readonly stream: infer Chunk }
  ? StreamCall<OutputOf<Chunk>, ResultOf<Definition>, FailuresOf<Definition>>
  : Call<ResultOf<Definition>, FailuresOf<Definition>>;

// ---- instances ----

export interface ActorState<State> {
  /**
   * Calls `listener` with the state, if it is known, and with each new one. `onError` gets a refusal, and the end of a
   * subscription; for a temporary reason it is asked for again. Returns a function that ends it.
   */
  subscribe(listener: (state: State) => void, onError?: (error: ZocketError) => void): () => void;
  /** What is shown: the state as the server has said it, and on it the changes that calls expect. It is the same
   * object until it changes, and so are all of its parts; undefined before it is known. */
  getSnapshot(): State | undefined;
  /** The state as the server has said it. */
  getConfirmed(): State | undefined;
  /** waiting: not known yet; stale: not current, for want of a connection; refused: it will not come. */
  getStatus(): "waiting" | "live" | "stale" | "refused";
}

export interface ActorMeta {
  readonly name: string;
  readonly id: string;
  /** Counts one more user, as `client.ACTOR(id)` does. */
  retain(): void;
  /**
   * Counts one user less. A tick after the last one all listeners are gone and the instance is left, which runs its
   * hook `disconnect`; calls under way are waited for. The handle works on: what uses it makes contact anew.
   */
  dispose(): void;
}

export interface ActorHandleBase<Actor> {
  readonly state: ActorState<StateOf<Actor>>;
  readonly meta: ActorMeta;
  /** Returns a function that ends it. `onError` is that of `state.subscribe`. */
  on<Event extends keyof EventsOf<Actor>>(
    event: Event,
    listener: (payload: OutputOf<EventsOf<Actor>[Event]>) => void,
    onError?: (error: ZocketError) => void,
  ): () => void;
  /** @deprecated `meta.name` */
  readonly $actorName: string;
  /** @deprecated `meta.id` */
  readonly $actorId: string;
  /** @deprecated `meta.dispose` */
  readonly $dispose: () => void;
}

/** An instance, with its methods: each is the same function every time. */
export type ActorHandle<Actor> = ActorHandleBase<Actor> & {
  readonly [Name in keyof MethodsOf<Actor>]: Method<MethodsOf<Actor>[Name], StateOf<Actor>>;
};

// ---- the client ----

export interface ClientBase<App> {
  readonly connection: Connection;
  /** Those of `connection`. */
  readonly clientId: string | null;
  readonly $ready: Promise<void>;
  readonly $status: ConnectionStatus;
  readonly $close: () => void;
  /** A handle that is not counted: it is kept while it has listeners or calls. For code that may never be undone, as
   * that which renders. */
  $handle<Name extends keyof ActorsOf<App>>(actor: Name, id: string): ActorHandle<ActorsOf<App>[Name]>;
  on(event: "status", listener: (status: ConnectionStatus) => void): () => void;
  /** Listens to a broadcast. */
  on<Name extends keyof BroadcastsOf<App>>(
    broadcast: Name,
    listener: (payload: OutputOf<BroadcastsOf<App>[Name]>) => void,
  ): () => void;
}

/** A function for each actor, which returns the handle of an instance: the same for all of its users. */
export type Client<App> = ClientBase<App> & {
  readonly [Name in keyof ActorsOf<App>]: (id: string) => ActorHandle<ActorsOf<App>[Name]>;
};

/** An app as `zocketc --ts` writes it, or as `createApp` of Zocket returns it. */
export interface AppShape {
  readonly actors: object;
}

/** Connects to the server of an app. Names that the app does not have are undefined. */
export function createClient<App extends AppShape>(app: App, options: ClientOptions<App>): Client<App>;
/** As Zocket's: the app is a type alone, `createClient<App>` or `createClient<typeof app>`; every name is good. */
export function createClient<App extends AppShape>(options: ClientOptions<App>): Client<App>;

// ---- types of an app ----

/** A type of a schema, by the Standard Schema. */
export type InputOf<Schema> = Schema extends { readonly "~standard": { readonly types?: infer Types } }
  ? NonNullable<Types> extends { readonly input: infer Input } ? Input : unknown
  : unknown;
export type OutputOf<Schema> = Schema extends { readonly "~standard": { readonly types?: infer Types } }
  ? NonNullable<Types> extends { readonly output: infer Output } ? Output : unknown
  : unknown;

export type ActorsOf<App> = App extends { readonly actors: infer Actors } ? Actors : {};
export type BroadcastsOf<App> = App extends { readonly broadcasts: infer Broadcasts } ? Broadcasts : {};
export type ParamsOf<App> = App extends { readonly connection: { readonly params: infer Params } }
  ? InputOf<Params>
  : {};
export type StateOf<Actor> = Actor extends { readonly config: { readonly state: infer State } } ? OutputOf<State> : unknown;
export type MethodsOf<Actor> = Actor extends { readonly config: { readonly methods: infer Methods } } ? Methods : {};
export type EventsOf<Actor> = Actor extends { readonly config: { readonly events: infer Events } } ? Events : {};
export type ResultOf<Definition> = Definition extends { readonly handler: (...args: any[]) => infer Result }
  ? Awaited<Result>
  : unknown;
export type FailuresOf<Definition> = Definition extends { readonly errors: infer Failures } ? OutputOf<Failures> : never;
export type ProgressOf<Definition> = Definition extends { readonly progress: infer Progress } ? OutputOf<Progress> : never;
