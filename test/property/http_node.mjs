// Streams of requests through the reader of http and through Node's parser, a
// newer llhttp in its strict mode: the cases of http_cases.def, and random
// changes of them. Requests that both take are the same, with the same ends.
// Where one takes a stream and the other refuses it, a rule in the lists below
// says why; a stream without such a rule fails the test. Prints TAP.
//
//   http_node.mjs HTTP_STREAMS [SEED [ROUNDS]]
import { execFileSync } from "node:child_process";
import { HTTPParser } from "_http_common";

const [program, seedText = "1", roundsText = "20000"] = process.argv.slice(2);
let seed = Number(seedText);

/** A random integer below @n (mulberry32). */
function random(n) {
  seed = (seed + 0x6d2b79f5) | 0;
  let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) % n;
}

const methods = HTTPParser.methods ?? (await import("_http_common")).methods;

/** The path and query of a target, which may be of the absolute form. */
const resource = (url) => url.replace(/^https?:\/\/[^/]*/i, "") || "/";

/** Reads requests by a parser of Node's, which stops behind an upgrade. Returns
 * their text, as the program prints it, and the number of consumed bytes. */
function readByNode(stream) {
  const parser = new HTTPParser();
  let text = "";
  let current, body;
  let over = false;
  parser.initialize(HTTPParser.REQUEST, {});
  parser[HTTPParser.kOnHeadersComplete] = (...parts) => {
    const [, minor, headers, method, url, , , upgrade, alive] = parts;
    const websocket = headers.some(
      (name, i) =>
        i % 2 === 0 &&
        name.toLowerCase() === "upgrade" &&
        /(^|,)[ \t]*websocket[ \t]*(,|$)/i.test(headers[i + 1]),
    );
    const last = !alive || minor === 0 || (upgrade && websocket);
    current = { start: `${methods[method]} ${resource(url)}`, last };
    body = [];
    return 0;
  };
  parser[HTTPParser.kOnBody] = (piece) => void body.push(Buffer.from(piece));
  parser[HTTPParser.kOnMessageComplete] = () => {
    if (over) return;
    const bytes = Buffer.concat(body).toString("hex");
    text += `${current.start} ${bytes}|${current.last ? "last" : ""}`;
    over = current.last;
  };
  const result = parser.execute(stream);
  parser.close();
  if (over) return { text, used: stream.length };
  if (result instanceof Error) return { text: text + result.code, used: stream.length };
  return { text, used: result };
}

function byNode(stream) {
  let text = "";
  for (let at = 0; at < stream.length; ) {
    const next = readByNode(stream.subarray(at));
    text += next.text;
    at += next.used;
  }
  return text;
}

/** The same by the program, for all streams. */
function byUs(streams) {
  const input = streams.flatMap((stream) => {
    const head = Buffer.alloc(4);
    head.writeUInt32BE(stream.length);
    return [head, stream];
  });
  const options = { input: Buffer.concat(input), maxBuffer: 1 << 30, encoding: "latin1" };
  return execFileSync(program, options).split("\n").slice(0, -1);
}

// ---- rules ----

const known = /^(GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS|TRACE)$/;
const host = "(\\[[\\da-f:.]+\\]|[-.~\\w%!$&'()*+;=]*)(:\\d*)?";
const lines = (text) => text.split("\r\n");
const count = (text, name) => (text.match(new RegExp(`^${name}:`, "gim")) ?? []).length;

// The reader refuses more than Node's parser does. By its status: a test of the
// request, from its request line on.
const stricter = {
  400: {
    "RFC 9112, 2.2: a bare CR or LF": (_, all) => /(?<!\r)\n|\r(?!\n)/.test(all),
    "RFC 9112, 3: a single blank": (t) => / {2}|^\S+ \S+\r\n/.test(lines(t)[0] + "\r\n"),
    "RFC 9112, 3: HTTP only": (t) => /(RTSP|ICE)\/\d\.\d$/.test(lines(t)[0]),
    "RFC 9112, 3.2: forms of a target": (t) => !/^\S+ (\/|https?:\/\/)[^#]* HTTP/i.test(t),
    "RFC 9112, 3.2.2: an authority": (t) =>
      /^\S+ https?:\/\//i.test(t) &&
      !new RegExp(`^\\S+ https?://(?! |/)${host}(/| )`, "i").test(t),
    "RFC 9112, 3.2: exactly one Host": (t) => count(t, "host") !== 1,
    "RFC 9112, 3.2: a valid Host": (t) => 
      !new RegExp(`^host:[ \\t]*${host}[ \\t]*\r$`, "im").test(t),
    "RFC 9112, 5.2: folded fields": (_, all) => /\r\n[ \t]/.test(all),
    "RFC 9112, 6.1: Transfer-Encoding is for HTTP/1.1": (t) =>
      /^\S+ \S+ HTTP\/1\.0/.test(t) && count(t, "transfer-encoding") > 0,
    "RFC 9112, 6.1: chunked, and once": (t) =>
      count(t, "transfer-encoding") > 1 ||
      /^transfer-encoding:(?![ \t]*(\S.*,[ \t]*)?chunked[ \t]*\r$)/im.test(t),
    "RFC 9110, 7.8: a body beside an Upgrade": (t) =>
      /^upgrade:/im.test(t) && /^(content-length|transfer-encoding):/im.test(t),
    "RFC 6455, 4.1: fields once": (t) =>
      count(t, "origin") > 1 || count(t, "sec-websocket-(key|version)") > 1,
    "llhttp 8: two chunk extensions": (_, all) => /^[0-9a-f]+;.*;/im.test(all),
  },
  405: { "RFC 9110, 9.3.6: CONNECT is for proxies": (t) => t.startsWith("CONNECT ") },
  413: { "a limit": () => true },
  417: { "RFC 9110, 10.1.1: another expectation": (t) => /^expect:/im.test(t) },
  431: { "a limit": () => true },
  501: {
    "RFC 9110, 9.1: another method": (t) => !known.test(/^\S*/.exec(t)[0]),
    "RFC 9112, 6.1: another coding": (t) => /^transfer-encoding:.*,/im.test(t),
  },
  505: { "RFC 9110, 2.5: another version": (t) => !/ HTTP\/1\.[01]$/.test(lines(t)[0]) },
};

// Node's parser refuses more than the reader does.
const laxer = {
  "a fault that is found at the end of its line or later": (t) =>
    /\r\n[: \t]|(?<!\r)\n/.test(t),
  "RFC 9110, 6.5.1: fields of trailers have no effect": (t) =>
    /\r\n0+(;.*)?\r\n(\S+:.*\r\n)*(connection|content-length|transfer-encoding|upgrade):/i.test(t),
};

// Both take a request, and read it differently.
const otherwise = {
  "RFC 9110, 5.6.3: a tab is a blank, also in Connection": (t) => /^connection:.*\t/im.test(t),
};

const refusal = /^(\d{3}@\d+|HPE_\w+)$/;

/** Returns the rule that explains two outcomes of a stream, or undefined. They
 * are the same before the last parts. */
function explain(stream, ours, nodes) {
  if (!refusal.test(ours)) {
    const rules = Object.entries(refusal.test(nodes) ? laxer : otherwise);
    return rules.find(([, test]) => test(stream))?.[0];
  }
  if (refusal.test(nodes) || nodes === "") return "both refuse";
  const [status, offset] = ours.split("@");
  const request = stream.slice(Number(offset)).replace(/^(\r\n)+/, "");
  const end = request.indexOf("\r\n\r\n");
  const head = end < 0 ? request : request.slice(0, end + 4);
  const rules = Object.entries(stricter[status] ?? {});
  return rules.find(([, test]) => test(head, request))?.[0];
}

/** Compares two outcomes. Returns the rule that explains a difference, "same",
 * or undefined. */
function judge(stream, ours, nodes) {
  const [us, node] = [ours.replace(/more$/, "").split("|"), nodes.split("|")];
  let i = 0;
  while (i < us.length && i < node.length && us[i] === node[i]) i++;
  if (i === us.length && i === node.length) return "same";
  return explain(stream.toString("latin1"), us[i] ?? "", node[i] ?? "");
}

// ---- streams ----

const cases = execFileSync(program, ["cases"], { encoding: "latin1" })
  .split("\n")
  .slice(0, -1)
  .map((digits) => Buffer.from(digits, "hex"));
const bytes = Buffer.from("\0\t\n\r !\"#,/0123:;=?@AGZ[abchxz\x7f\x80\xff", "latin1");
const texts = ["\r\n", "\r\n\r\n", "\r\n ", "chunked", "0\r\n\r\n", ": ", "close", "HTTP/1.0"];

/** The bounds of a part of a stream: of a line, or of bytes anywhere. */
function part(stream) {
  const from = random(stream.length + 1);
  const at = stream.indexOf("\r\n", from);
  const begin = random(2) && at >= 0 ? at + 2 : from;
  const end = stream.indexOf("\r\n", begin);
  return [begin, random(2) && end >= 0 ? end + 2 : begin + random(4)];
}

/** Removes, repeats or replaces a part of a stream, or adds to it. */
function change(stream) {
  const [begin, end] = part(stream);
  const kept = stream.subarray(begin);
  const behind = stream.subarray(Math.min(end, stream.length));
  const other = cases[random(cases.length)];
  const byte = Buffer.from([bytes[random(bytes.length)]]);
  const [added, rest] = [
    () => [Buffer.alloc(0), behind],
    () => [stream.subarray(begin, end), kept],
    () => [other.subarray(...part(other)), kept],
    () => [byte, behind],
    () => [byte, kept],
    () => [Buffer.from(texts[random(texts.length)]), kept],
  ][random(6)]();
  return Buffer.concat([stream.subarray(0, begin), added, rest]);
}

const streams = [...cases];
const good = (() => {
  const outcomes = byUs(cases);
  return cases.filter((_, i) => !refusal.test(outcomes[i].split("|").pop()));
})();
for (let i = 0; i < Number(roundsText); i++) {
  const from = random(8) ? good : cases;
  let stream = from[random(from.length)];
  for (let n = random(4) ? 1 : 3; n > 0; n--) stream = change(stream);
  streams.push(stream);
}

// ---- the comparison ----

const ours = byUs(streams);
const found = new Map();
let wrong = 0;
streams.forEach((stream, i) => {
  const nodes = byNode(stream);
  const rule = judge(stream, ours[i], nodes);
  found.set(rule, (found.get(rule) ?? 0) + 1);
  if (rule === undefined && wrong++ < 20) {
    console.log(`# ${JSON.stringify(stream.toString("latin1"))}`);
    console.log(`#   ours  ${ours[i]}`);
    console.log(`#   Node  ${nodes}`);
  }
});
for (const [rule, times] of found) console.log(`# ${times} ${rule}`);
console.log(`# llhttp ${process.versions.llhttp}, seed ${seedText}`);
const passed = wrong === 0 && ours.length === streams.length;
console.log(`${passed ? "ok" : "not ok"} 1 - ${streams.length} streams`);
console.log("1..1");
process.exitCode = passed ? 0 : 1;
