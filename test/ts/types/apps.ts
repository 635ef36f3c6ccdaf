// Methods, events, errors, the connection: test/golden/access.zkt and flow.zkt.
import { app as gate } from "./access.gen.js";
import type * as access from "./access.gen.js";
import type { Equal, Holds } from "./equal.js";
import type * as flow from "./flow.gen.js";

type Methods<Actor extends { config: { methods: unknown } }> = Actor["config"]["methods"];

/** The type that a Standard Schema says is its output. */
type Output<T> =
  T extends { readonly "~standard": { readonly types?: infer Types } }
    ? NonNullable<Types> extends { readonly output: infer Out } ? Out : never
    : never;

export type Definitions = Holds<[
  Equal<keyof access.AdminActor["config"]["methods"], "close" | "switch">,
  Equal<keyof access.RoomActor["config"]["events"], "joined">,
  Equal<access.AdminSwitchMethod["handler"], () => access.Quota>,
  Equal<"input" extends keyof access.AdminSwitchMethod ? true : false, false>,
  Equal<Output<access.RoomLookMethod["input"]>, { at: access.Keywords }>,
  Equal<Output<access.AdminActor["config"]["events"]["closed"]>, undefined>,
  Equal<Output<access.RoomActor["config"]["events"]["joined"]>, { name: string }>,
]>;

export type Flow = Holds<[
  Equal<Output<flow.DocGenerateMethod["stream"]>, flow.Token>,
  Equal<ReturnType<flow.DocGenerateMethod["handler"]>, void>,
  Equal<Output<flow.DocExportMethod["progress"]>, number>,
  Equal<Output<flow.DocBuildMethod["progress"]>, [done: number, all: number]>,
  Equal<"timeoutMs" extends keyof flow.DocWaitMethod ? true : false, false>,
  Equal<"settle" extends keyof Methods<flow.DocActor> ? true : false, false>,
]>;

export type Errors = Holds<[
  Equal<access.RoomFullError["code"], "RESOURCE_EXHAUSTED">,
  Equal<access.RoomFullError["details"], { capacity: number; queue?: string }>,
  Equal<access.NotYourTurnError["details"], undefined>,
  Equal<Output<access.RoomJoinMethod["errors"]>, access.RoomFullError | access.NotYourTurnError>,
  // Those of the middleware, too.
  Equal<
    Output<access.AdminSwitchMethod["errors"]>,
    access.SwitchError | access.BannedError | access.OverQuotaError
  >,
  Equal<"errors" extends keyof access.RoomPeekMethod ? true : false, false>,
  Equal<
    Output<access.App["errors"]>["reason"],
    "roomFull" | "notYourTurn" | "banned" | "noSeat" | "overQuota" | "switch"
  >,
]>;

export type Connection = Holds<[
  // Not those of headers and cookies.
  Equal<
    keyof access.ConnectionParams,
    "locale" | "class" | "version" | "since" | "ratio" | "quick" | "from"
  >,
  Equal<Pick<access.ConnectionParams, "class">, { class?: access.Role | undefined }>,
  Equal<access.App["connection"]["query"]["class"], "as">,
  Equal<access.App["connection"]["token"], "optional">,
  Equal<Output<access.App["connection"]["errors"]>, access.BannedError | access.NoSeatError>,
  Equal<"connection" extends keyof flow.App ? true : false, false>,
]>;

export type Broadcasts = Holds<[
  Equal<Output<access.App["broadcasts"]["announcement"]>, { text: string; level: access.Role }>,
  Equal<Output<access.App["broadcasts"]["moved"]>, access.Point>,
  Equal<Output<access.App["broadcasts"]["ping"]>, undefined>,
  Equal<"broadcasts" extends keyof flow.App ? true : false, false>,
]>;

export function explain(error: Output<access.RoomJoinMethod["errors"]>): string {
  if (error.reason === "roomFull") return `${error.details.capacity} are there`;
  // @ts-expect-error: this error has no details
  return error.details.capacity;
}

export type Value = Holds<[Equal<typeof gate, access.App>]>;

// Only the server has these.
// @ts-expect-error: a type of the connection's data alone
export type Plan = access.Plan;
// @ts-expect-error: a type of an internal method alone
export type Settlement = access.Settlement;
