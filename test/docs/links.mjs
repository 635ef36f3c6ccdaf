// Links of Markdown pages: each leads to a file of the repository, and where
// it names a heading, to one that the page has. Links elsewhere are not tried.
import fs from "node:fs";
import path from "node:path";

/** A page without what stands in fences and in code. */
function prose(file) {
  return fs.readFileSync(file, "utf8")
    .replaceAll(/^```[^]*?^```$/gm, "")
    .replaceAll(/`[^`\n]*`/g, (code) => code.replaceAll(/[[\]()#]/g, " "));
}

/** How GitHub names a heading. */
function anchor(heading) {
  return heading.toLowerCase().replaceAll(/[^\p{L}\p{N}_ -]/gu, "")
    .replaceAll(" ", "-");
}

function anchors(file) {
  const text = fs.readFileSync(file, "utf8").replaceAll(/^```[^]*?^```$/gm, "");
  return [...text.matchAll(/^#+ (.*)$/gm)].map(([, title]) => anchor(title));
}

/** What is wrong with the links of @pages, and which page none leads to. */
export function badLinks(root, pages) {
  const wrong = [];
  const reached = new Set(["README.md"]);
  for (const page of pages) {
    const file = path.join(root, page);
    for (const [, target] of prose(file).matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^https?:/.test(target)) continue;
      const [to, heading] = target.split("#");
      const there = to === "" ? file : path.resolve(path.dirname(file), to);
      reached.add(path.relative(root, there));
      if (!fs.existsSync(there)) {
        wrong.push(`${page}: there is no ${target}`);
      } else if (heading && !anchors(there).includes(heading)) {
        wrong.push(`${page}: ${to || page} has no heading #${heading}`);
      }
    }
  }
  for (const page of pages) {
    if (!reached.has(page)) wrong.push(`no link leads to ${page}`);
  }
  return wrong;
}
