// A baseline in bare Bun: parses a call, prints a result, knows no actors.
let n = 0;
const server = Bun.serve({
  port: 0,
  hostname: "127.0.0.1",
  fetch(request, server) {
    return server.upgrade(request) ? undefined
                                   : new Response("no", { status: 400 });
  },
  websocket: {
    message(socket, text) {
      const { id } = JSON.parse(text);
      socket.send(JSON.stringify({ type: "rpc:result", id, result: ++n }));
    },
  },
});
console.log(`listening on ws://127.0.0.1:${server.port}`);
