// Compiles and runs every listing of README.md, CONTRIBUTING.md and docs/, and
// follows their links.
//
//   node run.mjs WORK ZOCKETC CC LINK…      prints TAP
//
// WORK is emptied first; LINK is the linker's arguments for a program. The
// language of a fence, and a comment on the line before it, which a reader does
// not see, select the check:
//
//   <!-- test: schema chat.zkt -->       zkt: a whole schema, kept for later listings
//   <!-- test: fragment -->              zkt: declarations (no comment: this)
//   <!-- test: members -->               zkt: members of an actor
//   <!-- test: fields -->                zkt: fields of a struct
//   <!-- test: refused ID [members|fields] -->   the compiler reports ID
//   <!-- test: formats -->               zkt: as zocketc/schema/formats.def has them
//   <!-- test: file NAME of chat.zkt -->         c: compiled, and kept
//   <!-- test: program NAME.c … of chat.zkt -->  c: also linked, with others
//   <!-- test: runs NAME.c … of chat.zkt -->     c: also run, to exit status 0
//   <!-- test: part of NAME.c of chat.zkt -->    c: a file, together with the parts
//                                        before it; compiled, and kept
//   <!-- test: functions of chat.zkt -->         c: compiled
//   <!-- test: lines of chat.zkt (PARAMETERS) [-> RESULT] -->  c: in a function
//   <!-- test: excerpt of chat.zkt -->   c: part of a generated header
//   <!-- test: excerpt of zocket -->     c: part of a header of the runtime
//   <!-- test: excerpt of FOLDER/FILE -->        c: part of that file
//   <!-- test: excerpt of chat.zkt -->   ts: part of the generated module
//   <!-- test: client of chat.zkt -->    ts: part of a program; test/web compiles it
//   <!-- test: page NAME [of FOLDER] -->         html: kept, and opened in test/browser;
//                                        it is the file FOLDER/NAME
//   <!-- test: excerpt of FOLDER/FILE -->        html: part of that file
//   <!-- test: frames with NAME -->      text: sent to a program of the page
//   <!-- test: output FOLDER/FILE -->    text: lines of that file, in its order
//   <!-- test: exit N -->                console: the exit status of the last command
//   <!-- test: files of docs/PAGE.md --> anywhere: this page begins with the
//                                        schemas and programs of that one
//   <!-- test: unit rooms.service -->    ini: a unit of systemd, or a part of one,
//                                        rooms.service.d/NAME.conf
//   <!-- test: nginx -->                 nginx, and caddy, haproxy: a configuration,
//                                        which test/e2e/proxies.test.js runs
//   <!-- test: prometheus -->            yaml: a part of its configuration, or rules,
//                                        which test/docs/metrics checks
//
// `given: …` at the end of a comment is put before a fragment or functions.
// console is run, in the folder of the page's files, and its output is compared
// ('...' stands for any lines); json and js are parsed; sh is parsed, and options of
// zocketc in it must exist; newcomer.mjs runs it where the mark says 'newcomer'.
// test/packaging checks meson, cmake and make. Port 3000 is replaced by a free
// port.
import { execFile, execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { promisify } from "node:util";
import vm from "node:vm";
import { runCommands } from "./console.mjs";
import { frames } from "./frames.mjs";
import { badLinks } from "./links.mjs";
import { freePort, listingsOf } from "./listings.mjs";

const PATIENCE_MS = 30000; // sanitizers are slow; nothing waits this long
const here = import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname);
const root = path.resolve(here, "../..");
const [folder, compiler, cc, ...link] = process.argv.slice(2);
const work = path.resolve(folder);
const zocketc = path.resolve(compiler);
const headers = path.join(root, "runtime/include");
const includes = [`-I${headers}`, `-I${path.join(root, "shared")}`];
const run = promisify(execFile);
const WARNINGS = [
  "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow",
  "-Wstrict-prototypes", "-Wmissing-prototypes", "-Werror",
];

// ---- pages ----

/** The output of the listings of a page, in a folder of its own. */
class Page {
  constructor(name, port) {
    this.name = name;
    this.port = port;
    this.folder = path.join(work, name.replaceAll(/\W/g, "-"));
    this.schemas = new Map(); // name: promise of the folder of its code
    fs.mkdirSync(path.join(this.folder, "files"), { recursive: true });
  }

  file(name) {
    return path.join(this.folder, "files", name);
  }

  /** Makes a new folder for a listing. */
  scratch(listing) {
    const folder = path.join(this.folder, `line-${listing.line}`);
    fs.mkdirSync(folder, { recursive: true });
    return folder;
  }

  /** Returns the folder of the emitted files of a schema on the page. */
  generated(name) {
    if (!this.schemas.has(name)) {
      this.schemas.set(name, this.#generate(name));
    }
    return this.schemas.get(name);
  }

  async #generate(name) {
    const folder = path.join(this.folder, name.replace(/\.zkt$/, ""));
    if (!fs.existsSync(this.file(name))) {
      throw new Error(`the page has no schema ${name} before this`);
    }
    fs.mkdirSync(folder, { recursive: true });
    await run(zocketc, [
      "--c-server", folder, "--c-client", folder, "--ts", folder, this.file(name),
    ]);
    return folder;
  }

  /** The objects of a schema's code, compiled once. */
  async objects(name) {
    const folder = await this.generated(name);
    this.built ??= new Map();
    if (!this.built.has(name)) this.built.set(name, this.#compileAll(folder));
    return this.built.get(name);
  }

  async #compileAll(folder) {
    const sources = fs.readdirSync(folder).filter((f) => f.endsWith(".c"));
    return Promise.all(
      sources.map(async (f) => {
        const object = path.join(folder, f + ".o");
        await run(cc, ["-std=c11", ...WARNINGS, ...includes, `-I${folder}`, "-c",
          path.join(folder, f), "-o", object]);
        return object;
      }),
    );
  }
}

// ---- zkt ----

/** Completes a part of a schema; the first line stays the first. */
function whole(text, kind, given) {
  const app = /^app \w+;/m.test(text) ? "" : "app demo; ";
  const before = given ? `${app}${given} ` : app;
  if (kind === "members") return `${before}actor listing {\n${text}}\n`;
  if (kind === "fields") return `${before}struct Listing {\n${text}}\n`;
  return before + text;
}

/** Listings have zocketc's own layout; listings of errors need not. */
async function checkLayout(page, listing, kind) {
  const file = path.join(page.scratch(listing), "layout.zkt");
  const around = { members: "actor listing", fields: "struct Listing" }[kind];
  const text = listing.text.trimEnd() + "\n";
  fs.writeFileSync(file, around ? `${around} {\n${text}}\n` : text);
  await run(zocketc, ["fmt", file]);
  const laidOut = fs.readFileSync(file, "utf8");
  const wanted = around ? laidOut.replace(/^.*\n/, "").replace(/}\n$/, "")
                        : laidOut;
  if (wanted !== text) throw new Error(`zocketc fmt lays it out so:\n${wanted}`);
}

/** Checks a whole schema, a part of a schema, or a schema that is refused. */
async function checkSchema(page, listing) {
  const [mark, given] = listing.mark.split(/ ?given: /);
  const words = mark === "" ? ["fragment"] : mark.split(" ");
  const imports = ["-I", path.join(page.folder, "files")];
  if (words[0] !== "refused") await checkLayout(page, listing, words[0]);
  if (words[0] === "schema") {
    fs.mkdirSync(path.dirname(page.file(words[1])), { recursive: true });
    fs.writeFileSync(page.file(words[1]), listing.text);
    if (/^app \w+;/m.test(listing.text)) {
      await run(zocketc, ["--check", ...imports, page.file(words[1])]);
    }
    return;
  }
  const refused = words[0] === "refused";
  const kind = refused ? (words[2] ?? "fragment") : words[0];
  if (words[0] === "formats") checkFormats(listing);
  else if (!["fragment", "members", "fields"].includes(kind)) unknown(listing);
  const file = path.join(page.scratch(listing), "listing.zkt");
  fs.writeFileSync(file, whole(listing.text, kind, given));
  const said = await run(zocketc, ["--check", ...imports, file]).then(
    () => "",
    (e) => e.stderr,
  );
  if (!refused && said !== "") throw new Error(said);
  if (refused && !said.includes(`[${words[1]}]`)) {
    throw new Error(`expected [${words[1]}], but zocketc said:\n${said}`);
  }
}

/** The well-known formats are those of the compiler. */
function checkFormats(listing) {
  const table = fs.readFileSync(path.join(root, "zocketc/schema/formats.def"), "utf8");
  const known = [...table.matchAll(/^F\("(\w+)", ("(?:[^"\\]|\\.)*")\)/gm)];
  const said = [...listing.text.matchAll(/^type (\w+) = string\((.*)\);$/gm)];
  for (const [, word, text] of known) {
    const found = said.find(([, name]) => name.toLowerCase() === word);
    if (!found || found[2] !== JSON.parse(text)) {
      throw new Error(`formats.def has for ${word}: ${JSON.parse(text)}`);
    }
  }
  if (said.length !== known.length) throw new Error("formats.def has others");
}

// ---- C ----

const RELAXED = [
  "-Wno-unused-parameter", "-Wno-unused-variable", "-Wno-unused-function",
  "-Wno-unused-but-set-variable",
];

async function compile(listing, source, folders, flags) {
  const object = source.replace(/\.c$/, ".o");
  await run(cc, [
    ...WARNINGS, ...flags, ...folders.map((f) => `-I${f}`),
    ...includes, "-c", source, "-o", object,
  ]);
  return object;
}

function preface(name) {
  const stem = name.replace(/\.zkt$/, "");
  return `#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "${stem}_client.h"
#include "${stem}_server.h"
`;
}

/** Text without differences of layout. */
function flat(text) {
  return text.replaceAll(/\s+/g, " ").replaceAll(/\( /g, "(").trim();
}

/** Returns the files that may contain an excerpt. */
async function filesOf(page, name, ending) {
  if (name.includes("/")) return [path.join(root, name)];
  const folder = name === "zocket" ? path.join(headers, "zocket")
                                   : await page.generated(name);
  return fs.readdirSync(folder).filter((f) => f.endsWith(ending))
    .map((f) => path.join(folder, f));
}

/** Of generated files only the declarations are compared, of others all. */
async function checkExcerpt(page, listing, name, ending = ".h") {
  const files = await filesOf(page, name, ending);
  const kept = (text) => flat(name.includes("/")
    ? text : text.replaceAll(/\/\*[^]*?\*\//g, ""));
  const all = kept(files.map((f) => fs.readFileSync(f, "utf8")).join("\n"));
  for (const part of listing.text.split(/\n\s*\n/)) {
    if (!all.includes(kept(part))) {
      throw new Error(`the file does not contain:\n${part}`);
    }
  }
}

async function checkC(page, listing) {
  const part = /^part of (\S+) of (\S+)$/.exec(listing.mark);
  if (part) return checkPart(page, listing, part[1], part[2]);
  const m =
    /^(file|program|runs) ([^ ]+(?: [^ ]+\.c)*) of (\S+)$|^(functions) of (\S+)(?: given: (.*))?$|^(lines) of (\S+) \((.*)\)(?: -> (.*))?$|^(excerpt) of (\S+)$/.exec(
      listing.mark,
    );
  if (!m) unknown(listing);
  if (m[11]) return checkExcerpt(page, listing, m[12]);
  const line = `#line ${listing.line + 1} "${listing.page}"\n`;
  const name = m[3] ?? m[5] ?? m[8];
  const folder = await page.generated(name);
  if (m[1]) return checkProgram(page, listing, m[1], m[2], name);
  const source = path.join(page.scratch(listing), "listing.c");
  const result = m[10] ?? "void";
  const head = `${result} listing(${m[9] || "void"})`;
  fs.writeFileSync(
    source,
    m[4]
      ? `${preface(name)}${m[6] ?? ""}\n${line}${listing.text}`
      : `${preface(name)}${head};\n${head}\n{\n${line}${listing.text}}\n`,
  );
  await compile(listing, source, [folder], RELAXED);
}

/** Appends to a file of the page, and compiles it as far as it goes. */
async function checkPart(page, listing, name, schema) {
  const line = `#line ${listing.line + 1} "${listing.page}"\n`;
  fs.appendFileSync(page.file(name), line + listing.text.replaceAll(/\b3000\b/g, page.port));
  await compile(listing, page.file(name), [await page.generated(schema)], RELAXED);
}

async function checkProgram(page, listing, kind, names, schema) {
  const [name, ...others] = names.split(" ");
  const folder = await page.generated(schema);
  fs.writeFileSync(page.file(name), listing.text.replaceAll(/\b3000\b/g, page.port));
  if (name.endsWith(".h")) return; // compiled by the file that includes it
  const object = await compile(listing, page.file(name), [folder], []);
  if (kind === "file") return;
  const program = page.file(name.replace(/\.c$/, ""));
  const own = others.map((other) => page.file(other.replace(/\.c$/, ".o")));
  await run(cc, [object, ...own, ...(await page.objects(schema)), ...link, "-o",
    program]);
  if (kind === "runs") {
    await run(program, [], { timeout: PATIENCE_MS });
  }
}

// ---- TypeScript ----

async function checkModule(page, listing) {
  if (/^client of \S+$/.test(listing.mark)) return; // in test/web
  const m = /^excerpt of (\S+)$/.exec(listing.mark);
  if (!m) unknown(listing);
  await checkExcerpt(page, listing, m[1], ".gen.ts");
}

// ---- pages ----

async function checkHtml(page, listing) {
  const m = /^(?:page (\S+)(?: of (\S+))?|excerpt of (\S+))$/.exec(listing.mark);
  if (!m) unknown(listing);
  const [, name, folder, file] = m;
  const place = folder ? path.join(folder, name) : file;
  const text = place ? fs.readFileSync(path.join(root, place), "utf8") : listing.text;
  if (name ? text !== listing.text : !text.includes(listing.text)) {
    throw new Error(`it differs from ${place}`);
  }
  if (!name) return;
  fs.mkdirSync(path.dirname(page.file(name)), { recursive: true });
  fs.writeFileSync(page.file(name), text);
}

// ---- commands ----

/** Returns the environment of commands: this zocketc, this compiler. */
function tools() {
  const bin = path.join(work, "bin");
  const environment = {
    ...process.env,
    PATH: `${bin}:${process.env.PATH}`,
    PKG_CONFIG_PATH: bin,
  };
  if (fs.existsSync(bin)) return environment;
  fs.mkdirSync(bin);
  fs.symlinkSync(zocketc, path.join(bin, "zocketc"));
  const flags = link.filter((l) => l.startsWith("-fsanitize")).join(" ");
  fs.writeFileSync(path.join(bin, "cc"),
    `#!/bin/sh\nexec ${cc} ${flags} "$@"\n`, { mode: 0o755 });
  fs.writeFileSync(path.join(bin, "zocket.pc"),
    `Name: zocket\nDescription: -\nVersion: 0.1.0\nCflags: ${includes.join(" ")}\n` +
    `Libs: ${link.join(" ")}\nzocketc=${bin}/zocketc\n`);
  return environment;
}

async function checkConsole(page, listing) {
  const exit = /^(?:exit (\d+))?$/.exec(listing.mark);
  if (!exit) unknown(listing);
  await runCommands(listing.text.replaceAll(/\b3000\b/g, page.port),
    path.join(page.folder, "files"), tools(), Number(exit[1] ?? 0));
}

/** Checks shell that is not run: it parses, and zocketc has these options. */
async function checkShell(page, listing) {
  execFileSync("sh", ["-n"], { input: listing.text, stdio: "pipe" });
  const help = execFileSync(zocketc, ["--help"]).toString();
  for (const [command] of listing.text.matchAll(/^.*\bzocketc\b.*$/gm)) {
    for (const [option] of command.matchAll(/--[a-z][a-z-]*/g)) {
      if (!help.includes(option)) throw new Error(`zocketc has no ${option}`);
    }
  }
}

// ---- data ----

async function checkJson(page, listing) {
  try {
    JSON.parse(listing.text);
  } catch {
    for (const line of listing.text.trimEnd().split("\n")) JSON.parse(line);
  }
}

async function checkScript(page, listing) {
  new vm.Script(listing.text);
}

const UNIT_PROGRAM = "/usr/local/bin/rooms";

/** Checks that the program of a unit has these options, by its --help on the page. */
function checkUnitOptions(page, listing) {
  const text = fs.readFileSync(path.join(root, page.name), "utf8");
  const lines = listing.text.replaceAll("\\\n", "");
  for (const [, args] of lines.matchAll(/^ExecStart=\S+ (.*)$/gm)) {
    for (const [option] of args.matchAll(/--[a-z-]+/g)) {
      if (!text.includes(`\n  ${option} `)) throw new Error(`the program has no ${option}`);
    }
  }
}

/** Returns the complaints of systemd about a unit, which knows its directives and
 * their values; those about other units of the machine are left out. */
async function verifyUnit(folder, file) {
  const { stderr } = await run("systemd-analyze",
    ["verify", "--man=no", path.join(folder, file)]).catch((e) => e);
  if (stderr === undefined) throw new Error("systemd-analyze does not run");
  return stderr.split("\n").filter((line) => line.includes("rooms.")).join("\n");
}

/** The mark names the file: rooms.service, or a part of it in rooms.service.d. A
 * part is read by systemd behind the unit before it; a socket needs its service.
 * Without systemd-analyze the lines have to look like those of a unit. */
async function checkUnit(page, listing) {
  const file = /^unit (rooms\.(?:service|socket|service\.d\/\w+\.conf))$/.exec(listing.mark)?.[1];
  if (!file) unknown(listing);
  for (const line of listing.text.trimEnd().replaceAll("\\\n", "").split("\n")) {
    if (!/^(\[[A-Z][a-z]+\]|[A-Z]\w*=.*|)$/.test(line)) {
      throw new Error(`not a line of a unit: ${line}`);
    }
  }
  checkUnitOptions(page, listing);
  const folder = path.join(page.folder, "units");
  const part = path.join(folder, "rooms.service.d");
  fs.rmSync(part, { recursive: true, force: true });
  fs.mkdirSync(part, { recursive: true });
  fs.writeFileSync(path.join(folder, file),
    listing.text.replaceAll(UNIT_PROGRAM, process.execPath));
  if (!has("systemd-analyze")) return;
  const said = await verifyUnit(folder, file.split(".d/")[0]);
  if (said !== "") throw new Error(said);
}

/** Whether a command can be run. */
function has(command) {
  return process.env.PATH.split(":").some((folder) => fs.existsSync(path.join(folder, command)));
}

/** A configuration of another program, which another test tries. */
function checkConfiguration(mark) {
  return async (page, listing) => {
    if (listing.mark !== mark) unknown(listing);
  };
}

/** Checks frames of a server of the page: '>' is sent, '<' is received. Or
 * lines that a test compares with a program's. */
async function checkText(page, listing) {
  const output = /^output (\S+)$/.exec(listing.mark);
  if (output) {
    const all = fs.readFileSync(path.join(root, output[1]), "utf8");
    if (!all.includes(listing.text)) throw new Error(`${output[1]} has other lines`);
    return;
  }
  const m = /^frames with (\S+)$/.exec(listing.mark);
  if (!m) unknown(listing);
  await frames(page.file(m[1]), listing.text);
}

function unknown(listing) {
  throw new Error(`unknown listing: ${listing.language || "a fence"}` +
    ` that is marked '${listing.mark}'`);
}

/** A fence of a language without a check. */
async function checkNothing(page, listing) {
  unknown(listing);
}

const checks = {
  zkt: checkSchema,
  c: checkC,
  console: checkConsole,
  sh: checkShell,
  json: checkJson,
  js: checkScript,
  ts: checkModule,
  html: checkHtml,
  text: checkText,
  ini: checkUnit,
  nginx: checkConfiguration("nginx"),
  caddyfile: checkConfiguration("caddy"),
  haproxy: checkConfiguration("haproxy"),
  yaml: checkConfiguration("prometheus"),
  meson: async () => {},
  cmake: async () => {},
  make: async () => {},
};

// ---- all listings ----

let count = 0;
let bad = 0;
async function test(title, check) {
  let error = null;
  try {
    await check();
  } catch (e) {
    error = e.stderr || e.message || String(e);
  }
  count++;
  console.log(`${error === null ? "ok" : "not ok"} ${count} - ${title}`);
  if (error !== null) {
    bad++;
    console.log(error.trimEnd().replaceAll(/^/gm, "# "));
  }
}

// Pages with a test of their own for schemas and messages: test/diag/documented,
// test/breaking/run, test/fmt/run.
const elsewhere = ["diagnostics", "breaking", "zocketc"]
  .map((name) => `docs/${name}.md`);

/** The client guide is one program: test/docs/meson.build builds it. */
function isElsewhere(page, listing) {
  return listing.mark === "client guide" ||
    elsewhere.includes(page) && !["sh", "console"].includes(listing.language);
}

async function checkAll(page, listings) {
  for (const listing of listings) {
    const what = `${page.name}:${listing.line}: ${listing.language}`;
    await test(`${what} ${listing.mark.split(" ")[0]}`.trim(), () =>
      (checks[listing.language] ?? checkNothing)(page, listing));
  }
}

/** The page that a page has the files of. */
function sourceOf(name) {
  const text = fs.readFileSync(path.join(root, name), "utf8");
  return /^<!-- test: files of (\S+) -->$/m.exec(text)?.[1];
}

/** Schemas and programs first, then the commands and messages that use them. Pages
 * with the files of another come after that. */
async function checkPages(names) {
  const opened = new Map();
  for (const name of names) opened.set(name, new Page(name, await freePort()));
  const each = (check) => Promise.all([...opened.values()].map((page) =>
    check(page, listingsOf(root, page.name).filter((l) => !isElsewhere(page.name, l)))));
  const talks = (l) => l.language === "text" || l.language === "console";
  const build = (page, all) => checkAll(page, all.filter((l) => !talks(l)));
  await each((page, all) => sourceOf(page.name) ? null : build(page, all));
  for (const [name, page] of opened) {
    const source = opened.get(sourceOf(name));
    if (source) fs.cpSync(source.file("."), page.file("."), { recursive: true });
  }
  await each((page, all) => sourceOf(page.name) ? build(page, all) : null);
  await each((page, all) => checkAll(page, all.filter(talks)));
}

fs.rmSync(work, { recursive: true, force: true });
fs.mkdirSync(work, { recursive: true });
const only = process.env.DOCS_ONLY;
const pages = ["README.md", "CONTRIBUTING.md",
  ...fs.readdirSync(path.join(root, "docs")).filter((f) => f.endsWith(".md"))
    .sort().map((f) => `docs/${f}`)];
await test("links lead somewhere", async () => {
  const all = badLinks(root, pages);
  if (all.length > 0) throw new Error(all.join("\n"));
});
const chosen = pages.filter((p) => !only || p.includes(only));
await checkPages(new Set([...chosen, ...chosen.map(sourceOf).filter(Boolean)]));
console.log(`1..${count}`);
process.exit(bad > 0 ? 1 : 0);
