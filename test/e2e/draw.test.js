// The server of examples/draw, spoken to by hand. Everything that a connection
// receives is recorded, and no recording but the drawer's has a trace of the word
// until its round is over. DRAW_SERVER names the program, and DRAW_SEED the
// random games.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Peer, applyPlain, startServer } from "./peer.js";

after(() => Promise.all([patient.stop(), hasty.stop()]));
// Players without a connection are gone after an hour, or at once.
process.env.DRAW_PAUSE_MS = "1";
process.env.DRAW_AWAY_MS = "3600000";
const patient = await startServer({ after }, process.env.DRAW_SERVER);
process.env.DRAW_AWAY_MS = "1";
const hasty = await startServer({ after }, process.env.DRAW_SERVER);

const STROKE = { points: [[0, 0.5], [1, 0.5]], color: "#ff0000", width: 0.05 };
const LONG = { seconds: 300 }; // rounds that do not end by themselves

let rooms = 0;

/** A connection of a user to a room, with a recording and a state. */
class Seat {
  messages = [];

  static async open(game, user, { state = true, events = true } = {}) {
    const seat = new Seat();
    Object.assign(seat, { game, user, room: game.room });
    seat.peer = await Peer.open(`${game.server.url}/?user=${user}`);
    game.seats.push(seat);
    seat.peer.socket.on("message", (data) => seat.#take(data.toString()));
    const here = { actor: "draw", actorId: seat.room };
    if (state) seat.peer.send({ type: "state:sub", ...here });
    if (events) seat.peer.send({ type: "event:sub", ...here });
    if (state) await seat.until(() => seat.state !== undefined);
    else await seat.sync();
    return seat;
  }

  #take(text) {
    const message = JSON.parse(text);
    if (message.type === "state:snapshot") this.state = message.state;
    if (message.type === "state:patch") this.state = applyPlain(this.state, message.patches);
    this.messages.push({ text, message, state: this.state });
  }

  async until(holds) {
    while (!holds()) await this.peer.next();
  }

  /** Calls a method; a call that comes too fast is made again. */
  async call(method, input) {
    for (;;) {
      const answer = await this.peer.call("draw", this.room, method, input);
      if (answer.error !== "Rate limit exceeded") return answer;
      await sleep(answer.retryAfterMs);
    }
  }

  /** Calls a method that succeeds, and returns its result. */
  async does(method, input) {
    const { error, result } = await this.call(method, input);
    assert.equal(error, undefined);
    if (method === "join") this.game.players.add(this.user);
    if (method === "leave") this.game.players.delete(this.user);
    return result;
  }

  /** Waits until everything of the instance up to now has arrived. */
  sync() {
    return this.does(this.game.players.has(this.user) ? "join" : "leave");
  }

  events(name) {
    return this.messages
      .filter(({ message }) => message.event === name)
      .map(({ message }) => message.payload);
  }

  async close() {
    await this.peer.close();
  }
}

function newGame(server = patient) {
  return { server, room: `room ${++rooms}`, seats: [], players: new Set() };
}

/** Returns seats of players who have joined. */
async function join(game, ...users) {
  const seats = [];
  for (const user of users) {
    const seat = await Seat.open(game, user);
    await seat.does("join");
    seats.push(seat);
  }
  return seats;
}

/** Waits for a round, and returns its word and the seat of its drawer. */
async function awaitRound(seats, round) {
  const [watcher] = seats;
  await watcher.until(() => watcher.state.round === round);
  const drawer = seats.find(({ user }) => user === watcher.state.drawer);
  await drawer.until(() => drawer.state.round === round);
  return { round, drawer, word: drawer.state.word };
}

// ---- no trace ----

/** Undoes escapes of JSON, also those of JSON in a string of JSON. */
function plain(text) {
  const once = text
    .replace(/\\u([0-9a-f]{4})/gi, (_, hex) => String.fromCharCode(parseInt(hex, 16)))
    .replace(/\\(.)/g, "$1");
  return once === text ? text.toLowerCase() : plain(once);
}

const has = (text, word) => text.toLowerCase().includes(word) || plain(text).includes(word);

/** Returns true for the first message that shows the end of a round, or is behind it. */
function isBehind({ round, word }, { message, state }) {
  return (
    (message.event === "roundEnded" && message.payload.word === word) ||
    (state !== undefined &&
      (state.round > round || (state.round === round && state.phase !== "drawing")))
  );
}

/** Returns the texts that a seat has received before the end of a round. */
function before(seat, round) {
  const end = seat.messages.findIndex((entry) => isBehind(round, entry));
  const some = end < 0 ? seat.messages : seat.messages.slice(0, end);
  return some.map(({ text }) => text);
}

/**
 * Checks the recordings of a game. @rounds have { round, word, drawer };
 * @secrets are { user, text }: a text that
 * no other user may see.
 */
function checkRecordings(game, rounds, secrets = []) {
  for (const round of rounds) {
    const { word, drawer } = round;
    assert.match(word, /^[a-z]{4,}$/);
    for (const seat of game.seats) {
      const texts = before(seat, round).filter((text) => has(text, word));
      if (seat.user !== drawer.user) assert.deepEqual(texts, [], `for ${seat.user}`);
    }
    assert.ok(before(drawer, round).some((text) => has(text, word)));
    const drawers = game.seats.filter((seat) => seat.user === drawer.user);
    const turns = drawers.flatMap((seat) => seat.events("yourTurn"));
    assert.equal(turns.filter((turn) => turn.word === word).length, 1);
  }
  for (const { text } of secrets) {
    // "balzoon" has "zoon" in it: who has said the one may read the other.
    const owners = secrets.filter((secret) => secret.text.includes(text)).map(({ user }) => user);
    for (const { user, messages } of game.seats) {
      const texts = messages.filter((entry) => has(entry.text, text));
      if (!owners.includes(user)) assert.deepEqual(texts, [], `for ${user}`);
    }
  }
}

/** Compares the patched state of a seat with a fresh snapshot for its user. */
async function compare(seat) {
  const fresh = await Seat.open(seat.game, seat.user, { events: false });
  await seat.sync();
  assert.deepEqual(seat.state, fresh.state);
  await fresh.close();
}

test("the search finds a word in any spelling", () => {
  for (const text of ["a house", "HoUsE", "h\\u006fuse", '"\\\\u0068\\\\u004FUSE"', "\\house"]) {
    assert.ok(has(text, "house"), text);
  }
  assert.ok(!has("h_use", "house"));
});

// ---- random games ----

/** Returns a function that returns random whole numbers below its argument. */
function randomFrom(seed) {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

const isRunning = ({ game, round }) => {
  const { state } = game.stranger;
  return state.round === round.round && state.phase === "drawing";
};

/** Has a player guess; waits until the stranger sees a right guess. */
async function guess(game, seat, text) {
  const isRight = await seat.does("guess", { text });
  await game.stranger.sync();
  return isRight;
}

/** Things that happen in a round of { game, round, players, random, secrets }. */
const turns = {
  async draw({ round }) {
    await round.drawer.does("draw", STROKE);
  },
  async wipe({ round }) {
    await round.drawer.does("wipe");
  },
  async wrong({ game, pick, guessers }) {
    assert.equal(await guess(game, pick(guessers()), "zzzz"), false);
  },
  async nearly({ game, round, random, pick, guessers, secrets }) {
    const { word } = round;
    const at = random(word.length);
    const text = word.slice(0, at) + "z" + word.slice(at + 1);
    const seat = pick(guessers());
    assert.equal(await guess(game, seat, text), false);
    assert.deepEqual(seat.state.close, { [seat.user]: text });
    secrets.push({ user: seat.user, text });
  },
  async right({ game, round, pick, guessers }) {
    const { word } = round;
    const text = pick([word, ` ${word.toUpperCase()} `, `is it a ${word}?`, `\0${word}s`]);
    assert.equal(await guess(game, pick(guessers()), text), true);
  },
  async connectionIsLost({ game, round, pick, players }) {
    const seat = pick(players);
    const { user } = seat;
    await seat.close();
    await game.stranger.until(() => !game.stranger.state.players[user].online);
    const back = await Seat.open(game, user);
    await game.stranger.until(() => game.stranger.state.players[user].online);
    players.splice(players.indexOf(seat), 1, back);
    if (seat === round.drawer) round.drawer = back;
    assert.equal(back.state.word, seat === round.drawer || back === round.drawer ? round.word : undefined);
  },
  async lateSubscriber({ game }) {
    const late = await Seat.open(game, `late ${game.seats.length}`);
    assert.equal(late.state.word, undefined);
  },
  async guesserLeaves({ game, pick, guessers }) {
    const seat = pick(guessers());
    await seat.does("leave");
    await seat.does("join");
    await game.stranger.sync();
  },
  async drawerLeaves({ game, round }) {
    await round.drawer.does("leave");
    assert.equal(round.drawer.state.word, undefined);
    await round.drawer.does("join");
    await game.stranger.sync();
  },
};

/** Plays a round to its end. */
async function playRound(table) {
  const names = Object.keys(turns).filter((name) => name !== "drawerLeaves");
  for (let i = 0; i < 10 && isRunning(table); i++) {
    await turns[table.pick(names)](table);
    if (isRunning(table)) await compare(table.pick(table.players));
    if (isRunning(table)) await compare(table.game.stranger);
  }
  if (isRunning(table) && table.random(2) === 0) await turns.drawerLeaves(table);
  while (isRunning(table)) await turns.right(table);
}

async function playGame(random, rounds) {
  const game = newGame();
  const pick = (list) => list[random(list.length)];
  game.stranger = await Seat.open(game, "eve");
  await Seat.open(game, "ear", { state: false });
  const names = ["ada", "bob", "cy", "dan"].map((name) => `${name} of ${game.room}`);
  const players = await join(game, ...names);
  const guessers = () => players.filter(({ user }) => !game.stranger.state.players[user].knows);
  const played = [];
  const secrets = [];
  await players[0].does("start", { rounds, ...LONG });
  for (let number = 1; number <= rounds; number++) {
    const round = await awaitRound([...players], number);
    await game.stranger.until(() => game.stranger.state.round === number);
    played.push(round);
    await playRound({ game, round, players, guessers, random, pick, secrets });
  }
  for (const seat of [game.stranger, ...players]) await seat.sync();
  assert.equal(game.stranger.state.phase, "over");
  checkRecordings(game, played, secrets);
  await Promise.all(game.seats.map((seat) => seat.close()));
}

test("games with everything that happens: nobody but the drawer sees a word", async (t) => {
  const seed = Number(process.env.DRAW_SEED ?? Date.now() % 1e9);
  t.diagnostic(`DRAW_SEED=${seed}`);
  await Promise.all([1, 2, 3, 4].map((number) => playGame(randomFrom(seed + number), 5)));
});

// ---- time ----

test("letters are shown until the time is over, and the next round follows", async () => {
  const game = newGame();
  const stranger = await Seat.open(game, "eve");
  const [ada, bob] = await join(game, "ada", "bob");
  await ada.does("start", { rounds: 2, seconds: 1 });
  await stranger.until(() => stranger.state.phase === "over");
  await Promise.all([stranger.sync(), ada.sync(), bob.sync()]);
  const ends = stranger.events("roundEnded");
  assert.deepEqual(
    ends.map(({ why }) => why),
    ["timeOver", "timeOver"],
  );
  const rounds = [ada, bob].map((drawer, i) => ({ round: i + 1, drawer, word: ends[i].word }));
  for (const { round, word } of rounds) {
    const hints = stranger.messages
      .filter(({ state }) => state?.round === round)
      .map(({ state }) => state.hint)
      .filter((hint, i, all) => hint !== all[i - 1]);
    const shown = hints.map((hint) => hint.replaceAll("_", "").length);
    const letters = Array.from({ length: Math.floor(word.length / 2) + 1 }, (_, i) => i);
    assert.deepEqual(shown, [...letters, word.length]);
    for (const hint of hints) assert.match(word, new RegExp(`^${hint.replaceAll("_", ".")}$`));
  }
  checkRecordings(game, rounds);
  await Promise.all(game.seats.map((seat) => seat.close()));
});

test("a player without a connection is gone after a while, and ends the round as drawer", async () => {
  const game = newGame(hasty);
  const [ada, bob, cy] = await join(game, "ada", "bob", "cy");
  const second = await Seat.open(game, "ada", { events: false });
  await ada.does("start", LONG);
  const round = await awaitRound([ada, bob, cy], 1);
  await ada.close();
  await bob.sync();
  assert.deepEqual(Object.keys(bob.state.players).sort(), ["ada", "bob", "cy"]);
  await second.until(() => second.state.word === round.word);
  await second.close(); // the last one
  await bob.until(() => bob.state.players.ada === undefined);
  await bob.until(() => bob.events("roundEnded").length > 0);
  assert.deepEqual(bob.events("roundEnded"), [{ word: round.word, why: "drawerLeft" }]);
  const next = await awaitRound([bob, cy], 2);
  assert.equal(next.drawer, bob);
  assert.deepEqual([bob.state.host, bob.state.turns], ["bob", ["cy", "bob"]]);
  await cy.close();
  await bob.until(() => bob.state.phase === "over"); // there is nobody to guess
  assert.deepEqual(bob.state.players, {
    bob: { ...bob.state.players.bob, score: 0, online: true, knows: true },
  });
  checkRecordings(game, [round, next]);
  await bob.close();
});

// ---- guesses ----

test("a guess is wrong, nearly right or right, and the others see only the first", async () => {
  const game = newGame();
  const [ada, bob, cy] = await join(game, "ada 1", "bob 1", "cy 1");
  await ada.does("start", LONG);
  const round = await awaitRound([ada, bob, cy], 1);
  const { word } = round;
  const wrong = ["zz" + word.slice(2), "z" + word.slice(1, -1), word.slice(2), "\u0000é"];
  for (const text of wrong) {
    assert.equal(await bob.does("guess", { text }), false);
    assert.deepEqual(bob.state.close, {});
  }
  const close = [word.slice(1), word.slice(0, -1), `${word[0]}z${word.slice(1)}`, `z${word.slice(1)}`];
  for (const text of close) {
    assert.equal(await bob.does("guess", { text: ` ${text.toUpperCase()}` }), false);
    assert.deepEqual(bob.state.close, { "bob 1": text });
  }
  await cy.sync();
  assert.deepEqual(
    cy.state.guesses,
    wrong.map((text) => ({ by: "bob 1", text })),
  );
  assert.deepEqual(cy.state.close, {});
  assert.equal(await bob.does("guess", { text: `\u0000${word}s` }), true);
  assert.deepEqual(bob.state.close, {});
  checkRecordings(game, [round]);
  await Promise.all(game.seats.map((seat) => seat.close()));
});

// ---- players ----

test("points, and a player who comes back to them", async () => {
  const game = newGame();
  const [ada, bob, cy] = await join(game, "ada", "bob", "cy");
  await ada.does("start", { rounds: 1, ...LONG });
  const { word } = await awaitRound([ada, bob, cy], 1);
  const score = () => Object.values(cy.state.players).map((player) => player.score);
  assert.equal(await bob.does("guess", { text: word }), true);
  await bob.close();
  await cy.until(() => !cy.state.players.bob.online);
  const back = await Seat.open(game, "bob");
  const { color, ...place } = await back.does("join");
  assert.deepEqual(place, { score: 2, online: true, knows: true });
  assert.equal(color, cy.state.players.bob.color);
  assert.equal(await cy.does("guess", { text: word }), true);
  assert.deepEqual(cy.events("correctGuess"), [
    { by: "bob", points: 2 },
    { by: "cy", points: 1 },
  ]);
  assert.deepEqual(score(), [2, 2, 1]);
  assert.deepEqual([cy.state.phase, cy.state.hint], ["over", word]);
  await ada.does("start", LONG);
  await cy.sync();
  assert.deepEqual(score(), [0, 0, 0]);
  await Promise.all([ada, back, cy].map((seat) => seat.close()));
});

test("a full room says how many it takes; each has a color, and the next is the host", async () => {
  const game = newGame();
  const seats = await join(game, ...Array.from({ length: 12 }, (_, i) => `user ${i}`));
  const late = await Seat.open(game, "late");
  const { error, code, reason, details } = await late.call("join");
  assert.deepEqual(
    { error, code, reason, details },
    {
      error: "The room is full.",
      code: "RESOURCE_EXHAUSTED",
      reason: "roomFull",
      details: { capacity: 12 },
    },
  );
  await seats[0].does("leave");
  await late.does("join");
  const { players, host } = late.state;
  assert.equal(new Set(Object.values(players).map(({ color }) => color)).size, 12);
  assert.equal(host, "user 1");
  await Promise.all(game.seats.map((seat) => seat.close()));
});

// ---- refusals ----

test("who may do what, and when", async () => {
  const game = newGame();
  const eve = await Seat.open(game, "eve");
  const guess = { text: "zzzz" };
  const refused = async (seat, method, input, expected) => {
    const { reason, details, result } = await seat.call(method, input);
    assert.deepEqual([reason, details, result], [...expected, undefined], method);
  };
  const [ada] = await join(game, "ada");
  await refused(ada, "start", {}, ["tooFewPlayers", { needed: 2 }]);
  const [bob] = await join(game, "bob");
  for (const [method, input] of [["start", {}], ["draw", STROKE], ["wipe"], ["guess", guess]]) {
    await refused(eve, method, input, ["notJoined", undefined]);
  }
  for (const [method, input] of [["draw", STROKE], ["wipe"], ["guess", guess]]) {
    await refused(ada, method, input, ["wrongPhase", { phase: "lobby" }]);
  }
  await refused(bob, "start", {}, ["notHost", { host: "ada" }]);
  await ada.does("start", LONG);
  await refused(ada, "start", {}, ["wrongPhase", { phase: "drawing" }]);
  await refused(ada, "guess", guess, ["knowsWord", undefined]);
  await refused(bob, "draw", STROKE, ["notDrawer", { drawer: "ada" }]);
  await refused(bob, "wipe", undefined, ["notDrawer", { drawer: "ada" }]);
  const { issues } = await ada.call("draw", { ...STROKE, points: [[0, 1.5]], color: "red" });
  assert.deepEqual(
    issues.map(({ code, path }) => [code, path.join("/")]),
    [
      ["too_big", "points/0/1"],
      ["invalid_format", "color"],
    ],
  );
  assert.equal((await bob.call("guess", { text: "x".repeat(41) })).code, "INVALID_ARGUMENT");
  assert.deepEqual([eve.state.strokes, eve.state.guesses], [[], []]);
  await Promise.all(game.seats.map((seat) => seat.close()));
});

test("guesses have a rate, for all connections of a player together", async () => {
  const game = newGame();
  const [ada, bob] = await join(game, "ada 2", "bob 2");
  const second = await Seat.open(game, "bob 2");
  await ada.does("start", LONG);
  const count = 100; // more than a slow machine can take at 2 a second
  const answers = [];
  for (const { peer, room } of [bob, second]) {
    const id = { type: "rpc", actor: "draw", actorId: room, method: "guess" };
    for (let i = 0; i < count; i++) peer.send({ ...id, id: i, input: { text: "zzzz" } });
  }
  for (const seat of [bob, second]) {
    await seat.until(() => seat.messages.filter(({ message }) => message.id >= 0).length === count);
    answers.push(...seat.messages.map(({ message }) => message).filter(({ id }) => id >= 0));
  }
  const refused = answers.filter(({ error }) => error === "Rate limit exceeded");
  assert.ok(refused.length > 0 && refused.length <= 2 * count - 5);
  assert.ok(refused.every(({ retryAfterMs }) => retryAfterMs > 0 && retryAfterMs <= 500));
  assert.equal(answers.filter(({ result }) => result === false).length, 2 * count - refused.length);
  await Promise.all(game.seats.map((seat) => seat.close()));
});

test("a full canvas takes strokes again when it is wiped", async () => {
  const game = newGame();
  const [ada, bob] = await join(game, "ada 3", "bob 3");
  await ada.does("start", LONG);
  for (let i = 0; i < 500; i++) await ada.does("draw", { ...STROKE, points: [[i / 500, 0]] });
  const { reason, details } = await ada.call("draw", STROKE);
  assert.deepEqual([reason, details], ["canvasFull", { capacity: 500 }]);
  await bob.sync();
  assert.equal(bob.state.strokes.length, 500);
  await compare(bob);
  await ada.does("wipe");
  await ada.does("draw", STROKE);
  await bob.sync();
  assert.deepEqual(bob.state.strokes, [{ ...STROKE, width: bob.state.strokes[0].width }]);
  await Promise.all(game.seats.map((seat) => seat.close()));
});
