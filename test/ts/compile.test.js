// The modules that zocketc writes, under every version of TypeScript that is
// supported, with the strictest options, together with claims about their types
// in types/: the golden schemas, the examples, odd names, the documentation, and
// random schemas. Then their values, and the texts that an editor shows.
//
//   ZOCKETC=… WORK=… node --test compile.test.js      WORK is emptied first
//   UPDATE=1 …                                        rewrites hover.txt
//   SEEDS=N FROM=N …                                  other random schemas
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify } from "node:util";
import ts from "typescript-5";
import { listingsOf } from "../docs/listings.mjs";

const run = promisify(execFile);
const here = path.dirname(fileURLToPath(import.meta.url));
const root = path.resolve(here, "../..");
const work = path.resolve(process.env.WORK);
const seeds = Number(process.env.SEEDS ?? 16), from = Number(process.env.FROM ?? 1);

const module = (schema, folder = work) => path.join(folder, `${path.basename(schema, ".zkt")}.gen.ts`);

async function compile(schema, folder = work, ...options) {
  await run(process.env.ZOCKETC, ["--warn=none", "--ts", folder, ...options, schema]);
  return module(schema, folder);
}

// ---- schemas ----

function schemasIn(folder) {
  return fs.readdirSync(path.join(root, folder))
    .filter((name) => name.endsWith(".zkt"))
    .map((name) => path.join(root, folder, name));
}

/** Compiles the whole schemas of a page. */
async function compilePage(name) {
  const folder = path.join(work, name);
  fs.mkdirSync(folder);
  for (const { language, mark, text } of listingsOf(root, `docs/${name}.md`)) {
    const [kind, file] = mark.split(" ");
    if (language === "zkt" && kind === "schema") {
      fs.writeFileSync(path.join(folder, file), text);
      await compile(path.join(folder, file), folder);
    }
  }
}

/** Makes a random schema, and its module. Returns false if it is refused for two shapes of the same name in C. */
async function compileRandom(seed) {
  const folder = path.join(work, "random", String(seed));
  fs.mkdirSync(folder, { recursive: true });
  const generate = path.join(root, "test/property/schemas/generate.mjs");
  const { stdout } = await run(process.execPath, [generate, String(seed), folder]);
  try {
    await compile(path.join(folder, `${stdout.trim()}.zkt`), folder, "-I", path.join(folder, "shared"));
  } catch (error) {
    const errors = error.stderr.match(/ error: .*/g) ?? [error.message];
    assert.ok(errors.every((e) => e.startsWith(" error: 'this type' becomes")), error.stderr);
    return false;
  }
  return true;
}

async function inTurns(items, count, action) {
  const results = [];
  const worker = async () => {
    for (let item = items.shift(); item !== undefined; item = items.shift()) results.push(await action(item));
  };
  await Promise.all(Array.from({ length: count }, worker));
  return results;
}

fs.rmSync(work, { recursive: true, force: true });
fs.mkdirSync(path.join(work, "examples"), { recursive: true });
fs.writeFileSync(path.join(work, "package.json"), '{"type":"module"}\n');
for (const file of fs.readdirSync(path.join(here, "types"))) {
  fs.copyFileSync(path.join(here, "types", file), path.join(work, file));
}

await inTurns([...schemasIn("test/golden"), path.join(here, "names.zkt")], 2, (schema) => compile(schema));
const examples = fs.readdirSync(path.join(root, "examples"))
  .filter((name) => fs.statSync(path.join(root, "examples", name)).isDirectory());
await inTurns(examples.flatMap((name) => schemasIn(`examples/${name}`)), 2,
  (schema) => compile(schema, path.join(work, "examples")));
await compilePage("typescript");

test("random schemas have modules", async () => {
  const made = await inTurns(Array.from({ length: seeds }, (_, i) => from + i), 2, compileRandom);
  assert.ok(made.filter(Boolean).length >= seeds / 2);
});

// ---- compilers ----

const strictest = {
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  noImplicitOverride: true,
  noImplicitReturns: true,
  noFallthroughCasesInSwitch: true,
  noUnusedLocals: true,
  noUnusedParameters: true,
  verbatimModuleSyntax: true,
  isolatedModules: true,
};
const common = {
  noEmit: true,
  skipLibCheck: true, // of TypeScript itself
  declaration: true,
  target: "es2022",
  lib: ["es2022"],
  module: "esnext",
  moduleResolution: "bundler",
  types: [],
};
const newest = { ...strictest, isolatedDeclarations: true, erasableSyntaxOnly: true };

for (const [title, version, options, include] of [
  ["TypeScript 5.0", "5.0", strictest, ["**/*.ts"]],
  ["the newest TypeScript 5", "5", newest, ["**/*.ts"]],
  ["TypeScript 6", "6", newest, ["**/*.ts"]],
  ["TypeScript 7", "7", newest, ["**/*.ts"]],
  // For somebody who is not strict; the claims about types need it.
  ["TypeScript 7 without strict", "7", { strict: false }, ["**/*.gen.ts"]],
  ["TypeScript 7 with indices by brackets alone", "7", { ...newest, noPropertyAccessFromIndexSignature: true },
    ["**/*.gen.ts"]],
]) {
  test(title, async () => {
    const config = path.join(work, `tsconfig-${title.replace(/\W+/g, "-")}.json`);
    fs.writeFileSync(config, JSON.stringify({ compilerOptions: { ...common, ...options }, include }));
    const compiler = path.join(here, `node_modules/typescript-${version}/bin/tsc`);
    const result = await run(process.execPath, [compiler, "-p", config, "--pretty", "false"]).catch((error) => error);
    assert.equal(result.stdout.slice(0, 8000) + result.stderr, "");
  });
}

test("the claims can fail", async () => {
  const folder = path.join(work, "wrong");
  fs.mkdirSync(folder);
  fs.writeFileSync(path.join(folder, "wrong.ts"), `
import type { Equal, Holds } from "../equal.js";
import type { Circle } from "../every.gen.js";
export type Optional = Holds<[Equal<Circle, { center?: [number, number]; radius: number }>]>;
export type Readonly = Holds<[Equal<{ readonly n: 1 }, { n: 1 }>]>;
export type Any = Holds<[Equal<any, string>]>;
`);
  const config = path.join(folder, "tsconfig.json");
  fs.writeFileSync(config, JSON.stringify({ compilerOptions: { ...common, ...newest }, files: ["wrong.ts"] }));
  const compiler = path.join(here, "node_modules/typescript-7/bin/tsc");
  const { stdout } = await run(process.execPath, [compiler, "-p", config, "--pretty", "false"]).catch((error) => error);
  assert.deepEqual([...stdout.matchAll(/^\S*wrong\.ts\((\d+),/gm)].map((m) => m[1]), ["4", "5", "6"]);
});

test("a module has no import, no any and no text of another line", () => {
  for (const schema of [...schemasIn("test/golden"), path.join(here, "names.zkt")]) {
    const text = fs.readFileSync(module(schema), "utf8");
    const code = text.replaceAll(/\/\*[^]*?\*\/|\/\/.*/g, "");
    assert.doesNotMatch(code.replaceAll(/"(?:[^"\\]|\\.)*"/g, '""'), /\bimport\b|: any\b|\bany\[|<any\b/, schema);
    assert.doesNotMatch(text, /[\u2028\u2029\r\t]| $/m, schema);
  }
});

// ---- values ----

/** Loads a module as a bundler would: without its types. */
async function load(schema) {
  const source = fs.readFileSync(module(schema), "utf8");
  const { outputText } = ts.transpileModule(source, {
    compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 },
  });
  const file = module(schema).replace(/\.ts$/, ".mjs");
  fs.writeFileSync(file, outputText);
  return import(pathToFileURL(file));
}

test("an app says at run time what its type says", async () => {
  for (const schema of [...schemasIn("test/golden"), path.join(here, "names.zkt")]) {
    const loaded = await load(schema);
    assert.deepEqual(Object.keys(loaded), ["app"], schema);
    const model = JSON.parse((await run(process.env.ZOCKETC, ["--warn=none", "--model", "-", schema])).stdout);
    assert.deepEqual(Object.keys(loaded.app.actors), model.actors.map((a) => a.name));
    for (const actor of model.actors) checkActor(loaded.app.actors[actor.name].config, actor);
    assert.deepEqual(Object.keys(loaded.app.broadcasts ?? {}), (model.broadcasts ?? []).map((b) => b.name));
    checkConnection(loaded.app.connection, model.connection);
  }
});

function checkActor(config, actor) {
  assert.deepEqual(Reflect.ownKeys(config.events), actor.events.map((e) => e.name));
  assert.deepEqual(Reflect.ownKeys(config.methods), actor.methods.map((m) => m.name));
  for (const method of actor.methods) {
    const definition = config.methods[method.name];
    for (const [key, has] of Object.entries({
      input: method.input, stream: method.stream, progress: method.progress, errors: method.throws,
    })) {
      assert.equal(Object.hasOwn(definition, key), has !== undefined, `${method.name}: ${key}`);
    }
    assert.equal(definition.timeoutMs, method.timeoutMs);
    assert.throws(definition.handler, /the server/);
  }
  assert.deepEqual(config.state["~standard"].validate(1), { value: 1 });
}

function checkConnection(connection, model) {
  const query = (model?.input.fields ?? []).filter((f) => f.from === "query");
  assert.deepEqual(connection?.query ?? {}, Object.fromEntries(query.map((f) => [f.name, f.key])));
  const bearer = model?.input.fields.some((f) => f.from === "bearer") ?? false;
  assert.equal(connection?.token !== undefined, bearer);
}

// ---- editors ----

/** What an editor shows where hover.ts has `//^` below a name. */
function hover() {
  const file = path.join(work, "hover.ts");
  const host = {
    getScriptFileNames: () => [file],
    getScriptVersion: () => "1",
    getScriptSnapshot: (name) =>
      fs.existsSync(name) ? ts.ScriptSnapshot.fromString(fs.readFileSync(name, "utf8")) : undefined,
    getCurrentDirectory: () => work,
    getCompilationSettings: () => ({
      strict: true, target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext,
      moduleResolution: ts.ModuleResolutionKind.Bundler, types: [], lib: ["lib.es2022.d.ts"],
    }),
    getDefaultLibFileName: ts.getDefaultLibFilePath,
    fileExists: fs.existsSync,
    readFile: (name) => fs.readFileSync(name, "utf8"),
  };
  const service = ts.createLanguageService(host);
  const text = fs.readFileSync(file, "utf8");
  const shown = [];
  for (const mark of text.matchAll(/^\/\/ *\^/gm)) {
    const line = text.lastIndexOf("\n", mark.index - 2) + 1;
    const info = service.getQuickInfoAtPosition(file, line + mark[0].length - 1);
    const code = text.slice(line, mark.index - 1);
    const docs = ts.displayPartsToString(info.documentation);
    assert.equal(info.tags?.length ?? 0, 0, `a tag at ${code}`);
    shown.push(`> ${code}\n${ts.displayPartsToString(info.displayParts)}\n${docs && `\n${docs}\n`}`);
  }
  return shown.join("\n");
}

test("an editor shows names and documentation", () => {
  const file = path.join(here, "hover.txt");
  if (process.env.UPDATE) fs.writeFileSync(file, hover());
  assert.equal(hover(), fs.readFileSync(file, "utf8"));
});
