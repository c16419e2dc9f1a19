import assert from "node:assert/strict";
import { test } from "node:test";
import { type Client, Hub } from "./hub";
import { ProblemError, parseProblem } from "./problem";
import type { FromWorker, Source, ToWorker } from "./protocol";
import type { Answer, Query, StreamQuery } from "./transport";

const NODES: Source = { path: "/summary/nodes", kind: "nodes" };
const QUALITY: Source = { path: "/quality", kind: "json" };

interface Request {
  readonly query: Query;
  answer(content: unknown, version?: string): Promise<void>;
  fail(status: number, retryAfter?: number): Promise<void>;
}

interface Pause {
  readonly seconds: number;
  isOver: boolean;
  end(): Promise<void>;
}

/** A stream of changes that a test writes. */
class Stream {
  readonly query: StreamQuery;
  readonly #end: (error: Error | null) => void;

  constructor(query: StreamQuery, end: (error: Error | null) => void) {
    this.query = query;
    this.#end = end;
  }

  get isOpen(): boolean {
    return !this.query.signal.aborted;
  }

  get knownVersion(): string | null {
    return new URLSearchParams(this.query.path.split("?")[1]).get("known_version");
  }

  send(name: string, content: object, id = ""): Promise<void> {
    assert.ok(this.isOpen, "the stream is closed");
    this.query.onEvent({ name, id, data: JSON.stringify(content) });
    return settle();
  }

  /** Say that this is the version now, at a second after midnight. */
  bookmark(version: string, second = 0): Promise<void> {
    return this.send("bookmark", { version, time: timeAt(second) }, version);
  }

  end(): Promise<void> {
    this.#end(null);
    return settle();
  }

  fail(status: number, retryAfter?: number): Promise<void> {
    this.#end(new ProblemError(parseProblem(status, ""), retryAfter));
    return settle();
  }
}

function timeAt(second: number): string {
  return new Date(second * 1000).toISOString();
}

/** After so long without an event, a stream is given up. */
const SILENCE_SECONDS = 45;

/** A gateway and a clock that a test moves. */
class World {
  readonly requests: Request[] = [];
  readonly streams: Stream[] = [];
  /** What waits between requests, and between streams. */
  readonly pauses: Pause[] = [];
  /** What waits for the next event of a stream. */
  readonly silences: Pause[] = [];
  now = Date.parse("2026-12-01T00:00:00Z");
  readonly hub = new Hub({
    send: (query) => this.#send(query),
    readStream: (query) => this.#readStream(query),
    sleep: (seconds, signal) => this.#sleep(seconds, signal),
    now: () => this.now,
    random: () => 0.5,
  });

  #send(query: Query): Promise<Answer> {
    return new Promise((resolve, reject) => {
      query.signal?.addEventListener("abort", () => reject(new Error("aborted")));
      this.requests.push({
        query,
        answer: (content, version = "v1") => {
          const freshness = { queriedAt: this.now, receivedAt: this.now, isComplete: true, version };
          resolve({ content, etag: `"${version}"`, freshness });
          return settle();
        },
        fail: (status, retryAfter) => {
          reject(new ProblemError(parseProblem(status, ""), retryAfter));
          return settle();
        },
      });
    });
  }

  #readStream(query: StreamQuery): Promise<void> {
    return new Promise((resolve, reject) => {
      query.signal.addEventListener("abort", () => reject(new Error("aborted")));
      this.streams.push(new Stream(query, (error) => (error === null ? resolve() : reject(error))));
    });
  }

  #sleep(seconds: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        pause.isOver = true;
        resolve();
        return settle();
      };
      const pause: Pause = { seconds, isOver: false, end };
      signal.addEventListener("abort", () => void end());
      (seconds === SILENCE_SECONDS ? this.silences : this.pauses).push(pause);
    });
  }

  get lastStream(): Stream {
    return this.streams.at(-1) ?? assert.fail("no stream");
  }

  get openStreams(): readonly Stream[] {
    return this.streams.filter(({ isOpen }) => isOpen);
  }

  get lastRequest(): Request {
    return this.requests.at(-1) ?? assert.fail("no request");
  }

  get lastPause(): Pause {
    return this.pauses.at(-1) ?? assert.fail("no pause");
  }
}

class Tab {
  readonly messages: FromWorker[] = [];
  readonly #client: Client;
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
    this.#client = world.hub.connect((message) => this.messages.push(message));
    this.messages.length = 0;
  }

  send(message: ToWorker): Promise<void> {
    this.#world.hub.receive(this.#client, message);
    return settle();
  }

  open(id: number, source: Source): Promise<void> {
    return this.send({ type: "open", id, source });
  }

  get types(): readonly string[] {
    return this.messages.map(({ type }) => type);
  }
}

/** Let everything run that waits for nothing else. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** A tab that has the first answer about the quality, of version v1. */
async function openAnswered(): Promise<{ readonly world: World; readonly tab: Tab }> {
  const world = new World();
  const tab = new Tab(world);
  await tab.open(1, QUALITY);
  await world.lastRequest.answer({ n: 1 });
  return { world, tab };
}

function nodesNamed(...names: string[]) {
  return { version: "v", totalCount: names.length, columns: { name: { values: names } } };
}

test("tabs that open the same path share one request and each get the answer", async () => {
  const world = new World();
  const [first, second] = [new Tab(world), new Tab(world)];
  await first.open(1, NODES);
  await second.open(5, NODES);
  assert.equal(world.requests.length, 1);
  await world.lastRequest.answer(nodesNamed("a"));
  assert.deepEqual(first.types, ["summary"]);
  assert.deepEqual(second.types, ["summary"]);
});

test("what is of the version of the stream is only confirmed, and asked for soon when there is another one", async () => {
  const { world, tab } = await openAnswered();
  await world.lastStream.bookmark("v1");
  await world.lastPause.end();
  assert.equal(world.lastRequest.query.etag, '"v1"');
  await world.lastRequest.answer(undefined);
  assert.deepEqual(tab.types, ["json", "unchanged"]);
  const confirmation = world.lastPause;
  assert.equal(confirmation.seconds, 30);
  const count = world.requests.length;
  world.now += 5000;
  await world.lastStream.bookmark("v2");
  assert.equal(confirmation.isOver, true);
  assert.equal(world.requests.length, count + 1);
});

test("the stream begins with the version of the first answer, and there is one for all tabs and paths", async () => {
  const world = new World();
  const [first, second] = [new Tab(world), new Tab(world)];
  await first.open(1, QUALITY);
  await second.open(1, NODES);
  assert.equal(world.streams.length, 0);
  await world.requests[0]?.answer({ n: 1 }, "v/1");
  await world.requests[1]?.answer(nodesNamed("a"), "v/1");
  assert.equal(world.streams.length, 1);
  assert.equal(world.lastStream.knownVersion, "v/1");
  assert.ok(world.lastStream.query.path.startsWith("/watch?changes=structure&"));
});

test("an answer that may be older than the version of the stream is asked for again", async () => {
  const { world } = await openAnswered();
  await world.lastStream.bookmark("v1");
  await world.lastPause.end();
  await world.lastStream.bookmark("v2");
  await world.lastRequest.answer(undefined, "v1");
  assert.equal(world.lastPause.seconds, 1);
  await world.lastPause.end();
  await world.lastRequest.answer({ n: 2 }, "v2");
  assert.equal(world.lastPause.seconds, 30);
});

test("a replica that is behind the stream is asked as often as without one", async () => {
  const { world } = await openAnswered();
  await world.lastStream.bookmark("v1");
  await world.lastStream.bookmark("v2");
  world.now += 1000;
  await world.lastPause.end();
  await world.lastRequest.answer(undefined, "v1");
  assert.equal(world.lastPause.seconds, 10);
});

test("when something else is missing than before, all is asked for, also of the same version", async () => {
  const { world } = await openAnswered();
  await world.lastStream.send("completeness", { complete: true });
  await world.lastStream.bookmark("v1");
  const count = world.requests.length;
  world.now += 5000;
  await world.lastStream.send("completeness", { complete: false, gaps: ["g"] });
  assert.equal(world.requests.length, count + 1);
});

test("without a stream, paths are requested every ten seconds, and it is tried again with growing pauses", async () => {
  const { world } = await openAnswered();
  assert.equal(world.lastPause.seconds, 10);
  for (const seconds of [1, 2, 4]) {
    await world.lastStream.fail(503);
    assert.equal(world.lastPause.seconds, seconds);
    await world.lastPause.end();
  }
  await world.lastStream.fail(429, 20);
  assert.equal(world.lastPause.seconds, 20);
});

test("a stream from which nothing comes is given up, although it is connected", async () => {
  const { world } = await openAnswered();
  await world.silences.at(-1)?.end();
  assert.equal(world.openStreams.length, 0);
  assert.equal(world.lastPause.seconds, 1);
  await world.lastPause.end();
  assert.equal(world.openStreams.length, 1);
});

test("when a stream is lost, all is asked for, and the next one goes on from its version", async () => {
  const { world } = await openAnswered();
  await world.lastStream.bookmark("v1");
  world.now += 5000;
  await world.lastStream.bookmark("v2");
  await world.lastRequest.answer({ n: 2 }, "v2");
  world.now += 20_000;
  await world.lastStream.bookmark("v2");
  const count = world.requests.length;
  await world.lastStream.end();
  assert.equal(world.requests.length, count + 1);
  assert.equal(world.lastPause.seconds, 1);
  await world.lastPause.end();
  assert.equal(world.lastStream.knownVersion, "v2");
});

test("a version that the gateway does not know is not sent again, and no objects are read", async () => {
  const { world } = await openAnswered();
  world.now += 5000;
  await world.lastStream.send("restart", { reason: "unknown" });
  assert.equal(world.openStreams.length, 0);
  await world.lastPause.end();
  assert.equal(world.streams.length, 1);
  await world.lastRequest.answer({ n: 2 }, "v2");
  assert.equal(world.lastStream.knownVersion, "v2");
});

test("a version from before a long pause is not sent: the gateway may have forgotten it", async () => {
  const { world, tab } = await openAnswered();
  await tab.send({ type: "visibility", isVisible: false });
  assert.equal(world.openStreams.length, 0);
  world.now += 120_000;
  await tab.send({ type: "visibility", isVisible: true });
  assert.equal(world.openStreams.length, 0);
  await world.lastRequest.answer(undefined, "v7");
  assert.equal(world.lastStream.knownVersion, "v7");
});

test("there is no stream for a past instant", async () => {
  const world = new World();
  const tab = new Tab(world);
  await tab.open(1, { path: "/quality?time=2026-11-30T18:00:00Z", kind: "json" });
  await world.lastRequest.answer({ n: 1 });
  assert.equal(world.streams.length, 0);
});

test("another token opens another stream, and another account begins with its own answer", async () => {
  const world = new World();
  const tab = new Tab(world);
  await tab.send({ type: "token", token: "t1", account: "me", tokenId: "id of t1" });
  await tab.open(1, QUALITY);
  await world.lastRequest.answer({ n: 1 });
  await tab.send({ type: "token", token: "t2", account: "me", tokenId: "id of t2" });
  assert.deepEqual(
    world.openStreams.map(({ query }) => query.token),
    ["t2"],
  );
  await tab.send({ type: "token", token: "t3", account: "other", tokenId: "id of t3" });
  assert.equal(world.openStreams.length, 0);
  await world.lastRequest.answer({ n: 3 }, "v3");
  assert.equal(world.lastStream.query.token, "t3");
  assert.equal(world.lastStream.knownVersion, "v3");
});

test("all tabs learn when the structure changed and when it did not", async () => {
  const world = new World();
  const [first, second] = [new Tab(world), new Tab(world)];
  await first.open(1, QUALITY);
  await world.lastRequest.answer({ n: 1 });
  const stream = world.lastStream;
  await stream.bookmark("v1", 10);
  await stream.bookmark("v2", 20.5);
  await stream.send("changes", { version: "v3", time: timeAt(30), changes: [{}, {}], remainingCount: 1 });
  await stream.send("changes", { version: "v3", time: timeAt(30), changes: [{}] }, "v3");
  const stretches = [
    { from: 10, to: 21, changeCount: 0 },
    { from: 20, to: 30, changeCount: 3 },
  ];
  for (const { messages } of [first, second]) {
    assert.deepEqual(
      messages.flatMap((message) => (message.type === "stretch" ? [message.stretch] : [])),
      stretches,
    );
  }
});

test("without a stream, when one answer is of a new topology, the other paths are asked for soon", async () => {
  const world = new World();
  const tab = new Tab(world);
  await tab.open(1, { path: "/p1", kind: "json" });
  await tab.open(2, { path: "/p2", kind: "json" });
  await world.requests[0]?.answer({});
  const first = world.lastPause;
  await world.requests[1]?.answer({});
  const second = world.lastPause;
  assert.deepEqual([first.seconds, second.seconds], [10, 10]);
  await first.end();
  world.now += 3000;
  await world.lastRequest.answer({ n: 2 }, "v2");
  assert.equal(second.isOver, true);
  assert.equal(world.lastRequest.query.path, "/p2");
});

test("replicas that take turns with different versions are not asked without a pause", async () => {
  const world = new World();
  const tab = new Tab(world);
  for (let id = 1; id <= 3; id += 1) await tab.open(id, { path: `/p${id}`, kind: "json" });
  for (let answered = 0; answered < world.requests.length; answered += 1) {
    assert.ok(answered < 10, "a request follows each answer");
    await world.requests[answered]?.answer({}, `v${answered}`);
  }
  assert.equal(world.requests.length, 3);
});

test("a tab that cannot be served makes no failure of the gateway for the others", async (context) => {
  context.mock.method(console, "error", () => {});
  const world = new World();
  const broken = world.hub.connect(({ type }) => {
    if (type === "json") throw new Error("no");
  });
  world.hub.receive(broken, { type: "open", id: 1, source: QUALITY });
  const tab = new Tab(world);
  await tab.open(1, QUALITY);
  await world.lastRequest.answer({ n: 1 });
  assert.deepEqual(tab.types, ["json"]);
});

test("a failure keeps the answer, is repeated with growing pauses, and is over with the next answer", async () => {
  const { world, tab } = await openAnswered();
  await world.lastPause.end();
  await world.lastRequest.fail(503);
  const since = world.now;
  world.now += 1000;
  await world.lastPause.end();
  await world.lastRequest.fail(503);
  assert.equal(world.lastPause.seconds, 2);
  const failure = tab.messages.at(-1);
  assert.ok(failure?.type === "failure");
  assert.equal(failure.failure.since, since);
  assert.equal(failure.failure.retryAt, world.now + 2000);
  await world.lastPause.end();
  await world.lastRequest.answer(undefined);
  const last = tab.messages.at(-1);
  assert.ok(last?.type === "json");
  assert.deepEqual(last.content, { n: 1 });
});

test("an answer that is no summary is a failure", async () => {
  const world = new World();
  const tab = new Tab(world);
  await tab.open(1, NODES);
  await world.lastRequest.answer({ hello: 1 });
  const failure = tab.messages.at(-1);
  assert.ok(failure?.type === "failure");
  assert.equal(failure.failure.problem.kind, "failed");
});

test("a refused token is asked with again only when there is another one", async () => {
  const world = new World();
  const tab = new Tab(world);
  await tab.open(1, QUALITY);
  await world.lastRequest.fail(401);
  assert.equal(world.lastPause.seconds, Number.POSITIVE_INFINITY);
  await tab.send({ type: "token", token: "t", account: "me", tokenId: "id of t" });
  assert.equal(world.requests.length, 2);
  assert.equal(world.lastRequest.query.token, "t");
});

test("a refusal names the token by its identifier and tells whether it was accepted before", async () => {
  const world = new World();
  const tab = new Tab(world);
  await tab.send({ type: "token", token: "t1", account: "me", tokenId: "id of t1" });
  await tab.open(1, QUALITY);
  await world.lastRequest.fail(401);
  const first = tab.messages.at(-1);
  assert.ok(first?.type === "failure");
  assert.deepEqual(first.failure.refusal, { tokenId: "id of t1", wasAccepted: false });
  await tab.send({ type: "token", token: "t2", account: "me", tokenId: "id of t2" });
  await world.lastRequest.answer({ n: 1 });
  await world.lastPause.end();
  await world.lastRequest.fail(401);
  const second = tab.messages.at(-1);
  assert.ok(second?.type === "failure");
  assert.deepEqual(second.failure.refusal, { tokenId: "id of t2", wasAccepted: true });
});

test("a renewed token keeps what is there; that of another account forgets everything", async () => {
  const world = new World();
  const tab = new Tab(world);
  await tab.send({ type: "token", token: "t1", account: "me", tokenId: "id of t1" });
  await tab.open(1, QUALITY);
  await world.lastRequest.answer({ n: 1 });
  await tab.send({ type: "token", token: "t2", account: "me", tokenId: "id of t2" });
  assert.equal(world.lastRequest.query.etag, '"v1"');
  tab.messages.length = 0;
  await tab.send({ type: "token", token: "t3", account: "other", tokenId: "id of t3" });
  assert.equal(world.lastRequest.query.etag, undefined);
  assert.equal(world.lastRequest.query.token, "t3");
  assert.deepEqual(tab.types, ["reset"]);
});

test("the answer to a request of the account before is not shown", async () => {
  const world = new World();
  const tab = new Tab(world);
  await tab.send({ type: "token", token: "t1", account: "me", tokenId: "id of t1" });
  await tab.open(1, QUALITY);
  const late = world.lastRequest;
  await tab.send({ type: "token", token: "t2", account: "other", tokenId: "id of t2" });
  await late.answer({ secret: 1 });
  assert.deepEqual(tab.types, ["reset", "reset"]);
});

test("a new tab gets the token of the others", async () => {
  const world = new World();
  const tab = new Tab(world);
  await tab.send({ type: "token", token: "t", account: "me", tokenId: "id of t" });
  const messages: FromWorker[] = [];
  world.hub.connect((message) => messages.push(message));
  assert.deepEqual(messages, [{ type: "token", token: "t", account: "me", tokenId: "id of t" }]);
});

test("for hidden tabs nothing is requested; they get what is newest when they are visible", async () => {
  const world = new World();
  const [hidden, visible] = [new Tab(world), new Tab(world)];
  await hidden.open(1, QUALITY);
  await world.lastRequest.answer({ n: 1 });
  await world.lastPause.end();
  await hidden.send({ type: "visibility", isVisible: false });
  assert.equal(world.lastRequest.query.signal?.aborted, true);
  hidden.messages.length = 0;
  await visible.open(1, QUALITY);
  await world.lastRequest.answer({ n: 2 }, "v2");
  assert.deepEqual(hidden.types, []);
  await hidden.send({ type: "visibility", isVisible: true });
  const last = hidden.messages.at(-1);
  assert.ok(last?.type === "json");
  assert.deepEqual(last.content, { n: 2 });
});

test("a path that is closed is not requested any longer, and is there at once when it is opened again", async () => {
  const { world, tab } = await openAnswered();
  await world.lastPause.end();
  await tab.send({ type: "close", id: 1 });
  assert.equal(world.lastRequest.query.signal?.aborted, true);
  tab.messages.length = 0;
  await tab.open(2, QUALITY);
  assert.deepEqual(tab.types, ["json"]);
  assert.equal(world.lastRequest.query.etag, '"v1"');
});

test("of the paths that nobody watches, only the last few are kept", async () => {
  const world = new World();
  const tab = new Tab(world);
  for (let id = 1; id <= 8; id += 1) {
    await tab.open(id, { path: `/p${id}`, kind: "json" });
    await world.lastRequest.answer({});
    await tab.send({ type: "close", id });
  }
  await tab.open(9, { path: "/p1", kind: "json" });
  assert.equal(world.lastRequest.query.etag, undefined);
  await tab.open(10, { path: "/p8", kind: "json" });
  assert.equal(world.lastRequest.query.etag, '"v1"');
});

test("the order of rows comes with each summary, for the sort keys of the tab", async () => {
  const world = new World();
  const tab = new Tab(world);
  await tab.open(1, NODES);
  await tab.send({ type: "sort", id: 2, source: NODES, keys: [{ column: "name", isDescending: true }] });
  await world.lastRequest.answer(nodesNamed("a", "c", "b"));
  assert.deepEqual(tab.types, ["summary", "order"]);
  const order = tab.messages.at(-1);
  assert.ok(order?.type === "order");
  assert.deepEqual([...order.order], [1, 2, 0]);
  assert.equal(order.revision, 1);
});

test("an object keeps its number from one summary to the next", async () => {
  const world = new World();
  const tab = new Tab(world);
  await tab.open(1, NODES);
  await world.lastRequest.answer(nodesNamed("a", "b"), "v1");
  await world.lastPause.end();
  await world.lastRequest.answer(nodesNamed("b", "a"), "v2");
  const [first, second] = tab.messages;
  assert.ok(first?.type === "summary" && second?.type === "summary");
  assert.deepEqual([...second.content.ids], [...first.content.ids].reverse());
});

test("a tab that leaves watches nothing", async () => {
  const world = new World();
  const tab = new Tab(world);
  await tab.open(1, QUALITY);
  await tab.send({ type: "leave" });
  assert.equal(world.lastRequest.query.signal?.aborted, true);
});

test("what failed is asked for at once when somebody wants to try", async () => {
  const world = new World();
  const tab = new Tab(world);
  await tab.open(1, QUALITY);
  await world.lastRequest.fail(500);
  const count = world.requests.length;
  await tab.send({ type: "retry" });
  assert.equal(world.requests.length, count + 1);
});

test("a past instant is asked for once, whatever becomes new", async () => {
  const world = new World();
  const tab = new Tab(world);
  await tab.open(1, { path: "/summary/nodes?time=2026-11-30T18:00:00Z", kind: "nodes" });
  await world.lastRequest.answer(nodesNamed("a"), "v1");
  await tab.open(2, QUALITY);
  await world.lastRequest.answer({ n: 1 }, "v2");
  await tab.send({ type: "visibility", isVisible: false });
  await tab.send({ type: "visibility", isVisible: true });
  const past = world.requests.filter(({ query }) => query.path.includes("time="));
  assert.equal(past.length, 1);
});

test("an instant of a moment ago is asked for until no samples of it arrive any longer", async () => {
  const world = new World();
  const tab = new Tab(world);
  world.now = Date.parse("2026-11-30T18:01:00Z");
  await tab.open(1, { path: "/summary/nodes?time=2026-11-30T18:00:00Z", kind: "nodes" });
  await world.lastRequest.answer(nodesNamed("a"), "v1");
  assert.equal(world.lastPause.seconds, 30);
  world.now = Date.parse("2026-11-30T18:02:00Z");
  await world.lastPause.end();
  await world.lastRequest.answer(nodesNamed("a", "b"), "v2");
  assert.equal(world.requests.length, 2);
  await tab.send({ type: "visibility", isVisible: false });
  await tab.send({ type: "visibility", isVisible: true });
  assert.equal(world.requests.length, 2);
});

test("a past instant that failed is asked for again", async () => {
  const world = new World();
  const tab = new Tab(world);
  await tab.open(1, { path: "/summary/nodes?time=2026-11-30T18:00:00Z", kind: "nodes" });
  await world.lastRequest.fail(503, 2);
  await world.lastPause.end();
  await world.lastRequest.answer(nodesNamed("a"));
  assert.deepEqual(tab.types, ["failure", "summary"]);
});

test("an object has the same number at all instants, and each answer a revision of its own", async () => {
  const world = new World();
  const tab = new Tab(world);
  await tab.open(1, { path: "/summary/nodes?filter=x", kind: "nodes" });
  await world.lastRequest.answer(nodesNamed("a", "b"));
  await tab.open(2, { path: "/summary/nodes?filter=x&time=2026-11-30T18:00:00Z", kind: "nodes" });
  await world.lastRequest.answer(nodesNamed("b", "a"));
  const [now, past] = tab.messages;
  assert.ok(now?.type === "summary" && past?.type === "summary");
  assert.deepEqual([...past.content.ids], [...now.content.ids].reverse());
  assert.notEqual(past.content.revision, now.content.revision);
});

test("what differs from the answer before is marked, if that is not old, and never of a past instant", async () => {
  const world = new World();
  const tab = new Tab(world);
  await tab.open(1, NODES);
  await world.lastRequest.answer(nodesNamed("a"), "v1");
  await world.lastPause.end();
  await world.lastRequest.answer(nodesNamed("a", "b"), "v2");
  await world.lastPause.end();
  world.now += 120_000;
  await world.lastRequest.answer(nodesNamed("a", "b", "c"), "v3");
  await tab.open(2, { path: "/summary/nodes?time=2026-11-30T18:00:00Z", kind: "nodes" });
  await world.lastRequest.answer(nodesNamed("z"), "v0");
  const marked = tab.messages.map((message) => message.type === "summary" && message.content.marks !== undefined);
  assert.deepEqual(marked, [false, true, false, false]);
});
