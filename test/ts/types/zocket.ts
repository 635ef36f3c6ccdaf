// Apps as types of Zocket's packages, which its documentation describes: those
// are declared here anew, as far as a client has to do with them. Whoever has
// such a client keeps it.
import { app } from "./chat.gen.js";
import type { App, ChatState, Message } from "./chat.gen.js";
import type { Equal, Holds } from "./equal.js";
import type { App as Every, ExprInput, Shape } from "./every.gen.js";
import type { App as Flow } from "./flow.gen.js";
import type { App as Names } from "./names.gen.js";

// ---- the Standard Schema ----

interface Success<Out> {
  readonly value: Out;
  readonly issues?: undefined;
}
interface Failure {
  readonly issues: ReadonlyArray<{ readonly message: string }>;
}
interface StandardSchema<In = unknown, Out = In> {
  readonly "~standard": {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => Success<Out> | Failure | Promise<Success<Out> | Failure>;
    readonly types?: { readonly input: In; readonly output: Out } | undefined;
  };
}
type InferSchema<S extends StandardSchema> = NonNullable<S["~standard"]["types"]>["output"];

// ---- apps ----

interface MethodDef {
  input?: StandardSchema<any, any>;
  handler: (context: any) => any;
}
interface ActorDef<
  State extends StandardSchema = StandardSchema<any, any>,
  Methods extends Record<string, MethodDef> = Record<string, MethodDef>,
  Events extends Record<string, StandardSchema> = Record<string, StandardSchema<any, any>>,
> {
  readonly _tag: "ActorDef";
  readonly config: { state: State; methods: Methods; events?: Events };
}
interface AppDef<Actors extends Record<string, ActorDef> = Record<string, ActorDef>> {
  readonly _tag: "AppDef";
  readonly actors: Actors;
}

// ---- clients ----

type InferState<A> = A extends { config: { state: infer S extends StandardSchema } } ? InferSchema<S> : never;
type InferMethods<A> = A extends { config: { methods: infer Methods } }
  ? {
      [K in keyof Methods]: Methods[K] extends { input: infer I extends StandardSchema; handler: (...all: any[]) => infer R }
        ? (input: InferSchema<I>) => Promise<Awaited<R>>
        : Methods[K] extends { handler: (...all: any[]) => infer R } ? () => Promise<Awaited<R>> : never;
    }
  : never;
type InferEvents<A> = A extends { config: { events: infer Events } }
  ? { [K in keyof Events]: Events[K] extends StandardSchema ? (payload: InferSchema<Events[K]>) => void : never }
  : never;
type ActorHandle<A> = InferMethods<A> & {
  on<K extends keyof InferEvents<A>>(event: K, listener: InferEvents<A>[K]): () => void;
  state: {
    subscribe(listener: (state: InferState<A>) => void): () => void;
    getSnapshot(): InferState<A> | undefined;
  };
};
type ClientApi<T extends AppDef> = { [K in keyof T["actors"]]: (id: string) => ActorHandle<T["actors"][K]> };
declare function createClient<T extends AppDef<any>>(options: { url: string }): ClientApi<T>;

// ---- the apps of zocketc ----

type IsApp<_App extends AppDef> = true;
export type Apps = [IsApp<App>, IsApp<Every>, IsApp<Flow>, IsApp<Names>, IsApp<typeof app>];

export const client: ClientApi<App> = createClient<typeof app>({ url: "ws://localhost:3000" });
export const room: ActorHandle<App["actors"]["chat"]> = client.chat("general");

export type Inferred = Holds<[
  Equal<ClientApi<App>, ClientApi<typeof app>>,
  Equal<ReturnType<typeof room.state.getSnapshot>, ChatState | undefined>,
  Equal<InferMethods<App["actors"]["chat"]>["say"], (input: { text: string; replyTo?: number | undefined }) => Promise<Message>>,
  Equal<InferMethods<App["actors"]["chat"]>["leave"], () => Promise<void>>,
  Equal<InferEvents<App["actors"]["chat"]>["said"], (payload: Message) => void>,
  Equal<InferMethods<Every["actors"]["doc"]>["eval"], (input: ExprInput) => Promise<number | null>>,
  Equal<InferEvents<Every["actors"]["doc"]>["cleared"], (payload: undefined) => void>,
  Equal<InferEvents<Every["actors"]["doc"]>["drawn"], (payload: Shape) => void>,
  Equal<keyof ClientApi<Names>, "place" | "placeFound" | "valueOf">,
]>;

export async function use(): Promise<void> {
  const message = await room.say({ text: "hi" });
  message.sentAt.toFixed();
  room.on("said", ({ from }) => from.trim());
  room.state.subscribe((state) => state.topic.trim());
  // A field with a default may be left out of an input.
  (await room.history({})).map((m) => m.id);
  // @ts-expect-error: the text is missing
  await room.say({});
  // @ts-expect-error: no such event
  room.on("sad", () => {});
  // @ts-expect-error: no such method
  await room.shout({ text: "hi" });
}
