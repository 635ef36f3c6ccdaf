// The server of examples/auth, spoken to by hand, with tokens that are signed here.
// AUTH_SERVER names the program.
import assert from "node:assert/strict";
import { createHmac, randomBytes } from "node:crypto";
import { once } from "node:events";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import WebSocket from "ws";
import { keepSecret, Peer, startServer } from "./peer.js";

after(async () => {
  await server.stop();
  fs.rmSync(folder, { recursive: true });
});
const folder = fs.mkdtempSync(path.join(os.tmpdir(), "auth-"));
const key = randomBytes(32);
process.env.AUTH_KEY_FILE = path.join(folder, "key");
fs.writeFileSync(process.env.AUTH_KEY_FILE, key);
const server = await startServer({ after }, process.env.AUTH_SERVER);

function token(user, role = "member", validMs = 3600_000) {
  const content = `${user}.${role}.${Date.now() + validMs}`;
  const mac = createHmac("sha256", key).update(content).digest("hex");
  return keepSecret(`${content}.${mac.toUpperCase()}`);
}

const enter = (bearer) => Peer.open(server.url, ["zocket", "bearer." + bearer]);

/** Connects, and returns the HTTP status and the body of the refusal. */
async function refused(bearer) {
  const headers = bearer ? { authorization: "Bearer " + bearer } : {};
  const socket = new WebSocket(server.url, { headers });
  const [, response] = await once(socket, "unexpected-response");
  let body = "";
  for await (const chunk of response) body += chunk;
  return { status: response.statusCode, ...JSON.parse(body) };
}

test("nobody without a good token", async () => {
  for (const [bearer, reason] of [
    [undefined, "noToken"],
    ["x", "badToken"],
    [token("bob").replace("member", "moderator"), "badToken"],
    [token("bob", "member", -1), "expiredToken"],
  ]) {
    const refusal = await refused(bearer);
    assert.equal(refusal.status, 401);
    assert.equal(refusal.reason, reason);
  }
});

test("a ban, for those in the hall, on their way to it, and later", async () => {
  const ada = await enter(token("ada", "moderator"));
  const bob = await enter(token("bob"));
  const late = await enter(token("bob")); // has not spoken to the hall
  const guest = await enter(token("eve"));
  const call = (peer, method, input) => peer.call("hall", "main", method, input);
  assert.deepEqual(await ada.subscribe("hall", "main"), { bans: {} });
  await call(bob, "enter", { room: "garden" });
  const ban = { userId: "bob", minutes: 5 };
  assert.equal((await call(guest, "ban", ban)).reason, "notModerator");
  assert.equal((await call(ada, "ban", ban)).error, undefined);
  assert.deepEqual(await bob.closed, { code: 4403, reason: "banned" });
  const { reason, details } = await call(late, "enter", { room: "garden" });
  assert.equal(reason, "banned");
  assert.ok(details.until > Date.now());
  assert.deepEqual(await refused(token("bob")), {
    status: 403,
    error: "You are banned.",
    code: "PERMISSION_DENIED",
    reason: "banned",
    details,
  });
  assert.equal((await call(guest, "enter", { room: "garden" })).error, undefined);
  await Promise.all([ada, late, guest].map((peer) => peer.close()));
});

test("there is a single hall, and nobody calls its internal method", async () => {
  const eve = await enter(token("eve"));
  const elsewhere = await eve.call("hall", "other", "enter", { room: "garden" });
  assert.equal(elsewhere.code, "NOT_FOUND");
  const asked = await eve.call("hall", "main", "bannedUntil", { userId: "bob" });
  assert.equal(asked.code, "UNIMPLEMENTED");
  await eve.close();
});
