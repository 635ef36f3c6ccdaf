// Names over which hover.txt has the text of an editor; `^` is below each.
import { app } from "./chat.gen.js";
import type { App, Message } from "./chat.gen.js";
import type { AccountInput, Shape } from "./every.gen.js";
import type { DrawState } from "./audiences.gen.js";
import type { App as Names, PlaceState } from "./names.gen.js";

type Methods = { [K in keyof App["actors"]["chat"]["config"]["methods"]]: App["actors"]["chat"]["config"]["methods"][K] };
declare const methods: Methods;
declare const message: Message;
declare const account: AccountInput;
declare const state: DrawState;
declare const place: PlaceState;
declare const names: Names;

export const actor: unknown = app.actors.chat;
//                                       ^
export const method: unknown = methods.say;
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
