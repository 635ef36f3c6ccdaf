// Debian's Chromium, and pages of it that may have nothing to say in their
// console.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { chromium } from "playwright-core";

const PATIENCE_MS = 20000; // nothing waits this long

/** Starts a browser that ends with `scope`; its folder for users is new. */
export async function startBrowser(scope) {
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM,
    args: [
      "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
      "--disable-background-networking", "--disable-component-update", "--disable-sync",
      "--host-resolver-rules=MAP stranger.test 127.0.0.1",
    ],
  });
  scope.after(() => browser.close());
  return browser;
}

/** What Chromium says of attempts to connect to a server that stops, or is gone. */
export const GONE = /^WebSocket connection to '.*' failed: /;

/**
 * Opens an address in a page of a user of its own. When the test ends, nothing
 * may have been in the console but errors that match `expected`.
 */
export async function openPage(t, browser, url, { expected, ...look } = {}) {
  const context = await browser.newContext({ ...look, reducedMotion: "reduce" });
  const page = await context.newPage();
  const said = [];
  page.setDefaultTimeout(PATIENCE_MS);
  page.on("console", (message) => {
    const words = `${message.text()} ${message.location().url}`;
    if (["error", "warning"].includes(message.type()) && !expected?.test(words)) said.push(words);
  });
  page.on("pageerror", (error) => said.push(String(error.stack)));
  t.after(async () => {
    await context.close();
    assert.deepEqual(said, []);
  });
  await page.goto(url);
  return page;
}

/** Keeps a picture of a page in the folder of the build. */
export async function picture(page, name) {
  fs.mkdirSync(process.env.PICTURES, { recursive: true });
  await page.screenshot({ path: path.join(process.env.PICTURES, `${name}.png`) });
}
