// Names over which hover.txt has the text of an editor; `^` is below each.
import { app } from "./chat.gen.js";
import type { Message } from "./chat.gen.js";
import type { AccountInput, Shape } from "./every.gen.js";
import type { DrawState } from "./audiences.gen.js";
import type { App as Gate } from "./access.gen.js";
import type { App as Names, PlaceState } from "./names.gen.js";

type Api<Methods> = { [K in keyof Methods]: Methods[K] };
declare const methods: Api<Gate["actors"]["room"]["config"]["methods"]>;
declare const message: Message;
declare const account: AccountInput;
declare const state: DrawState;
declare const place: PlaceState;
declare const names: Names;

export const actor: unknown = app.actors.chat;
//                                       ^
export const method: unknown = methods.join;
//                                     ^
export const text: unknown = message.text;
//                                   ^
export const mail: unknown = account.email;
//                                   ^
export const big: unknown = account.tags;
//                                  ^
export type A = Shape;
//              ^
export const word: unknown = state.word;
//                                 ^
export const hands: unknown = state.hands;
//                                  ^
export const odd: unknown = place.text;
//                                ^
export const linked: unknown = names.actors.place;
//                                          ^
