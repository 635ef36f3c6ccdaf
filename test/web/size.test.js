// The size of the client: in the file for pages, and as a bundler leaves it.
import assert from "node:assert/strict";
import fs from "node:fs";
import { test } from "node:test";
import zlib from "node:zlib";
import { minify } from "terser";

const KB = 1024;
const gzipped = (text) => zlib.gzipSync(text, { level: 9 }).length;

test("the client is small", async (t) => {
  const page = fs.readFileSync(process.env.PAGE_CLIENT, "utf8");
  const { code } = await minify(page, { module: true, compress: { passes: 3 } });
  t.diagnostic(`for pages: ${page.length} bytes, ${gzipped(page)} gzipped`);
  t.diagnostic(`by terser: ${code.length} bytes, ${gzipped(code)} gzipped`);
  assert.ok(gzipped(code) <= 5 * KB);
  assert.ok(gzipped(page) <= 5.5 * KB);
});
