import assert from "node:assert/strict";
import { test } from "node:test";
import { type Client, Hub } from "./hub";
import { ProblemError, parseProblem } from "./problem";
import type { FromWorker, Source, ToWorker } from "./protocol";
import type { Answer, Query } from "./transport";

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

/** A gateway and a clock that a test moves. */
class World {
  readonly requests: Request[] = [];
  readonly pauses: Pause[] = [];
  now = 1_000_000;
  readonly hub = new Hub({
    send: (query) => this.#send(query),
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

  #sleep(seconds: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        pause.isOver = true;
        resolve();
        return settle();
      };
      const pause: Pause = { seconds, isOver: false, end };
      signal.addEventListener("abort", () => void end());
      this.pauses.push(pause);
    });
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

test("after the first answer, the request is held until something changes", async () => {
  const world = new World();
  const tab = new Tab(world);
  await tab.open(1, QUALITY);
  assert.equal(world.lastRequest.query.waitSeconds, undefined);
  await world.lastRequest.answer({ n: 1 });
  await world.lastPause.end();
  assert.equal(world.lastRequest.query.etag, '"v1"');
  assert.equal(world.lastRequest.query.waitSeconds, 30);
});

test("an answer without changes is only news of the age", async () => {
  const world = new World();
  const tab = new Tab(world);
  await tab.open(1, QUALITY);
  await world.lastRequest.answer({ n: 1 });
  await world.lastPause.end();
  world.now += 30_000;
  await world.lastRequest.answer(undefined);
  assert.deepEqual(tab.types, ["json", "unchanged"]);
  assert.equal(world.lastPause.seconds, 1);
});

test("where `wait` is ignored, the gateway is not asked every second", async () => {
  const world = new World();
  const tab = new Tab(world);
  await tab.open(1, QUALITY);
  await world.lastRequest.answer({ n: 1 });
  await world.lastPause.end();
  world.now += 5;
  await world.lastRequest.answer(undefined);
  assert.equal(world.lastPause.seconds, 10);
});

test("few requests are held at a time; the others are repeated", async () => {
  const world = new World();
  const tab = new Tab(world);
  for (let id = 1; id <= 5; id += 1) await tab.open(id, { path: `/p${id}`, kind: "json" });
  const first = [...world.requests];
  for (const request of first) await request.answer({});
  assert.deepEqual(
    world.pauses.map(({ seconds }) => seconds),
    [1, 1, 1, 10, 10],
  );
});

test("when one answer is of a new topology, paths that only repeat are asked for at once", async () => {
  const world = new World();
  const tab = new Tab(world);
  for (let id = 1; id <= 4; id += 1) await tab.open(id, { path: `/p${id}`, kind: "json" });
  for (const request of [...world.requests]) await request.answer({});
  const repeated = world.pauses.at(3);
  await world.pauses.at(0)?.end();
  assert.equal(world.lastRequest.query.path, "/p1");
  world.now += 3000;
  await world.lastRequest.answer({ n: 2 }, "v2");
  assert.equal(repeated?.isOver, true);
  assert.ok(world.requests.slice(5).some(({ query }) => query.path === "/p4"));
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
  const world = new World();
  const tab = new Tab(world);
  await tab.open(1, QUALITY);
  await world.lastRequest.answer({ n: 1 });
  await world.lastPause.end();
  await world.lastRequest.fail(503);
  const since = world.now;
  world.now += 1000;
  await world.lastPause.end();
  assert.equal(world.lastRequest.query.waitSeconds, undefined);
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
  const world = new World();
  const tab = new Tab(world);
  await tab.open(1, QUALITY);
  await world.lastRequest.answer({ n: 1 });
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

test("a past instant that failed is asked for again", async () => {
  const world = new World();
  const tab = new Tab(world);
  await tab.open(1, { path: "/summary/nodes?time=2026-11-30T18:00:00Z", kind: "nodes" });
  await world.lastRequest.fail(503, 2);
  await world.lastPause.end();
  await world.lastRequest.answer(nodesNamed("a"));
  assert.deepEqual(tab.types, ["failure", "summary"]);
});

test("a past instant takes no place of the requests that are held", async () => {
  const world = new World();
  const tab = new Tab(world);
  for (let id = 1; id <= 3; id += 1) await tab.open(id, { path: `/p${id}?time=x`, kind: "json" });
  await tab.open(4, QUALITY);
  await world.lastRequest.answer({ n: 1 });
  await world.lastPause.end();
  assert.equal(world.lastRequest.query.waitSeconds, 30);
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
