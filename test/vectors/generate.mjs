// Makes a schema of the vectors, with a method for every group, and a table for
// vectors_test.c.
//
//   node generate.mjs SCHEMA.zkt TABLE.h FILE.json…
import { readFileSync, writeFileSync } from "node:fs";
import { basename } from "node:path";

const [schema, table, ...files] = process.argv.slice(2);

const cText = (text) => {
  const bytes = [...Buffer.from(text)];
  const lines = [];
  for (let i = 0; i < bytes.length; i += 1000) {
    lines.push(`"${bytes.slice(i, i + 1000).map((b) => `\\${b.toString(8).padStart(3, "0")}`).join("")}"`);
  }
  return lines.join(" ") || '""';
};

const zkt = ["app vectors;"];
const rows = [];
files.forEach((file, actor) => {
  const { declarations = [], groups } = JSON.parse(readFileSync(file, "utf8"));
  const name = basename(file, ".json");
  zkt.push(...declarations, `actor ${name} {`);
  groups.forEach(({ type, cases }, method) => {
    zkt.push(`    method group${method}: ${type};`);
    for (const { json, value, issues } of cases) {
      const expected = JSON.stringify(issues ?? value);
      const row = [actor, method, cText(json), Buffer.byteLength(json), cText(expected), issues === undefined];
      rows.push(`    { ${row.join(", ")} },`);
    }
  });
  zkt.push("}");
});
writeFileSync(schema, `${zkt.join("\n")}\n`);
writeFileSync(table, `${rows.join("\n")}\n`);
