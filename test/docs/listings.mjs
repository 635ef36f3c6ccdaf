// The listings of a page, and a port for them.
import fs from "node:fs";
import net from "node:net";
import path from "node:path";

/** The listings of a page: language, mark, text and line. */
export function listingsOf(root, page) {
  const lines = fs.readFileSync(path.join(root, page), "utf8").split("\n");
  const found = [];
  for (let i = 0; i < lines.length; i++) {
    const fence = /^```(\S*)(.*)$/.exec(lines[i]);
    if (!fence) continue;
    const end = lines.indexOf("```", i + 1);
    if (end < 0) throw new Error(`${page}:${i + 1}: a fence without an end`);
    const mark = /^<!-- test: (.*) -->$/.exec(lines[i - 1] ?? "");
    found.push({
      page,
      line: i + 1,
      language: fence[1],
      mark: mark ? mark[1] : "",
      text: lines.slice(i + 1, end).join("\n") + "\n",
    });
    i = end;
  }
  return found;
}

/** Returns true if nobody listens on a port. */
function isFree(port) {
  return new Promise((resolve) => {
    const server = net.createServer();
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}

/** A port that is free now; listings have 3000 in its place. It is below those
 * that the system gives to others in the meantime. */
export async function freePort() {
  for (;;) {
    const port = 12000 + Math.floor(Math.random() * 18000);
    if (await isFree(port)) return String(port);
  }
}
