// What each construct of a schema becomes: test/golden/every.zkt, states.zkt,
// literals.zkt, tuples.zkt and audiences.zkt.
import type * as audiences from "./audiences.gen.js";
import type { Equal, Flat, Holds } from "./equal.js";
import type * as every from "./every.gen.js";
import type * as literals from "./literals.gen.js";
import type * as states from "./states.gen.js";
import type * as tuples from "./tuples.gen.js";

export type Scalars = Holds<[
  Equal<every.Account["email"], string>,
  Equal<every.Account["delete"], boolean>,
  Equal<every.Account["linux"], number>,
  Equal<every.Account["when"], number>,
  Equal<every.Account["data"], string>,
  Equal<every.Account["extra"], unknown>,
]>;

export type Containers = Holds<[
  Equal<every.Account["tags"], string[]>,
  Equal<every.Account["grid"], number[][]>,
  Equal<every.Account["maybe"], (string | null)[]>,
  Equal<every.Account["byName"], { [key: string]: number | null }>,
  Equal<every.Account["mixed"], [string, number | null, every.Suit]>,
  Equal<every.Point, [number, number]>,
  Equal<tuples.Point, [x: number, y: number]>,
  Equal<tuples.AState["leftTop"], [leftTop: tuples.Point, b: { [key: string]: tuples.Point }]>,
]>;

export type Enums = Holds<[
  Equal<every.Suit, "hearts" | "♠" | "class" | "linux">,
  Equal<every.Account["class"], every.Suit>,
]>;

// A field that may be absent: in what is received, and in what is sent.
export type Optional = Holds<[
  Equal<Pick<every.Account, "site">, { site?: string }>,
  Equal<Pick<every.AccountInput, "site">, { site?: string | undefined }>,
  Equal<Pick<every.Account, "nick">, { nick: string | null }>,
  Equal<Pick<every.AccountInput, "nick">, { nick?: string | null | undefined }>,
  Equal<Pick<every.AccountInput, "extra">, { extra?: unknown }>,
  Equal<Pick<every.DocState, "root">, { root?: every.Node }>,
]>;

// A default makes another shape of what is sent, as far up as it is.
export type Defaults = Holds<[
  Equal<every.Circle, { center: every.Point; radius: number }>,
  Equal<every.CircleInput, { center?: every.Point | undefined; radius?: number | undefined }>,
  Equal<every.Pair, { left: every.Expr | null; right: every.Expr | null }>,
  Equal<every.PairInput, { left: every.ExprInput | null; right?: every.ExprInput | null | undefined }>,
  Equal<every.NegateInput, { inner?: every.ExprInput | undefined }>,
  Equal<every.NodeInput["twin"], [every.NodeInput | null, number] | null | undefined>,
  Equal<every.DocSetAccountInput, { account: every.AccountInput }>,
  Equal<every.DocState["tree"], every.Node>,
  Equal<states.RoomBothInput, { room: states.RoomStateInput; lobby?: states.LobbyStateInput | undefined }>,
]>;

export type Unions = Holds<[
  Equal<every.Shape, every.ShapeCircle | every.ShapeBox | every.ShapeDelete>,
  Equal<every.Shape["kind"], "circle" | "box" | "delete">,
  Equal<Flat<every.ShapeCircle>, { kind: "circle"; center: every.Point; radius: number }>,
  Equal<Extract<every.Shape, { kind: "box" }>, every.ShapeBox>,
  Equal<every.ShapeInput, every.ShapeCircleInput | every.ShapeBox | every.ShapeDelete>,
  Equal<Flat<states.AnyRoom>, Flat<states.RoomState & { kind: "room" }>>,
]>;

export type Literals = Holds<[
  Equal<literals.Square, { kind: "square"; "x-y": 2 }>,
  Equal<literals.Only, { ok: true; no: false; text: "a\u0000\"\n??/ é" }>,
  Equal<Pick<literals.CircleInput, "kind">, { kind: "circle" }>,
]>;

// Readers of a state make no type of their own.
export type Readers = Holds<[
  Equal<Pick<audiences.DrawState, "word">, { word?: string }>,
  Equal<audiences.DrawState["hands"], { [key: string]: audiences.Hand }>,
  Equal<keyof audiences.RoomState, never>,
]>;

export function narrow(shape: every.Shape): number {
  switch (shape.kind) {
    case "circle":
      return shape.radius;
    case "box":
      return shape.min[0];
    default:
      return 0;
  }
}

export const sent: every.AccountInput = { email: "a@b.cd", site: undefined, shape: { kind: "circle" } };

// @ts-expect-error: what is received is complete
export const received: every.Circle = {};
// @ts-expect-error: an absent field of what is received is not undefined
export const absent: every.Negate = { inner: undefined };
// @ts-expect-error: no other key
export const excess: every.CircleInput = { colour: "red" };
// @ts-expect-error: no other value
export const suit: every.Suit = "spades";
// @ts-expect-error: no other variant
export const variant: every.ShapeInput = { kind: "line" };
// @ts-expect-error: the variant's fields
export const box: every.ShapeInput = { kind: "box", min: [0, 0] };
// @ts-expect-error: as many elements
export const point: every.Point = [1];
// @ts-expect-error: a literal
export const square: literals.Square = { kind: "circle", "x-y": 2 };
// @ts-expect-error: an entry of a map may be missing
export const entry: number = ({} as tuples.AState["leftTop"][1])["a"][0];
// @ts-expect-error: json is checked before it is used
export const json: string = ({} as every.DocState).any;

// Only the server has these.
// @ts-expect-error: a type of private state alone
export type Grant = every.Grant;
// @ts-expect-error: private state
export type Secret = every.DocState["secret"];
