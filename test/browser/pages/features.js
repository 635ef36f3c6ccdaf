// Checks of the client for pages, each a function that rejects if the client is
// wrong. The page is of the server of flow.zkt; its address names the others.
import { createClient, isZocketError } from "/_zocket/client.js";
import { app as flow } from "./flow.gen.js";
import { app as access } from "./access.gen.js";
import { app as auth } from "./auth.gen.js";

const addresses = new URLSearchParams(location.search);

function equal(actual, expected) {
  const [is, wanted] = [actual, expected].map((value) => JSON.stringify(value));
  if (is !== wanted) throw new Error(`${is}, not ${wanted}`);
}

/** Checks that a promise rejects with an error that has these members. */
async function fails(promise, members) {
  const error = await promise.then(() => undefined, (error) => error);
  equal(isZocketError(error), true);
  for (const [name, value] of Object.entries(members)) equal(error[name], value);
}

const enter = (user) => createClient(flow, { params: { user } });
const visit = (params) => createClient(access, { url: addresses.get("access"), params });
let rooms = 0;
const newRoom = () => `page ${++rooms}`;

/** Resolves with the first state of an instance for which a condition holds. */
function until(handle, holds) {
  return new Promise((resolve, reject) => {
    const end = handle.state.subscribe((state) => {
      if (!holds(state)) return;
      queueMicrotask(() => end());
      resolve(state);
    }, reject);
  });
}

const statusOf = (client, wanted) =>
  new Promise((resolve) => client.on("status", (status) => status === wanted && resolve()));

export const checks = {
  async "connects to the server of the page"() {
    const client = enter("ada");
    equal(client.$status, "connecting");
    await client.$ready;
    equal([client.$status, typeof client.clientId], ["connected", "string"]);
    client.$close();
    equal(client.$status, "disconnected");
  },

  async "calls, and a state that follows"() {
    const client = enter("ada");
    const room = client.room(newRoom());
    const seen = [];
    room.state.subscribe(({ log }) => seen.push(log.length));
    equal(await room.write({ line: "one" }), undefined);
    await room.write({ line: "two" });
    equal(seen.at(-1), 2);
    equal(room.state.getStatus(), "live");
    const { log } = room.state.getSnapshot();
    await room.note({ user: "ada", text: "mine" });
    await room.note({ user: "bob", text: "hidden" });
    equal(room.state.getSnapshot().notes, { ada: "mine" });
    equal(room.state.getSnapshot().log === log, true);
    client.$close();
  },

  async "a wrong input is refused with its places"() {
    const client = enter("ada");
    const { ok, error } = await client.room(newRoom()).write({ line: 5 }).settled();
    equal([ok, error.code, error.issues.map(({ path }) => path)], [false, "INVALID_ARGUMENT", [["line"]]]);
    client.$close();
  },

  async "streams, in order and left"() {
    const client = enter("ada");
    const room = client.room(newRoom());
    const read = [];
    for await (const n of room.count({ to: 500 })) read.push(n);
    equal(read, Array.from({ length: 500 }, (_, i) => i + 1));
    const drip = room.drip();
    let drops = 0;
    for await (const _ of drip) if (++drops === 3) break;
    await fails(drip, { code: "CANCELLED" });
    await room.write({ line: "on" });
    client.$close();
  },

  async "progress"() {
    const client = enter("ada");
    const reports = [];
    const result = await client.room(newRoom()).work({ steps: 5 }, { onProgress: (part) => reports.push(part) });
    equal(result, 5);
    equal(reports.length > 0 && reports.every((part, i) => i === 0 || part > reports[i - 1]), true);
    client.$close();
  },

  async "calls are cancelled, and have limits of time"() {
    const client = enter("ada");
    const room = client.room(newRoom());
    const abort = new AbortController();
    const hold = room.hold(undefined, { signal: abort.signal });
    await client.room(newRoom()).write({ line: "meanwhile" });
    abort.abort();
    await fails(hold, { code: "CANCELLED", maybeRan: true });
    await fails(room.hold(undefined, { timeout: 30 }), { code: "DEADLINE_EXCEEDED" });
    await fails(room.hurry(), { code: "DEADLINE_EXCEEDED", maybeRan: false });
    await room.write({ line: "free again" });
    client.$close();
  },

  async "events and fields for some"() {
    const [ada, bob] = [enter("ada"), enter("bob")];
    const id = newRoom();
    const heard = [];
    ada.room(id).on("hint", ({ text }) => heard.push(`ada ${text}`));
    bob.room(id).on("hint", ({ text }) => heard.push(`bob ${text}`));
    const kept = [ada, bob].map((client) => until(client.room(id), ({ keeper }) => keeper === "ada"));
    await bob.room(id).write({ line: "" });
    await ada.room(id).keep({ secret: "s" });
    equal((await Promise.all(kept)).map(({ secret }) => secret ?? null), ["s", null]);
    await bob.room(id).write({ line: "" });
    equal(heard, ["ada s"]);
    ada.$close();
    bob.$close();
  },

  async "a change is shown before the server has made it"() {
    const client = enter("ada");
    const room = client.room(newRoom());
    const seen = [];
    await until(room, () => true);
    room.state.subscribe(({ log }) => seen.push(log.join()));
    const optimistic = (state) => ({ ...state, log: [...state.log, "x"] });
    const sent = room.write({ line: "x" }, { optimistic });
    equal(room.state.getSnapshot().log, ["x"]);
    equal(room.state.getConfirmed().log, []);
    await sent;
    equal(room.state.getConfirmed().log, ["x"]);
    equal(room.state.getSnapshot().log, ["x"]);
    await fails(room.write({ line: 5 }, { optimistic }), { code: "INVALID_ARGUMENT" });
    equal(room.state.getSnapshot().log, ["x"]);
    client.$close();
  },

  async "refusals"() {
    const client = visit({ answer: "banned" });
    const banned = { code: "PERMISSION_DENIED", reason: "banned", details: { days: 3 } };
    await fails(client.$ready, banned);
    await fails(client.room("r").ping(), { ...banned, maybeRan: false });
    equal(client.$status, "disconnected");
    const guest = visit({});
    const denied = await new Promise((resolve) => guest.room("r").state.subscribe(() => {}, resolve));
    equal([denied.reason, guest.room("r").state.getStatus()], ["membersOnly", "refused"]);
    await fails(guest.room("r").write({ text: "x" }), { reason: "membersOnly" });
    guest.$close();
  },

  async "broadcasts, and clients that are sent away"() {
    const [member, other] = [visit({ role: "member" }), visit({ role: "member" })];
    const news = [];
    member.on("news", ({ text }) => news.push(text));
    await member.room("r").write({ text: "first" });
    await member.room("r").write({ text: "second" });
    await member.room("r").ping();
    equal(news.length > 0, true);
    await other.$ready;
    const gone = statusOf(other, "disconnected");
    await member.room("r").kick({ clientId: other.clientId });
    await gone;
    equal([other.connection.refusal.code, other.connection.refusal.message], ["PERMISSION_DENIED", "out with you"]);
    member.$close();
  },

  async "leaving ends the contact"() {
    const [client, other] = [visit({ role: "member" }), visit({ role: "member" })];
    const heard = [];
    const room = client.room("left");
    room.on("written", ({ text }) => heard.push(text));
    await room.write({ text: "one" });
    room.meta.dispose();
    await new Promise((resolve) => setTimeout(resolve));
    await client.desk("d").waiting(); // what was sent before has arrived
    await other.room("left").write({ text: "two" });
    await client.desk("d").waiting();
    equal(heard, ["one"]);
    client.$close();
    other.$close();
  },

  async "tokens, old and new"() {
    const { expired, valid } = JSON.parse(addresses.get("tokens"));
    const asked = [];
    const client = createClient(auth, {
      url: addresses.get("auth"),
      token: async ({ again }) => (asked.push(again), again ? valid : expired),
    });
    await client.hall("main").enter({ room: "a" }); // waits for the second token
    equal(asked, [false, true]);
    client.$close();
    const bad = createClient(auth, { url: addresses.get("auth"), token: "nonsense, with blanks" });
    await fails(bad.$ready, { code: "UNAUTHENTICATED", reason: "badToken" });
    equal(bad.connection.refusal.message, "The token is not valid.");
  },
};
