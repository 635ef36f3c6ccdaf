// The client's own features in Chromium: pages/features.js has the checks.
// FLOW_SERVER, ACCESS_SERVER and AUTH_SERVER are programs, PAGES is the folder of
// the page.
import assert from "node:assert/strict";
import { createHmac, randomBytes } from "node:crypto";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { test } from "node:test";
import { startServer } from "../e2e/peer.js";
import { openPage, startBrowser } from "./browser.js";

const { FLOW_SERVER, ACCESS_SERVER, AUTH_SERVER, PAGES } = process.env;

/** A server that wants tokens, and two of them. */
async function startAuth(t) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "auth-"));
  t.after(() => fs.rmSync(folder, { recursive: true }));
  const key = randomBytes(32);
  process.env.AUTH_KEY_FILE = path.join(folder, "key");
  fs.writeFileSync(process.env.AUTH_KEY_FILE, key);
  const sign = (validMs) => {
    const content = `bob.member.${Date.now() + validMs}`;
    return `${content}.${createHmac("sha256", key).update(content).digest("hex").toUpperCase()}`;
  };
  return { server: await startServer(t, AUTH_SERVER), tokens: { expired: sign(-1), valid: sign(3600_000) } };
}

test("features of the client in Chromium", async (t) => {
  const browser = await startBrowser(t);
  const flow = await startServer(t, FLOW_SERVER, ["--close-ms", "100", "--static", PAGES]);
  const access = await startServer(t, ACCESS_SERVER);
  const { server: auth, tokens } = await startAuth(t);
  const address = new URL(`${flow.url.replace(/^ws/, "http")}/features.html`);
  address.search = new URLSearchParams({ access: access.url, auth: auth.url, tokens: JSON.stringify(tokens) });
  await t.test("the page", async (t) => {
    const page = await openPage(t, browser, address.href);
    await page.waitForFunction(() => document.title === "done");
    const report = await page.evaluate(() => window.report);
    assert.ok(report.length >= 12);
    for (const { name, error } of report) await t.test(name, () => assert.equal(error, null));
  });
  await Promise.all([flow.stop(), access.stop(), auth.stop()]);
});
