/*
 * Claims about the types of the client, with the modules that zocketc writes for
 * examples/chat, test/e2e/flow.zkt and access.zkt, and with an app of Zocket's shape.
 */
import { createClient, isZocketError, ZocketError } from "@zocketc/client";
import type { Call, CallError, Client, ConnectionStatus, Settled, StreamCall } from "@zocketc/client";
import { app as chatApp } from "./chat.gen.js";
import type { App as ChatApp, ChatState, Member, Message, NotHereDetails, NotHereError, NotJoinedError, RoomFullDetails, RoomFullError } from "./chat.gen.js";
import { app as flowApp } from "./flow.gen.js";
import type { app as accessValue } from "./access.gen.js";

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function holds<_T extends true>(): void {}

// ---- the three ways to a client ----

const chat = createClient(chatApp, { url: "ws://x", params: { user: "ada" } });
const typed = createClient<ChatApp>({ url: "ws://x", params: { user: "ada" } });
const flow = createClient(flowApp, { params: { user: "ada" }, token: async ({ again }) => (again ? "b" : null) });
const access = createClient<typeof accessValue>({ url: new URL("ws://x") });
holds<Equal<typeof chat, Client<ChatApp>>>();
holds<Equal<typeof typed, Client<ChatApp>>>();

// @ts-expect-error the schema requires a user
createClient(chatApp, { url: "ws://x" });
// @ts-expect-error of another type
createClient(chatApp, { params: { user: 1 } });
// @ts-expect-error there is no such parameter
createClient(flowApp, { params: { user: "a", other: 1 } });
// @ts-expect-error no such option
createClient<typeof accessValue>({ retries: 3 });
createClient<typeof accessValue>({ params: { role: "host" } });
// @ts-expect-error not one of the values
createClient<typeof accessValue>({ params: { role: "king" } });

// ---- actors and methods ----

const room = chat.chat("general");
// @ts-expect-error there is no such actor
chat.nothing;
// @ts-expect-error an id is a string
chat.chat(1);
// @ts-expect-error there is no such method
room.nothing();
holds<Equal<ReturnType<typeof room.say>, Call<Message, NotJoinedError>>>();
holds<Equal<ReturnType<typeof room.leave>, Call<void, never>>>();
holds<Equal<Awaited<ReturnType<typeof room.join>>, Member>>();
room.say({ text: "hi" });
room.say({ text: "hi", replyTo: 1 });
// @ts-expect-error text is missing
room.say({});
// @ts-expect-error an input is required
room.say();
room.history(); // all of its parameters may be missing
room.history({});
room.history({ limit: 5 });
room.history(undefined, { timeout: 5 });
room.leave();
room.leave(undefined, { signal: new AbortController().signal });
// @ts-expect-error it takes none
room.leave({});

// ---- streams and progress ----

const doc = flow.room("a");
holds<Equal<ReturnType<typeof doc.count>, StreamCall<number, void, never>>>();
export async function read(): Promise<void> {
  for await (const n of doc.count({ to: 5 })) holds<Equal<typeof n, number>>();
  for await (const n of doc.drip()) holds<Equal<typeof n, number>>();
  // @ts-expect-error no stream
  for await (const n of doc.write({ line: "x" })) void n;
}
doc.work({ steps: 5 }, { onProgress: (part) => holds<Equal<typeof part, number>>() });
// @ts-expect-error it reports none
doc.write({ line: "x" }, { onProgress: (part: number) => void part });

// ---- failures ----

export async function failures(): Promise<void> {
  const joined = await room.join().settled();
  holds<Equal<typeof joined, Settled<Member, RoomFullError>>>();
  if (joined.ok) {
    holds<Equal<typeof joined.value, Member>>();
  } else if (joined.error.reason === "roomFull") {
    holds<Equal<typeof joined.error.details, RoomFullDetails>>();
  } else {
    holds<Equal<typeof joined.error.reason, undefined>>();
    holds<Equal<typeof joined.error.issues extends readonly unknown[] | undefined ? true : false, true>>();
  }
  // @ts-expect-error join does not throw that
  if (!joined.ok) joined.error.reason === "notJoined";
  try {
    await room.whisper({ to: "bob", text: "hi" });
  } catch (error) {
    if (isZocketError(error, room.whisper)) {
      holds<Equal<typeof error, CallError<NotJoinedError | NotHereError>>>();
      if (error.reason === "notHere") holds<Equal<typeof error.details, NotHereDetails>>();
      if (error.reason === "notJoined") holds<Equal<typeof error.details, undefined>>();
    } else if (isZocketError(error)) {
      holds<Equal<typeof error.reason, string | undefined>>();
      holds<Equal<typeof error.code, string>>();
      holds<Equal<typeof error.maybeRan, boolean>>();
    }
  }
  throw new ZocketError("UNAUTHENTICATED", "logged out", { retryAfterMs: 5 });
}

// ---- states, events, broadcasts ----

export const end: () => void = room.state.subscribe(
  (state) => holds<Equal<typeof state, ChatState>>(),
  (error) => holds<Equal<typeof error, ZocketError>>(),
);
holds<Equal<ReturnType<typeof room.state.getSnapshot>, ChatState | undefined>>();
holds<Equal<ReturnType<typeof room.state.getConfirmed>, ChatState | undefined>>();
room.on("said", (message) => holds<Equal<typeof message, Message>>());
room.on("left", ({ user }) => holds<Equal<typeof user, string>>());
// @ts-expect-error there is no such event
room.on("nothing", () => {});
room.say({ text: "hi" }, { optimistic: (state) => ({ ...state, topic: "x" }) });
// @ts-expect-error it returns a state
room.say({ text: "hi" }, { optimistic: (state) => state.topic });
access.on("news", ({ text }) => holds<Equal<typeof text, string>>());
access.on("status", (status) => holds<Equal<typeof status, ConnectionStatus>>());
// @ts-expect-error there is no such broadcast
access.on("olds", () => {});
holds<Equal<typeof chat.$status, ConnectionStatus>>();
holds<Equal<typeof chat.connection.clientId, string | null>>();
holds<Equal<typeof room.meta.id, string>>();
export const same: typeof room = chat.$handle("chat", "general");
// @ts-expect-error there is no such actor
chat.$handle("nothing", "general");

// ---- an app of Zocket ----

interface Standard<In, Out> {
  readonly "~standard": {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => { value: Out } | Promise<{ value: Out }> | { issues: readonly { message: string }[] };
    readonly types?: { readonly input: In; readonly output: Out } | undefined;
  };
}
interface Context<Input> {
  input: Input;
}
declare const zocket: {
  readonly _tag: "AppDef";
  readonly actors: {
    readonly list: {
      readonly _tag: "ActorDef";
      readonly config: {
        state: Standard<{ items?: string[] }, { items: string[] }>;
        methods: {
          add: { input: Standard<{ item: string; at?: number }, { item: string; at: number }>; handler: (context: Context<{ item: string; at: number }>) => Promise<number> };
          clear: { handler: (context: Context<undefined>) => void };
        };
        events: { added: Standard<{ item: string }, { item: string }> };
      };
    };
  };
};
const list = createClient<typeof zocket>({ url: "ws://x", rpcTimeout: 0, connectTimeout: 0, reconnect: false, reconnectDelayMs: 5 }).list("a");
holds<Equal<Awaited<ReturnType<typeof list.add>>, number>>();
list.add({ item: "x" });
// @ts-expect-error item is missing
list.add({ at: 1 });
list.clear();
list.state.subscribe(({ items }) => holds<Equal<typeof items, string[]>>());
list.on("added", ({ item }) => holds<Equal<typeof item, string>>());
