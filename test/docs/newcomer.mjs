// Does everything that docs/start.md says, in its order, as a newcomer would:
// from a copy of this repository and an empty home folder, with nothing else
// of zocket in reach.
//
//   node newcomer.mjs WORK CC
//
// WORK is made anew. Shell marked 'newcomer' runs in the repository, and its
// exports hold from then on; files are written and commands run in a folder of
// the newcomer's.
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { runCommands } from "./console.mjs";
import { freePort, listingsOf } from "./listings.mjs";

const here = path.dirname(new URL(import.meta.url).pathname);
const root = path.resolve(here, "../..");
const [folder, cc] = process.argv.slice(2);
const work = path.resolve(folder);
const repository = path.join(work, "repository");
const home = path.join(work, "home");
const project = path.join(home, "board");
const OTHER = new Set(["build", ".git", "node_modules"]);

fs.rmSync(work, { recursive: true, force: true });
fs.mkdirSync(project, { recursive: true });
/** Copies the repository, but for what is built in it. */
function copyRepository() {
  const taken = (name) => !OTHER.has(path.basename(name));
  for (const entry of fs.readdirSync(root)) {
    const from = path.join(root, entry);
    if (taken(from) && !work.startsWith(from + path.sep)) {
      fs.cpSync(from, path.join(repository, entry),
        { recursive: true, filter: taken });
    }
  }
}
copyRepository();

/** Runs @text in the repository; returns the environment that it leaves. */
function install(text, environment) {
  const said = execFileSync("sh", ["-ec", `{ ${text} } >&2\nenv -0`],
    { cwd: repository, env: environment, stdio: ["ignore", "pipe", "pipe"] });
  return Object.fromEntries(said.toString().split("\0").filter(Boolean)
    .map((line) => [line.slice(0, line.indexOf("=")),
      line.slice(line.indexOf("=") + 1)]));
}

const port = await freePort();
let environment = { PATH: process.env.PATH, HOME: home, CC: cc };
for (const listing of listingsOf(root, "docs/start.md")) {
  const text = listing.text.replaceAll(/\b3000\b/g, port);
  const [kind, name] = listing.mark.split(" ");
  if (kind === "newcomer") {
    environment = install(text, environment);
  } else if (kind === "schema" || kind === "program" || kind === "page") {
    fs.mkdirSync(path.dirname(path.join(project, name)), { recursive: true });
    fs.writeFileSync(path.join(project, name), text);
  } else if (listing.language === "console") {
    const exit = kind === "exit" ? Number(name) : 0;
    await runCommands(text, project, environment, exit);
  }
}
