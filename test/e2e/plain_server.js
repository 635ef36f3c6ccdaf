// A server that speaks plain Zocket only, like a handwritten server over `ws`:
// no welcome, no codes, no subprotocol, patches that a TypeScript client
// applies. It implements the actor of test/unit/evolve.zkt.
//
//   node plain_server.js --port N
import { WebSocketServer } from "ws";

const port = Number(process.argv[process.argv.indexOf("--port") + 1]);
const state = { n: 0, level: "low", list: [], items: {} };
const followers = { state: new Set(), event: new Set() };

function tell(to, message) {
  const text = JSON.stringify({ ...message, actor: "doc", actorId: "a" });
  for (const socket of to) socket.send(text);
}

// Puts the new number first, so that the whole list moves by one: the patch
// overwrites each item and adds the last item at the end.
function add(by) {
  if (by > 5) throw new Error("too much");
  state.n += by;
  state.list.unshift(by);
  const last = state.list.length - 1;
  const patches = state.list.map((value, i) => ({
    op: i === last || i % 2 === 0 ? "add" : "replace",
    path: `/list/${i}`,
    value,
  }));
  patches.push({ op: "replace", path: "/n", value: state.n });
  tell(followers.state, { type: "state:patch", patches });
  tell(followers.event, {
    type: "event",
    event: "hit",
    payload: { level: "low", by },
  });
  return state.n;
}

const methods = {
  add: (input) => add(input.by),
  name: () => "plain",
  // Ends every connection without a close frame, and keeps the state.
  ping: () => {
    for (const socket of server.clients) socket.terminate();
  },
};

function call(socket, { id, method, input }) {
  try {
    const result = methods[method](input);
    socket.send(JSON.stringify({ type: "rpc:result", id, result }));
  } catch (error) {
    const text = error.message;
    socket.send(JSON.stringify({ type: "rpc:result", id, error: text }));
  }
}

function receive(socket, message) {
  const [what, verb] = message.type.split(":");
  if (what === "rpc") {
    call(socket, message);
  } else if (verb === "unsub") {
    followers[what].delete(socket);
  } else {
    followers[what].add(socket);
    if (what === "state") tell([socket], { type: "state:snapshot", state });
  }
}

const server = new WebSocketServer({
  host: "127.0.0.1",
  port,
  handleProtocols: () => false,
});
server.on("connection", (socket) => {
  socket.on("message", (data) => receive(socket, JSON.parse(data)));
  socket.on("close", () => {
    followers.state.delete(socket);
    followers.event.delete(socket);
  });
});
server.on("listening", () => {
  console.log(`listening on ws://127.0.0.1:${server.address().port}`);
});
