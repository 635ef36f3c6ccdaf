// Exchanges the frames of a listing with a server: a line '> …' is sent as it
// is, a line '< …' must be the next received frame. In received frames, "…"
// stands for any string. Other text and lines of prose are for readers.
import assert from "node:assert/strict";
import { Peer, startServer } from "../e2e/peer.js";

/** Returns @wanted with @got's values in the places of "…". */
function filled(wanted, got) {
  if (wanted === "…") return typeof got === "string" ? got : wanted;
  if (Array.isArray(wanted)) {
    return wanted.map((w, i) => filled(w, Array.isArray(got) ? got[i] : null));
  }
  if (wanted === null || typeof wanted !== "object") return wanted;
  return Object.fromEntries(
    Object.entries(wanted).map(([key, w]) => [key, filled(w, got?.[key])]),
  );
}

export async function frames(program, text) {
  const ends = [];
  try {
    const scope = { after: (end) => ends.push(end) };
    const server = await startServer(scope, program);
    const peer = await Peer.open(server.url);
    for (const line of text.trimEnd().split("\n")) {
      const frame = line.slice(2);
      if (line.startsWith("> ")) {
        peer.sendText(frame);
      } else if (line.startsWith("< ") && frame.includes('"welcome"')) {
        assert.equal(typeof JSON.parse(frame).clientId, "string");
      } else if (line.startsWith("< ")) {
        const got = await peer.next();
        assert.deepEqual(got, filled(JSON.parse(frame), got));
      } else {
        throw new Error(`neither '> ' nor '< ': ${line}`);
      }
    }
    assert.deepEqual(await peer.drain("no such actor", "x", "nothing"), []);
    await peer.close();
    await server.stop();
  } finally {
    for (const end of ends) end();
  }
}
