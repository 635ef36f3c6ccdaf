// Links of Markdown pages: each leads to a file of the repository and, if it
// names a heading, to a heading of the page. External links are not tried.
import fs from "node:fs";
import path from "node:path";

/** Returns a page without the contents of fences and of code. */
function prose(file) {
  return fs.readFileSync(file, "utf8")
    .replaceAll(/^```[^]*?^```$/gm, "")
    .replaceAll(/`[^`\n]*`/g, (code) => code.replaceAll(/[[\]()#]/g, " "));
}

/** Returns GitHub's name of a heading. */
function anchor(heading) {
  return heading.toLowerCase().replaceAll(/[^\p{L}\p{N}_ -]/gu, "")
    .replaceAll(" ", "-");
}

function anchors(file) {
  const text = fs.readFileSync(file, "utf8").replaceAll(/^```[^]*?^```$/gm, "");
  return [...text.matchAll(/^#+ (.*)$/gm)].map(([, title]) => anchor(title));
}

/** Returns the broken links of @pages, and the pages without a link to them. */
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
