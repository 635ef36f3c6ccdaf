// Names that TypeScript has taken get a `_`: names.zkt.
import type { Equal, Holds } from "./equal.js";
import type * as names from "./names.gen.js";

export type Taken = Holds<[
  Equal<names.any_, { n: number }>,
  Equal<names.number_, { any: names.any_ }>,
  Equal<names.void_, "a" | "b">,
  Equal<names.unseen, "a\u2028b\r\n\t" | "\u202e😀" | "\udb40\udc01" | "`">,
  Equal<names.App_, { schema: names.Schema_ }>,
  Equal<names.Schema_, { app: names.void_ }>,
  Equal<names.class_, { n: number }>,
  Equal<names.readonly_, { list: names.readonly_[] }>,
  Equal<names.function_, [this_: number, new_: string, arguments: boolean]>,
  Equal<names.boolean_Input["n"], number | undefined>,
]>;

// What is a name elsewhere hides nothing that the module needs.
export type Shadows = Holds<[
  Equal<names.Array, { list: names.Promise[] }>,
  Equal<names.Record, { map: { [key: string]: names.Array } }>,
  Equal<names.Error, { message: string }>,
]>;

// A declared name stays; a generated name gives way.
export type Generated = Holds<[
  Equal<names.SpotInput, { spot: names.Spot }>,
  Equal<names.SpotInput_, { n?: number | undefined }>,
  Equal<names.PlaceActor, { n: names.PlaceFoundMethod }>,
  Equal<names.App["actors"]["place"], names.PlaceActor_>,
  Equal<names.NullDelete, names.NullDeleteA>,
  Equal<names.null_Delete["the kind"], "delete">,
]>;

export type Keys = Holds<[
  Equal<names.Fields["constructor"], string>,
  Equal<names.Fields["toString"], number>,
  Equal<names.Fields["x\"y\\"], string>,
  Equal<names.Fields["*/ z"], string>,
  Equal<
    keyof names.PlaceActor_["config"]["events"],
    "found" | "__proto__" | "constructor" | "toString" | "hasOwnProperty"
  >,
]>;
