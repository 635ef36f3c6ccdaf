// examples/chat/web in Chromium: people who talk, a server that comes back,
// names that are refused, pages of others, compression; and the page of the
// README. SERVE is examples/serve and EXAMPLES the folder of the programs;
// PICTURES is a folder for what the pages look like.
import assert from "node:assert/strict";
import http from "node:http";
import net from "node:net";
import { once } from "node:events";
import { after, test } from "node:test";
import { startServer } from "../e2e/peer.js";
import { GONE, openPage, picture, startBrowser } from "./browser.js";

const { SERVE, EXAMPLES } = process.env;
const DESKTOP = { viewport: { width: 1000, height: 640 } };
const PHONE = { viewport: { width: 375, height: 667 }, hasTouch: true, isMobile: true, deviceScaleFactor: 2 };
const browser = await startBrowser({ after });

/**
 * Starts an example as examples/run does; `page` is the address that it says to
 * open. Chromium keeps connections at hand that it does not use, and does not
 * see their end, so a server that stops would wait for each.
 */
async function start(t, { name = "chat", listen = "127.0.0.1:0", args = [] } = {}) {
  const server = await startServer(t, SERVE, [EXAMPLES, name, "--listen", listen, ...args]);
  const [, page] = /^open (http:.*)$/m.exec(server.log());
  assert.equal(page, `${server.url.replace(/^ws/, "http")}/`);
  return { ...server, page };
}

/** Opens the page of a server as somebody. */
async function enter(t, address, name, look) {
  const page = await openPage(t, browser, address, look);
  await page.getByLabel("What is your name?").fill(name);
  await page.getByRole("button", { name: "Enter" }).click();
  await personIn(page, `${name} (you)`).waitFor();
  return page;
}

/** Somebody in the list of people. */
const personIn = (page, name) => page.getByRole("complementary").getByText(name, { exact: true });

async function say(page, text) {
  const input = page.getByLabel("Message", { exact: true });
  await input.fill(text);
  await input.press("Enter");
  await page.waitForFunction(() => document.querySelector("#text").value === "");
}

/** Waits for a message in the page. */
const hear = (page, text) => page.getByRole("log").getByText(text).waitFor();

/** The messages in a page, without their times. */
const heard = (page) => page.locator("#messages p").evaluateAll((all) => all.map((p) => p.firstChild.data));

/** The middle of what is drawn of an element is in the window. */
const isSeen = (locator) => locator.evaluate((element) => {
  const { x, y, width, height } = element.getBoundingClientRect();
  return element.contains(document.elementFromPoint(x + width / 2, y + height / 2));
});

async function pictures(page, name) {
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    await picture(page, `${name}-${colorScheme}`);
  }
}

test("two pages talk", async (t) => {
  const server = await start(t);
  const ada = await enter(t, server.page, "ada", DESKTOP);
  const bob = await enter(t, server.page, "bob", PHONE);
  await personIn(ada, "bob").waitFor();
  await say(ada, "Good morning! Has anybody seen the new build?");
  await hear(bob, "the new build");
  await say(bob, "It is green since eight.");
  await say(bob, "<b>All</b> of it & more.");
  await hear(ada, "All");
  await say(ada, `A long one: ${"a".repeat(150)}`);
  for (let i = 0; i < 4; i++) await say(bob, `and ${i}`);
  await hear(ada, "and 3");
  assert.deepEqual(await heard(ada), await heard(bob));
  assert.deepEqual((await heard(ada)).slice(1, 3), ["It is green since eight.", "<b>All</b> of it & more."]);
  // The newest message is in view, and nothing is wider than the window.
  for (const page of [ada, bob]) {
    assert.ok(await isSeen(page.locator("#messages li").last()));
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
    assert.equal(await page.getByRole("status").textContent(), "");
  }
  await pictures(ada, "desktop");
  await pictures(bob, "phone");
  // A tab that is loaded anew keeps its name; who closes it has left.
  await bob.reload();
  await hear(bob, "and 3");
  await bob.close();
  await personIn(ada, "bob").waitFor({ state: "detached" });
  // Another room is by itself.
  await ada.goto(`${server.page}#kitchen`);
  await ada.getByRole("heading", { name: "# kitchen" }).waitFor();
  await personIn(ada, "ada (you)").waitFor();
  assert.deepEqual(await heard(ada), []);
  await ada.close();
  await server.stop();
});

test("the page of the README", async (t) => {
  const server = await start(t, { name: "counter" });
  const [one, two] = [await openPage(t, browser, server.page), await openPage(t, browser, server.page)];
  for (const page of [one, two]) await page.getByRole("heading", { name: "0" }).waitFor();
  await one.getByRole("button", { name: "Add one" }).click();
  await two.getByRole("button", { name: "Add one" }).click();
  for (const page of [one, two]) await page.getByRole("heading", { name: "2" }).waitFor();
  await Promise.all([one.close(), two.close()]);
  await server.stop();
});

test("pages survive a restart of the server", async (t) => {
  let server = await start(t);
  const { port } = new URL(server.url);
  const ada = await enter(t, server.page, "ada", { ...DESKTOP, expected: GONE });
  const bob = await enter(t, server.page, "bob", { ...PHONE, expected: GONE });
  await say(ada, "before");
  await hear(bob, "before");
  await server.stop();
  await ada.getByText("Connection lost. Trying again…").waitFor();
  await ada.getByLabel("Message", { exact: true }).fill("meanwhile");
  await ada.getByLabel("Message", { exact: true }).press("Enter"); // not sent
  assert.deepEqual(await heard(ada), ["before"]);
  await pictures(ada, "lost");
  server = await start(t, { listen: `127.0.0.1:${port}` });
  for (const page of [ada, bob]) await page.waitForFunction(() => document.querySelector("#status").textContent === "");
  await personIn(ada, "bob").waitFor();
  assert.equal(await ada.getByLabel("Message", { exact: true }).inputValue(), "meanwhile");
  await ada.getByRole("button", { name: "Send" }).click();
  await hear(bob, "meanwhile");
  await say(bob, "after");
  await hear(ada, "after");
  assert.deepEqual(await heard(ada), ["meanwhile", "after"]); // the server kept nothing
  await Promise.all([ada.close(), bob.close()]);
  await server.stop();
});

test("the page says why it is refused", async (t) => {
  const server = await start(t);
  const page = await openPage(t, browser, server.page, PHONE);
  await picture(page, "door");
  await page.evaluate(() => sessionStorage.setItem("user", "x".repeat(33)));
  await page.reload();
  await page.getByRole("alert").getByText("must have at most 32 characters").waitFor();
  await picture(page, "refused");
  await page.getByLabel("What is your name?").fill("ada");
  await page.getByRole("button", { name: "Enter" }).click();
  await personIn(page, "ada (you)").waitFor();
  // Who talks too fast is told, and what was not said comes back.
  await page.evaluate(() => {
    for (let i = 0; i < 100; i++) {
      document.querySelector("#text").value = `fast ${i}`;
      document.querySelector("#write").requestSubmit();
    }
  });
  await page.locator("#problem").filter({ hasText: /\w/ }).waitFor();
  assert.match(await page.getByLabel("Message", { exact: true }).inputValue(), /^fast/);
  await picture(page, "too-fast");
  await page.close();
  await server.stop();
});

/** Serves a page that says whether it could connect to `url`. */
async function serveStranger(t, url) {
  const script = `new WebSocket("${url}?user=eve").onclose = ({ wasClean }) => (document.title = "closed " + wasClean);
    import("${url.replace(/^ws/, "http")}_zocket/client.js").catch(() => (document.body.textContent = "no client"))`;
  const stranger = http.createServer((request, response) => {
    response.setHeader("content-type", "text/html");
    response.end(`<link rel="icon" href="data:,"><body><script>${script}</script>`);
  });
  stranger.listen(0, "127.0.0.1");
  await once(stranger, "listening");
  t.after(() => (stranger.closeAllConnections(), stranger.close()));
  return stranger.address().port;
}

test("a page of another origin is refused", async (t) => {
  const server = await start(t);
  const port = await serveStranger(t, server.url + "/");
  const expected = /403|421|CORS policy|ERR_FAILED/;
  const page = await openPage(t, browser, `http://stranger.test:${port}/`, { expected });
  await page.waitForFunction(() => document.title === "closed false" && document.body.textContent === "no client");
  assert.match(server.log(), /http:\/\/stranger\.test/);
  // A name of its own for the address of the server does not help.
  const { port: own } = new URL(server.url);
  const answer = await page.goto(`http://stranger.test:${own}/`);
  assert.equal(answer.status(), 421);
  await page.close();
  await server.stop();
});

/** Passes bytes to the port of a server, and counts those of WebSockets. */
async function startTap(t, server) {
  const { port } = new URL(server.url);
  const seen = { up: 0, down: 0, extensions: [] };
  const tap = net.createServer((client) => {
    const behind = net.connect(port, "127.0.0.1");
    let isSocket = false;
    client.on("data", (chunk) => {
      isSocket ||= /^upgrade: websocket/im.test(chunk);
      if (isSocket) seen.up += chunk.length;
      behind.write(chunk);
    });
    behind.on("data", (chunk) => {
      const extension = /^sec-websocket-extensions: *(.*)/im.exec(chunk.toString("latin1"));
      if (extension) seen.extensions.push(extension[1].trim());
      if (isSocket) seen.down += chunk.length;
      client.write(chunk);
    });
    for (const [one, other] of [[client, behind], [behind, client]]) {
      one.on("error", () => {});
      one.on("close", () => other.destroy());
    }
  });
  tap.listen(0, "127.0.0.1");
  await once(tap, "listening");
  t.after(() => tap.close());
  return { seen, address: `http://127.0.0.1:${tap.address().port}/` };
}

test("Chromium and a server that compresses", async (t) => {
  for (const [mode, isSmall] of [["on", true], ["off", false]]) {
    const server = await start(t, { args: ["--deflate", mode] });
    const { seen, address } = await startTap(t, server);
    const page = await enter(t, address, "ada", DESKTOP);
    const before = { ...seen };
    const text = "all work and no play ".repeat(95).trim();
    await say(page, text);
    await page.waitForFunction(() => document.querySelector("#messages p"));
    assert.deepEqual(await heard(page), [text]);
    // Text, patch and result of 2 KB each.
    assert.equal(seen.up - before.up < 1000, isSmall, `${seen.up - before.up} bytes`);
    assert.equal(seen.down - before.down < 1000, isSmall, `${seen.down - before.down} bytes`);
    assert.deepEqual(seen.extensions.map((text) => text.split(";")[0]), isSmall ? ["permessage-deflate"] : []);
    await page.close();
    await server.stop();
  }
});
