// The types of the client, under every version of TypeScript that is supported,
// with the strictest options: claims that must hold, and mistakes that must be seen.
//
//   ZOCKETC=… CLIENT=… WORK=… node --test types.test.js      WORK is emptied first
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { listingsOf } from "../docs/listings.mjs";

const run = promisify(execFile);
const here = path.dirname(fileURLToPath(import.meta.url));
const root = path.resolve(here, "../..");
const work = path.resolve(process.env.WORK);
const client = path.join(work, "node_modules/@zocketc/client");

fs.rmSync(work, { recursive: true, force: true });
fs.mkdirSync(client, { recursive: true });
fs.writeFileSync(path.join(work, "package.json"), '{"type":"module"}\n');
fs.copyFileSync(path.join(here, "types/client.ts"), path.join(work, "client.ts"));
for (const file of ["package.json", "index.d.ts"]) {
  fs.copyFileSync(path.join(root, "runtime/ts/client", file), path.join(client, file));
}
for (const schema of ["examples/chat/chat.zkt", "test/e2e/flow.zkt", "test/e2e/access.zkt"]) {
  await run(process.env.ZOCKETC, ["--warn=none", "--ts", work, path.join(root, schema)]);
}

const strictest = {
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  noImplicitOverride: true,
  noImplicitReturns: true,
  noUnusedLocals: true,
  noUnusedParameters: true,
  verbatimModuleSyntax: true,
  isolatedModules: true,
};
const common = {
  noEmit: true,
  skipDefaultLibCheck: true, // of TypeScript itself
  target: "es2022",
  lib: ["es2022", "dom"],
  module: "nodenext",
  moduleResolution: "nodenext",
  types: [],
};

async function check(name, version, options, files) {
  const config = path.join(work, `${name}.json`);
  fs.writeFileSync(config, JSON.stringify({ compilerOptions: { ...common, ...options }, files }));
  const compiler = path.join(root, `test/ts/node_modules/typescript-${version}/bin/tsc`);
  const result = await run(process.execPath, [compiler, "-p", config, "--pretty", "false"]).catch((error) => error);
  return result.stdout + result.stderr;
}

for (const version of ["5.0", "5", "6", "7"]) {
  test(`the claims hold under TypeScript ${version}`, async () => {
    assert.equal(await check(`claims-${version}`, version, strictest, ["client.ts"]), "");
  });
}

test("the listings of the manual", async () => {
  const files = [];
  const folder = path.join(work, "manual");
  fs.mkdirSync(folder);
  const preamble = `import { createClient, isZocketError } from "@zocketc/client";
import { app } from "./room.gen.js";
const client = createClient(app, { url: "ws://localhost:3000", token: "t" });
const room = client.room("general");
`;
  for (const { language, mark, text, line } of listingsOf(root, "docs/typescript.md")) {
    if (mark === "schema room.zkt") {
      fs.writeFileSync(path.join(folder, "room.zkt"), text);
      await run(process.env.ZOCKETC, ["--ts", folder, path.join(folder, "room.zkt")]);
    } else if (language === "ts" && mark === "client of room.zkt") {
      files.push(`manual/line${line}.ts`);
      const globals = "declare const fetchToken: (again: boolean) => Promise<string>;\nvoid fetchToken;\nexport {};\n";
      fs.writeFileSync(path.join(work, files.at(-1)), `${text.includes("import ") ? "" : preamble}${text}${globals}`);
    }
  }
  assert.ok(files.length > 2);
  assert.equal(await check("manual", "5", { ...strictest, noUnusedLocals: false }, files), "");
});

test("without strict", async () => {
  fs.writeFileSync(path.join(work, "lax.ts"), `
import { createClient } from "@zocketc/client";
import { app } from "./chat.gen.js";
const client = createClient(app, { params: { user: "ada" } });
export const topic: Promise<number> = client.chat("a").say({ text: "x" }).then(({ id }) => id);
`);
  assert.equal(await check("lax", "7", { strict: false }, ["lax.ts"]), "");
});

test("the claims can fail", async () => {
  fs.writeFileSync(path.join(work, "wrong.ts"), `
import { createClient } from "@zocketc/client";
import { app } from "./chat.gen.js";
const room = createClient(app, { params: { user: "ada" } }).chat("a");
export const one: Promise<string> = room.say({ text: "x" });
room.say({ texts: "x" });
room.on("said", (message: string) => message);
`);
  const errors = await check("wrong", "7", strictest, ["wrong.ts"]);
  assert.equal(errors.match(/ error /g)?.length, 3, errors);
});

test("the source of the client", async () => {
  const source = path.join(root, "runtime/ts/client/tsconfig.json");
  const compiler = path.join(root, "test/ts/node_modules/typescript-5/bin/tsc");
  const { stdout } = await run(process.execPath, [compiler, "-p", source, "--pretty", "false"]).catch((error) => error);
  assert.equal(stdout, "");
});
