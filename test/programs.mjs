// Prints the programs that the tests of a suite need, as ninja names them.
//
//   meson introspect --tests --targets BUILD | node programs.mjs SUITE BUILD
import { readFileSync } from "node:fs";
import { relative } from "node:path";

const [suite, build] = process.argv.slice(2);
const { tests, targets } = JSON.parse(readFileSync(0, "utf8"));
const needed = new Set(
  tests
    .filter((test) => test.suite.some((name) => name.split(":").pop() === suite))
    .flatMap((test) => test.depends),
);
for (const target of targets) {
  if (needed.has(target.id)) {
    for (const path of target.filename) {
      console.log(relative(build, path));
    }
  }
}
