// The chat server of test/chat, spoken to by hand: every message of the
// protocol and every error case. CHAT_SERVER names the program.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import jsonpatch from "fast-json-patch";
import { Peer, applyPlain, startServer } from "./peer.js";

let rooms = 0;
const newRoom = () => `room ${++rooms}/~"ü`;

after(() => server.stop());
const server = await startServer({ after }, process.env.CHAT_SERVER);

/** Returns the messages to @peer about the rooms so far. */
async function heard(peer, ...rooms) {
  const all = [];
  for (const room of rooms) {
    all.push(...(await peer.drain("chat", room, "who")));
  }
  return all;
}

async function member(room, name, protocols) {
  const peer = await Peer.open(server.url, protocols);
  const joined = await peer.call("chat", room, "join", { name });
  assert.equal(joined.error, undefined);
  return peer;
}

describe("connection", () => {
  test("client ids are unguessable and unique", async () => {
    const a = await Peer.open(server.url);
    const b = await Peer.open(server.url);
    assert.match(a.id, /^\S{22,}$/);
    assert.notEqual(a.id, b.id);
    await a.close();
    await b.close();
  });

  test("the subprotocol is agreed on only when it is offered", async () => {
    const plain = await Peer.open(server.url);
    assert.equal(plain.socket.protocol, "");
    const rfc = await Peer.open(server.url, ["other", "zocket.rfc6902"]);
    assert.equal(rfc.socket.protocol, "zocket.rfc6902");
    await plain.close();
    await rfc.close();
  });

  test("a close is answered with the same code", async () => {
    const peer = await Peer.open(server.url);
    assert.equal((await peer.close()).code, 1000);
  });
});

describe("calls", () => {
  test("a result comes back under the id that was sent", async () => {
    const room = newRoom();
    const peer = await Peer.open(server.url);
    const before = Date.now();
    const { result } = await peer.call("chat", room, "join", { name: " ada " });
    assert.equal(result.name, "ada", "trimmed before it is measured");
    assert.ok(result.joinedAt >= before - 1000);
    assert.ok(result.joinedAt <= Date.now() + 1000);
    const said = await peer.call("chat", room, "say", {
      text: "hi \u0000 😀 \" \\ \u2028.",
    });
    assert.deepEqual(
      { ...said.result, sentAt: 0 },
      {
        id: 1,
        from: "ada",
        text: "hi \u0000 😀 \" \\ \u2028.",
        sentAt: 0,
      },
      "an absent optional is no key at all",
    );
    const answer = await peer.call("chat", room, "say", {
      text: "re",
      replyTo: 1,
    });
    assert.equal(answer.result.replyTo, 1);
    await peer.close();
  });

  test("a method without a result is acknowledged without one", async () => {
    const peer = await member(newRoom(), "ada");
    const message = await peer.call("chat", `room ${rooms}/~"ü`, "setTopic", {
      topic: "x",
    });
    assert.deepEqual(Object.keys(message).sort(), ["before", "id", "type"]);
    await peer.close();
  });

  test("a default stands in for an absent parameter", async () => {
    const room = newRoom();
    const peer = await member(room, "ada");
    await peer.call("chat", room, "say", { text: "one" });
    for (const input of [{}, undefined, { unknown: { deep: [1] } }]) {
      const { result } = await peer.call("chat", room, "history", input);
      assert.equal(result.length, 1);
    }
    await peer.close();
  });

  test("ids of other shapes are echoed unchanged", async () => {
    const peer = await Peer.open(server.url);
    for (const id of ['"a\\u0041\\""', "17", '"ü"', "-1.5e3"]) {
      peer.sendText(
        `{"id":${id},"method":"who","actorId":"e","actor":"chat","type":"rpc"}`,
      );
      const message = await peer.next();
      assert.equal(message.type, "rpc:result");
      assert.equal(message.id, JSON.parse(id));
      assert.deepEqual(message.result, {});
    }
    await peer.close();
  });

  test("the newest 200 messages are kept, in order", async () => {
    const room = newRoom();
    const peer = await member(room, "ada");
    for (let i = 1; i <= 203; i++) {
      await peer.call("chat", room, "say", { text: `message ${i}` });
    }
    const state = await peer.subscribe("chat", room);
    assert.equal(state.messages.length, 200);
    assert.equal(state.messages[0].id, 4);
    assert.equal(state.messages[199].id, 203);
    const { before } = await peer.call("chat", room, "say", { text: "next" });
    const [patch] = before;
    assert.deepEqual(
      patch.patches.map(({ op, path }) => [op, path]).sort(),
      [
        ["add", "/messages/199"],
        ["remove", "/messages/0"],
        ["replace", "/nextId"],
      ],
    );
    await peer.close();
  });
});

describe("state", () => {
  test("a patch comes before events, and both before the result", async () => {
    const room = newRoom();
    const peer = await member(room, "ada");
    await peer.subscribe("chat", room);
    peer.send({ type: "event:sub", actor: "chat", actorId: room });
    const { before } = await peer.call("chat", room, "say", { text: "hi" });
    assert.deepEqual(
      before.map((m) => m.type),
      ["state:patch", "event"],
    );
    assert.equal(before[0].patches.length, 2, "one frame holds all patches");
    assert.equal(before[1].event, "said");
    assert.equal(before[1].payload.text, "hi");
    await peer.close();
  });

  test("an unchanged state sends nothing", async () => {
    const room = newRoom();
    const peer = await member(room, "ada");
    await peer.call("chat", room, "setTopic", { topic: "same" });
    await peer.subscribe("chat", room);
    const again = await peer.call("chat", room, "setTopic", { topic: "same" });
    assert.deepEqual(again.before, []);
    await peer.close();
  });

  test("subscribing again sends a snapshot and doubles nothing", async () => {
    const room = newRoom();
    const peer = await member(room, "ada");
    await peer.subscribe("chat", room);
    await peer.subscribe("chat", room);
    const { before } = await peer.call("chat", room, "setTopic", {
      topic: "once",
    });
    assert.equal(before.length, 1);
    peer.send({ type: "state:unsub", actor: "chat", actorId: room });
    const silent = await peer.call("chat", room, "setTopic", { topic: "off" });
    assert.deepEqual(silent.before, []);
    await peer.close();
  });

  test("unsubscribing without a subscription does nothing", async () => {
    const peer = await Peer.open(server.url);
    const room = newRoom();
    for (const type of ["state:unsub", "event:unsub"]) {
      peer.send({ type, actor: "chat", actorId: room });
    }
    assert.deepEqual(await heard(peer, room), []);
    await peer.close();
  });

  test("both readings of the patches follow the state", async () => {
    const room = newRoom();
    const plain = await member(room, "plain");
    const rfc = await member(room, "rfc", ["zocket.rfc6902"]);
    let plainState = await plain.subscribe("chat", room);
    let rfcState = await rfc.subscribe("chat", room);
    const follow = (message) => {
      if (message.type === "state:patch") {
        plainState = applyPlain(plainState, message.patches);
      }
    };
    for (let i = 0; i < 230; i++) {
      const text = `${i} ~ / " é`;
      const { before } = await plain.call("chat", room, "say", { text });
      before.forEach(follow);
      if (i % 10 === 0) {
        const guest = await member(room, `guest ${i}`);
        if (i % 20 === 0) await guest.call("chat", room, "leave");
        await guest.close();
      }
    }
    (await heard(plain, room)).forEach(follow);
    for (const message of await heard(rfc, room)) {
      if (message.type === "state:patch") {
        rfcState = jsonpatch.applyPatch(
          rfcState,
          message.patches,
          true,
          false,
        ).newDocument;
      }
    }
    // Disconnects of other peers may still be under way: settle, compare.
    const watcher = await Peer.open(server.url);
    let fresh;
    for (;;) {
      fresh = await watcher.subscribe("chat", room);
      if (fresh.online === 3) break;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    (await heard(plain, room)).forEach(follow);
    for (const message of await heard(rfc, room)) {
      if (message.type === "state:patch") {
        rfcState = jsonpatch.applyPatch(rfcState, message.patches).newDocument;
      }
    }
    assert.deepEqual(plainState, fresh);
    assert.deepEqual(rfcState, fresh);
    await Promise.all([plain.close(), rfc.close(), watcher.close()]);
  });
});

describe("events", () => {
  test("events reach all or one, but only subscribers", async () => {
    const room = newRoom();
    const ada = await member(room, "ada");
    const bob = await member(room, "bob");
    const eve = await member(room, "eve");
    for (const peer of [ada, bob]) {
      peer.send({ type: "event:sub", actor: "chat", actorId: room });
      await heard(peer, room);
    }
    await ada.call("chat", room, "whisper", { to: bob.id, text: "psst" });
    await ada.call("chat", room, "whisper", { to: eve.id, text: "psst" });
    const [whispered, ...rest] = await heard(bob, room);
    assert.deepEqual(whispered, {
      type: "event",
      actor: "chat",
      actorId: room,
      event: "whispered",
      payload: { from: "ada", text: "psst" },
    });
    assert.deepEqual(rest, []);
    assert.deepEqual(await heard(ada, room), []);
    assert.deepEqual(await heard(eve, room), [], "a target only narrows");
    bob.send({ type: "event:unsub", actor: "chat", actorId: room });
    await heard(bob, room);
    await ada.call("chat", room, "say", { text: "all" });
    assert.deepEqual(await heard(bob, room), []);
    await Promise.all([ada, bob, eve].map((peer) => peer.close()));
  });

  test("a close runs disconnect for every instance touched", async () => {
    const first = newRoom();
    const second = newRoom();
    const ada = await member(first, "ada");
    await ada.call("chat", second, "join", { name: "ada" });
    const bob = await Peer.open(server.url);
    for (const room of [first, second]) {
      bob.send({ type: "event:sub", actor: "chat", actorId: room });
    }
    await heard(bob, first, second);
    ada.socket.terminate(); // no closing handshake
    const left = [await bob.next(), await bob.next()];
    assert.deepEqual(left.map((m) => m.actorId).sort(), [first, second].sort());
    for (const message of left) {
      assert.equal(message.event, "left");
      assert.deepEqual(message.payload, { name: "ada" });
    }
    await bob.close();
  });
});

describe("errors", () => {
  const room = "errors";
  let peer;
  before(async () => {
    peer = await Peer.open(server.url);
  });
  after(() => peer.close());

  test("an unknown actor or method", async () => {
    const actor = await peer.call("nobody", room, "say", {});
    assert.equal(actor.error, "Unknown actor: nobody");
    assert.equal(actor.code, "NOT_FOUND");
    const method = await peer.call("chat", room, "shout", {});
    assert.equal(method.error, "Unknown method: shout");
    assert.equal(method.code, "UNIMPLEMENTED");
  });

  test("a subscription to an unknown actor", async () => {
    for (const type of ["state:sub", "event:sub"]) {
      peer.send({ type, actor: "nobody", actorId: room });
      assert.deepEqual(await peer.next(), {
        type: "sub:error",
        actor: "nobody",
        actorId: room,
        error: "Unknown actor: nobody",
        code: "NOT_FOUND",
      });
    }
  });

  const issues = (message) => {
    const prefix = /^Validation failed for (\w+): (\[.*\])$/s.exec(
      message.error,
    );
    assert.ok(prefix, message.error);
    assert.equal(message.code, "INVALID_ARGUMENT");
    const list = JSON.parse(prefix[2]);
    for (const issue of list) assert.notEqual(issue.message, "");
    return list.map(({ code, path }) => [code, path]);
  };

  test("every failure of an input is listed, with its path", async () => {
    const table = [
      ["say", {}, [["invalid_type", ["text"]]]],
      ["say", { text: "  " }, [["too_small", ["text"]]]],
      ["say", { text: "x".repeat(2001) }, [["too_big", ["text"]]]],
      ["say", { text: "😀".repeat(2000) }, []],
      [
        "say",
        { replyTo: "1", text: 5 },
        [
          ["invalid_type", ["text"]],
          ["invalid_type", ["replyTo"]],
        ],
      ],
      ["say", { text: "x", replyTo: null }, []],
      ["say", { text: "x", replyTo: 2 ** 31 }, [["too_big", ["replyTo"]]]],
      ["say", { text: "x", replyTo: 1.5 }, [["invalid_type", ["replyTo"]]]],
      ["history", { limit: 0 }, [["too_small", ["limit"]]]],
      ["history", { limit: 101 }, [["too_big", ["limit"]]]],
      ["history", { limit: 1e1 }, []],
      ["history", [], [["invalid_type", []]]],
      ["history", "x", [["invalid_type", []]]],
    ];
    for (const [method, input, expected] of table) {
      const message = await peer.call("chat", room, method, input);
      if (expected.length === 0) {
        assert.ok(!message.error || !/^Validation/.test(message.error));
      } else {
        assert.deepEqual(issues(message), expected, JSON.stringify(input));
        assert.match(message.error, new RegExp(`^Validation failed for ${method}: `));
      }
    }
  });

  test("input that is nested too deeply is an issue", async () => {
    const deep = (n) => "[".repeat(n) + "]".repeat(n);
    for (const [levels, expected] of [
      [63, []],
      [64, [["too_big", ["extra"]]]],
      [50000, [["too_big", ["extra"]]]],
    ]) {
      peer.sendText(
        `{"type":"rpc","id":"d","actor":"chat","actorId":"${room}",` +
          `"method":"history","input":{"extra":${deep(levels)}}}`,
      );
      const message = await peer.next();
      assert.equal(message.id, "d");
      if (expected.length > 0) assert.deepEqual(issues(message), expected);
      else assert.ok(!message.error);
    }
  });

  test("a lone surrogate is not text", async () => {
    peer.sendText(
      `{"type":"rpc","id":"s","actor":"chat","actorId":"${room}",` +
        `"method":"say","input":{"text":"\\ud800"}}`,
    );
    assert.deepEqual(issues(await peer.next()), [["invalid_format", ["text"]]]);
  });

  test("a refusal of a handler has its code and text", async () => {
    const other = await member(newRoom(), "ada");
    const name = `room ${rooms}/~"ü`;
    const state = await other.subscribe("chat", name);
    const taken = await peer.call("chat", name, "join", { name: "ada" });
    assert.equal(taken.error, "ada is here already");
    assert.equal(taken.code, "ALREADY_EXISTS");
    assert.equal(taken.result, undefined);
    const whisper = await other.call("chat", name, "whisper", {
      to: "nobody",
      text: "x",
    });
    assert.equal(whisper.code, "NOT_FOUND");
    const fresh = await other.subscribe("chat", name).catch((e) => e);
    assert.equal(Object.keys(fresh.members ?? state.members).length, 1);
    await other.close();
  });

  test("a refused or invalid call makes no contact", async () => {
    const name = newRoom();
    await peer.call("chat", name, "history", { limit: 0 });
    await peer.call("chat", name, "shout");
    const other = await Peer.open(server.url);
    const state = await other.subscribe("chat", name);
    assert.equal(state.online, 1);
    await other.close();
  });

  test("a message without a valid call gets an error message", async () => {
    const texts = [
      "",
      "{",
      "nonsense",
      "[]",
      "1",
      "null",
      "{}",
      '{"type":5}',
      '{"type":"rpc"}',
      '{"type":"rpc","id":"","actor":"chat","actorId":"x","method":"who"}',
      '{"type":"rpc","actor":"chat","actorId":"x","method":"who"}',
      '{"type":"rpc","id":{},"actor":"chat","actorId":"x","method":"who"}',
      '{"type":"state:unsub","actor":"chat"}',
      '{"type":"state:sub","actorId":"x"}',
      '{"type":"state:sub","actor":"chat"}',
      '{"type":"event:sub","actorId":"x"}',
    ];
    const noisy = await Peer.open(server.url);
    for (const text of texts.slice(0, 15)) {
      noisy.sendText(text);
      const message = await noisy.next();
      assert.equal(message.type, "error", text);
      assert.notEqual(message.error, "");
      assert.equal(message.code, "INVALID_ARGUMENT");
    }
    noisy.sendText(texts[15]); // the sixteenth
    assert.equal((await noisy.closed).code, 1008);
  });

  test("an invalid message with an id or a subscription gets a reply", async () => {
    const noisy = await Peer.open(server.url);
    for (let i = 0; i < 8; i++) {
      for (const text of [
        '{"type":"rpc","id":"1","actor":"chat","actorId":"x"}',
        '{"type":"rpc","id":"1","actor":"chat","method":"who"}',
        '{"type":"rpc","id":"1","actorId":"x","method":"who"}',
      ]) {
        noisy.sendText(text);
        const { type, id, code } = await noisy.next();
        assert.deepEqual([type, id, code], ["rpc:result", "1", "INVALID_ARGUMENT"]);
      }
      noisy.send({ type: "event:sub", actor: "chat", actorId: "" });
      const { type, actorId, code } = await noisy.next();
      assert.deepEqual([type, actorId, code], ["sub:error", "", "INVALID_ARGUMENT"]);
    }
    await noisy.close();
  });

  test("messages of unknown types are ignored", async () => {
    const noisy = await Peer.open(server.url);
    for (let i = 0; i < 20; i++) {
      noisy.sendText('{"type":"nonsense"}');
      noisy.sendText('{"type":"welcome","clientId":"x"}');
    }
    assert.deepEqual((await noisy.call("chat", "x", "who")).result, {});
    await noisy.close();
  });

  test("ids and actorIds have their limits", async () => {
    const noisy = await Peer.open(server.url);
    const send = (id, actorId) =>
      noisy.send({ type: "rpc", id, actor: "chat", actorId, method: "who" });
    send("i".repeat(128), "a".repeat(256));
    assert.equal((await noisy.next()).id, "i".repeat(128));
    for (const [id, actorId, answer] of [
      ["i".repeat(129), "x", "error"],
      ["", "x", "error"],
      ["i", "", "rpc:result"],
      ["i", "a".repeat(257), "rpc:result"],
    ]) {
      send(id, actorId);
      const message = await noisy.next();
      assert.deepEqual([message.type, message.code], [answer, "INVALID_ARGUMENT"]);
    }
    await noisy.close();
  });

  test("a binary message closes with 1003", async () => {
    const noisy = await Peer.open(server.url);
    noisy.socket.send(Buffer.from("{}"), { binary: true });
    assert.equal((await noisy.closed).code, 1003);
  });

  test("a message over the limit closes with 1009", async () => {
    const noisy = await Peer.open(server.url);
    noisy.socket.on("error", () => {}); // the rest of it is not read
    noisy.sendText(" ".repeat(1024 * 1024 + 1));
    assert.equal((await noisy.closed).code, 1009);
  });

  test("JSON is JSON at any depth", async () => {
    const noisy = await Peer.open(server.url);
    const call = (input) =>
      `{"type":"rpc","id":"d","actor":"chat","actorId":"x","method":"who",` +
      `"input":${input}}`;
    noisy.sendText(call("[".repeat(100000) + "]".repeat(100000)));
    assert.equal((await noisy.next()).type, "rpc:result"); // the method has no input
    noisy.sendText(call("[".repeat(100000) + "}" + "]".repeat(99999)));
    assert.equal((await noisy.next()).type, "error");
    const { result } = await noisy.call("chat", "x", "who");
    assert.deepEqual(result, {});
    await noisy.close();
  });
});
