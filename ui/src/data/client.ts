/** Live data of the gateway: signals that the worker keeps current. */

import { batch, computed, type ReadonlySignal, signal } from "@preact/signals";
import { randomId } from "../random_id";
import { noteStretch } from "../time/known_changes";
import { Heartbeat } from "./heartbeat";
import type { SortKey } from "./order";
import { unreachable } from "./problem";
import type { Failure, Freshness, FromWorker, Source, SummaryKind, ToWorker } from "./protocol";
import { Summary } from "./summary";

export type { Problem } from "./problem";
export type { Failure, Freshness } from "./protocol";

export interface Resource<T> {
  /** The last answer, null before the first one. It stays when a later request fails. */
  readonly data: T | null;
  /** How old `data` is. */
  readonly freshness: Freshness | null;
  /** Why there are no data, or why they are not current any longer. */
  readonly failure: Failure | null;
  /** Whether `data` are of the instant that was shown before, because those of this one are not there yet. */
  readonly isPending?: boolean;
}

/** The order of the rows of the summary with this revision. */
export interface Order {
  readonly revision: number;
  readonly rows: Uint32Array;
}

const NOTHING: Resource<never> = { data: null, freshness: null, failure: null };

interface Subscription {
  readonly name: string;
  readonly opening: Opening;
  users: number;
  receive(message: FromWorker): void;
  reset(): void;
  readonly value: ReadonlySignal<unknown>;
}

const subscriptions = new Map<number, Subscription>();
const idsByName = new Map<string, number>();
let nextId = 1;

const resources = signal<ReadonlyMap<number, ReadonlySignal<Resource<unknown>>>>(new Map());

/** How old the data on the screen are: the oldest of what is open. */
export const freshness: ReadonlySignal<Freshness | null> = computed(() => {
  let oldest: Freshness | null = null;
  let isComplete = true;
  for (const resource of resources.value.values()) {
    const found = resource.value.freshness;
    if (found === null) continue;
    isComplete &&= found.isComplete;
    if (oldest === null || found.queriedAt < oldest.queriedAt) oldest = found;
  }
  return oldest && { ...oldest, isComplete };
});

/** Set while the worker does not answer. */
const workerFailure = signal<Failure | null>(null);

/**
 * What keeps the screen from being current: the gateway does not answer, has no topology, or refuses the token, or the
 * worker is dead.
 */
export const outage: ReadonlySignal<Failure | null> = computed(() => {
  let first = workerFailure.value;
  for (const resource of resources.value.values()) {
    const { failure } = resource.value;
    if (failure === null || !OUTAGES.has(failure.problem.kind)) continue;
    if (first === null || failure.since < first.since) first = failure;
  }
  return first;
});

/** Whether something on the screen has no answer yet. */
export const isLoading: ReadonlySignal<boolean> = computed(() =>
  [...resources.value.values()].some(({ value: { data, failure } }) => data === null && failure === null),
);

const OUTAGES: ReadonlySet<string> = new Set(["unreachable", "unavailable", "failed", "unauthorized"]);

/** Watch a path of the API below /api/v1. Call the returned function to stop. */
export function watchJson<T>(path: string): [ReadonlySignal<Resource<T>>, () => void] {
  return watchResource<T>({ path, kind: "json" }, (content) => content as T);
}

export function watchSummary(kind: SummaryKind, path: string): [ReadonlySignal<Resource<Summary>>, () => void] {
  return watchResource<Summary>({ path, kind }, (content) => new Summary(kind, content as never));
}

export function watchOrder(
  kind: SummaryKind,
  path: string,
  keys: readonly SortKey[],
): [ReadonlySignal<Order | null>, () => void] {
  const order = signal<Order | null>(null);
  return subscribe({ type: "sort", source: { path, kind }, keys }, order, {
    receive(message) {
      if (message.type === "order") order.value = { revision: message.revision, rows: message.order };
    },
    reset() {
      order.value = null;
    },
  });
}

function watchResource<T>(source: Source, read: (content: unknown) => T): [ReadonlySignal<Resource<T>>, () => void] {
  const resource = signal<Resource<T>>(NOTHING);
  return subscribe({ type: "open", source }, resource, {
    receive(message) {
      switch (message.type) {
        case "json":
        case "summary":
          resource.value = { data: read(message.content), freshness: message.freshness, failure: null };
          break;
        case "unchanged":
          resource.value = { ...resource.value, freshness: message.freshness, failure: null };
          break;
        case "failure":
          resource.value = { ...resource.value, failure: message.failure };
          break;
      }
    },
    reset() {
      resource.value = NOTHING;
    },
  });
}

type Opening =
  | { readonly type: "open"; readonly source: Source }
  | { readonly type: "sort"; readonly source: Source; readonly keys: readonly SortKey[] };

/** Open something in the worker, once for all components that watch the same. */
function subscribe<T>(
  opening: Opening,
  value: ReadonlySignal<T>,
  handlers: Pick<Subscription, "receive" | "reset">,
): [ReadonlySignal<T>, () => void] {
  const name = JSON.stringify(opening);
  let id = idsByName.get(name);
  if (id === undefined) {
    id = nextId;
    nextId += 1;
    idsByName.set(name, id);
    subscriptions.set(id, { name, opening, users: 0, value, ...handlers });
    if (opening.type === "open") {
      resources.value = new Map(resources.peek()).set(id, value as ReadonlySignal<Resource<unknown>>);
    }
    post({ ...opening, id });
  }
  const opened = id;
  const subscription = subscriptions.get(opened);
  if (subscription === undefined) throw new Error(`subscription ${opened} is closed`);
  subscription.users += 1;
  let isOpen = true;
  const close = () => {
    if (!isOpen) return;
    isOpen = false;
    subscription.users -= 1;
    // The next screen often watches the same.
    setTimeout(() => {
      if (subscription.users === 0) dispose(opened);
    });
  };
  return [subscription.value as ReadonlySignal<T>, close];
}

function dispose(id: number): void {
  const subscription = subscriptions.get(id);
  if (subscription === undefined) return;
  subscriptions.delete(id);
  idsByName.delete(subscription.name);
  if (resources.peek().has(id)) {
    const rest = new Map(resources.peek());
    rest.delete(id);
    resources.value = rest;
  }
  post({ type: "close", id });
}

// The worker.

export interface Token {
  readonly token: string | null;
  /** Whose token it is. Data are never shown to another account. */
  readonly account: string;
  /** Identifies the token where its text must not be. */
  readonly tokenId: string;
}

/** The token that the worker uses, for all tabs; null until the worker answered. */
export const sharedToken = signal<Token | null>(null);

interface Endpoint {
  post(message: ToWorker): void;
  /** Receive nothing any longer. */
  close(): void;
}

/** Whether the script of the worker could not be loaded. It is tried again. */
export const isWorkerMissing = signal(false);

const WORKER_RETRY_MILLISECONDS = 3000;

/** How often the page asks whether the worker lives. */
const HEARTBEAT_MILLISECONDS = 5000;

let endpoint: Endpoint | null = null;

const workers = signal(0);

/** Counts the workers that this tab has had: the numbers and revisions of rows are those of one worker. */
export const workerCount: ReadonlySignal<number> = workers;

const heartbeat = new Heartbeat(() => post({ type: "ping" }), replaceWorker);

function post(message: ToWorker): void {
  endpoint?.post(message);
}

/** Start the worker. Everything else of this module waits for it. */
export function connect(): void {
  startWorker();
  setInterval(() => {
    // Before the first answer, it is loaded.
    if (sharedToken.peek() !== null) heartbeat.beat();
  }, HEARTBEAT_MILLISECONDS);
  document.addEventListener("visibilitychange", () => {
    post({ type: "visibility", isVisible: document.visibilityState === "visible" });
  });
  window.addEventListener("online", retry);
  window.addEventListener("pagehide", (event) => {
    if (!event.persisted) post({ type: "leave" });
  });
}

function startWorker(): void {
  workers.value += 1;
  endpoint = openWorker();
  post({ type: "visibility", isVisible: document.visibilityState === "visible" });
  holdLock();
}

function openWorker(): Endpoint {
  const options: WorkerOptions = { type: "module", name: "topology" };
  if ("SharedWorker" in window) {
    const worker = new SharedWorker(WORKER_URL, options);
    worker.onerror = startAgain;
    const { port } = worker;
    port.onmessage = receive;
    return { post: (message) => port.postMessage(message), close: () => port.close() };
  }
  const worker = new Worker(WORKER_URL, options);
  worker.onerror = startAgain;
  worker.onmessage = receive;
  return { post: (message) => worker.postMessage(message), close: () => worker.terminate() };
}

/** A worker that has answered is loaded: its other errors are not about that. */
function startAgain(): void {
  if (sharedToken.peek() !== null) return;
  isWorkerMissing.value = true;
  setTimeout(startWorker, WORKER_RETRY_MILLISECONDS);
}

/** Locks exist only where the address is secure. Elsewhere a tab that crashes is remembered as long as others live. */
function holdLock(): void {
  const name = `tab ${randomId()}`;
  void navigator.locks?.request(name, () => {
    post({ type: "alive", lock: name });
    return new Promise(() => {});
  });
}

/** Start another worker, and open in it what was open in the one that does not answer. */
function replaceWorker(): void {
  const problem = unreachable("The data worker of the page has stopped. It is being restarted.");
  workerFailure.value ??= { problem, since: Date.now(), retryAt: Date.now() };
  // One that was only slow must not go on for this tab.
  post({ type: "leave" });
  endpoint?.close();
  batch(() => {
    resetSubscriptions();
    startWorker();
  });
  const token = sharedToken.peek();
  if (token !== null) post({ type: "token", ...token });
  for (const [id, { opening }] of subscriptions) post({ ...opening, id });
}

function receive(event: MessageEvent): void {
  const message = event.data as FromWorker;
  heartbeat.answer();
  batch(() => {
    workerFailure.value = null;
    switch (message.type) {
      case "pong":
        break;
      case "token":
        receiveToken(readToken(message));
        break;
      case "reset":
        resetSubscriptions();
        break;
      case "stretch":
        noteStretch(message.stretch);
        break;
      default:
        subscriptions.get(message.id)?.receive(message);
    }
  });
}

/** A new worker has no token, which means nothing if this tab has one. */
function receiveToken(token: Token): void {
  const isNew = token.tokenId === "" && sharedToken.peek() !== null;
  if (!isNew) sharedToken.value = token;
}

function readToken({ token, account, tokenId }: Token): Token {
  return { token, account, tokenId };
}

/** Give the worker the token of this tab; it uses it for all tabs. */
export function shareToken({ token, account }: Omit<Token, "tokenId">): void {
  const shared = { token, account, tokenId: randomId() };
  batch(() => {
    // The worker resets them too, but not before the next drawing.
    if (account !== sharedToken.peek()?.account) resetSubscriptions();
    sharedToken.value = shared;
  });
  post({ type: "token", ...shared });
}

function resetSubscriptions(): void {
  for (const subscription of subscriptions.values()) subscription.reset();
}

/** Ask again now for what failed. */
export function retry(): void {
  post({ type: "retry" });
}
