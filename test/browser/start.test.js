// The page of docs/start.md, with the server of the same page. ZOCKETC, CC and
// LINK, the linker's arguments, build that in WORK, which is emptied first.
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { listingsOf } from "../docs/listings.mjs";
import { startServer } from "../e2e/peer.js";
import { openPage, startBrowser } from "./browser.js";

const root = fileURLToPath(new URL("../..", import.meta.url));
const { WORK, ZOCKETC, CC, LINK } = process.env;

/** Writes the files of the manual, and builds the server. */
function build() {
  fs.rmSync(WORK, { recursive: true, force: true });
  for (const { mark, text } of listingsOf(root, "docs/start.md")) {
    const [, name] = /^(?:schema|program|page) (\S+)/.exec(mark) ?? [];
    if (!name) continue;
    fs.mkdirSync(path.dirname(path.join(WORK, name)), { recursive: true });
    fs.writeFileSync(path.join(WORK, name), text);
  }
  execFileSync(ZOCKETC, ["--c-server", WORK, path.join(WORK, "board.zkt")]);
  const sources = ["server.c", "board_server.c", "board_types.c"];
  execFileSync(CC, ["-I", path.join(root, "runtime/include"), ...sources, ...LINK.split(" "), "-o", "server"], { cwd: WORK });
}

test("the page of start.md", async (t) => {
  build();
  const server = await startServer(t, path.join(WORK, "server"), ["--static", path.join(WORK, "web")]);
  const address = `${server.url.replace(/^ws/, "http")}/`;
  const browser = await startBrowser(t);
  const [one, two] = [await openPage(t, browser, address), await openPage(t, browser, address)];
  await one.getByLabel("Note").fill("milk");
  await one.getByRole("button", { name: "Add" }).click();
  for (const page of [one, two]) await page.getByRole("listitem").getByText("milk").waitFor();
  await one.getByLabel("Note").fill("  ");
  await one.getByRole("button", { name: "Add" }).click();
  await one.getByRole("alert").getByText("must have at least 1 character").waitFor();
  await Promise.all([one.close(), two.close()]);
  await server.stop();
});
