/** What the worker does: one feed for each path, and one stream of changes, whichever tabs have them open. */

import type { KnownStretch } from "../time/known_changes";
import { ChangeStream, type KnownVersion, type StreamContext } from "./change_stream";
import { copyColumns } from "./columns";
import { Feed, type FeedContext, type FeedEnvironment, Lineage, pathWithoutTime } from "./feed";
import { formatSort, type SortKey, sortRows } from "./order";
import type { FromWorker, Source, SummaryContent, ToWorker } from "./protocol";

/** Feeds that nobody watches are kept, so that going back shows something at once. */
const MAXIMUM_IDLE = 6;

type Post = (message: FromWorker, transfer: Transferable[]) => void;

interface Watcher {
  readonly id: number;
  readonly feed: Feed;
  /** Null for content; otherwise the order of its rows is what is sent. */
  readonly keys: readonly SortKey[] | null;
}

/** A tab. */
export class Client {
  readonly post: Post;
  readonly watchers = new Map<number, Watcher>();
  isVisible = true;

  constructor(post: Post) {
    this.post = post;
  }
}

export class Hub implements FeedContext, StreamContext {
  readonly environment: FeedEnvironment;
  token: string | null = null;
  tokenId = "";
  isTokenAccepted = false;
  #account = "";
  readonly #clients = new Set<Client>();
  /** The one that was closed last is the last one. */
  readonly #feeds = new Map<string, Feed>();
  readonly #stream = new ChangeStream(this);

  constructor(environment: FeedEnvironment) {
    this.environment = environment;
  }

  connect(post: Post): Client {
    const client = new Client(post);
    this.#clients.add(client);
    post({ type: "token", token: this.token, account: this.#account, tokenId: this.tokenId }, []);
    return client;
  }

  receive(client: Client, message: ToWorker): void {
    switch (message.type) {
      case "open":
        this.#watch(client, message.id, message.source, null);
        break;
      case "sort":
        this.#watch(client, message.id, message.source, message.keys);
        break;
      case "close":
        this.#close(client, message.id);
        break;
      case "visibility":
        client.isVisible = message.isVisible;
        if (message.isVisible) for (const watcher of client.watchers.values()) this.#catchUp(client, watcher);
        this.#startAndStop();
        break;
      case "token":
        this.#setToken(client, message);
        break;
      case "retry":
        for (const feed of this.#feeds.values()) if (feed.failure !== null) feed.retry();
        break;
      case "ping":
        client.post({ type: "pong" }, []);
        break;
      case "leave":
        this.leave(client);
        break;
      case "alive":
        // The worker waits for the lock.
        break;
    }
  }

  leave(client: Client): void {
    for (const id of [...client.watchers.keys()]) this.#close(client, id);
    this.#clients.delete(client);
  }

  get streamVersion(): string | null {
    return this.#stream.version;
  }

  findAnswer(): KnownVersion | null {
    const answers = this.#listLiveFeeds().flatMap(({ freshness }) => freshness ?? []);
    return answers.sort((left, right) => right.receivedAt - left.receivedAt)[0] ?? null;
  }

  expectVersion(version: string): void {
    for (const feed of this.#listLiveFeeds()) if (feed.freshness?.version !== version) feed.expectVersion(version);
  }

  loseStream(): void {
    for (const feed of this.#listLiveFeeds()) feed.requestSoon();
  }

  publishStretch(stretch: KnownStretch): void {
    for (const client of this.#clients) client.post({ type: "stretch", stretch }, []);
  }

  /** What is kept current, and has not failed. */
  #listLiveFeeds(): Feed[] {
    return [...this.#feeds.values()].filter((feed) => feed.isRunning && !feed.isPast && feed.failure === null);
  }

  publishContent(feed: Feed): void {
    const orders = new Map<string, Uint32Array>();
    this.#forWatchers(feed, (client, watcher) => this.#send(client, watcher, orders));
    this.#noteAnswer(feed);
  }

  publishFreshness(feed: Feed): void {
    const { freshness } = feed;
    if (freshness === null) return;
    this.#forWatchers(feed, (client, { id, keys }) => {
      if (keys === null) client.post({ type: "unchanged", id, freshness }, []);
    });
    this.#noteAnswer(feed);
  }

  publishFailure(feed: Feed): void {
    const { failure } = feed;
    if (failure === null) return;
    this.#forWatchers(feed, (client, { id, keys }) => {
      if (keys === null) client.post({ type: "failure", id, failure }, []);
    });
  }

  /** Without a stream, the others are asked for soon when one answer is of a new topology. */
  #noteAnswer(feed: Feed): void {
    if (feed.isPast) return;
    this.#stream.noteAnswer();
    if (this.#stream.version !== null) return;
    const version = feed.freshness?.version;
    for (const other of this.#listLiveFeeds()) {
      if (other !== feed && other.freshness?.version !== version) other.requestSoon();
    }
  }

  #forWatchers(feed: Feed, act: (client: Client, watcher: Watcher) => void): void {
    for (const client of this.#clients) {
      // A hidden tab draws nothing. It gets what is newest when it is visible.
      if (!client.isVisible) continue;
      for (const watcher of client.watchers.values()) {
        if (watcher.feed !== feed) continue;
        try {
          act(client, watcher);
        } catch (error) {
          // biome-ignore lint/suspicious/noConsole: A defect of the page, no failure of the gateway; other tabs go on.
          console.error(error);
        }
      }
    }
  }

  #watch(client: Client, id: number, source: Source, keys: readonly SortKey[] | null): void {
    const name = `${source.kind} ${source.path}`;
    const feed = this.#feeds.get(name) ?? new Feed(source, this, this.#lineageOf(source));
    this.#feeds.set(name, feed);
    const watcher = { id, feed, keys };
    client.watchers.set(id, watcher);
    if (client.isVisible) this.#catchUp(client, watcher);
    this.#startAndStop();
  }

  #lineageOf({ path, kind }: Source): Lineage {
    const wanted = pathWithoutTime(path);
    const relative = [...this.#feeds.values()].find(
      ({ source }) => source.kind === kind && pathWithoutTime(source.path) === wanted,
    );
    return relative?.lineage ?? new Lineage();
  }

  #close(client: Client, id: number): void {
    const feed = client.watchers.get(id)?.feed;
    if (feed === undefined) return;
    client.watchers.delete(id);
    this.#startAndStop();
    this.#dropIdle(feed);
  }

  /** Send what is there already. */
  #catchUp(client: Client, watcher: Watcher): void {
    const { feed, keys, id } = watcher;
    if (feed.content !== undefined) this.#send(client, watcher, new Map());
    if (feed.failure !== null && keys === null) client.post({ type: "failure", id, failure: feed.failure }, []);
  }

  #send(client: Client, { id, feed, keys }: Watcher, orders: Map<string, Uint32Array>): void {
    const { content, freshness, source } = feed;
    if (content === undefined || freshness === null) return;
    if (source.kind === "json") {
      client.post({ type: "json", id, content, freshness }, []);
      return;
    }
    const { revision, columns, ids, marks } = content as SummaryContent;
    if (keys === null) {
      const { copy, buffers } = copyColumns(columns);
      const ownIds = ids.slice();
      const message = { revision, columns: copy, ids: ownIds, ...(marks && { marks }) };
      client.post({ type: "summary", id, content: message, freshness }, [...buffers, ownIds.buffer]);
      return;
    }
    const name = formatSort(keys);
    const order = orders.get(name) ?? sortRows(columns, keys);
    orders.set(name, order);
    const ownOrder = order.slice();
    client.post({ type: "order", id, revision, order: ownOrder }, [ownOrder.buffer]);
  }

  #setToken(sender: Client, message: Extract<ToWorker, { type: "token" }>): void {
    const { token, account, tokenId } = message;
    const isOther = account !== this.#account;
    this.isTokenAccepted = false;
    this.token = token;
    this.tokenId = tokenId;
    this.#account = account;
    for (const client of this.#clients) {
      if (isOther) client.post({ type: "reset" }, []);
      if (client !== sender) client.post(message, []);
    }
    this.#stream.stop();
    if (isOther) this.#stream.forget();
    for (const feed of this.#feeds.values()) {
      if (isOther) feed.forget();
      feed.restart();
    }
    this.#startAndStop();
  }

  #startAndStop(): void {
    const wanted = new Set<Feed>();
    for (const client of this.#clients) {
      if (client.isVisible) for (const { feed } of client.watchers.values()) wanted.add(feed);
    }
    for (const feed of this.#feeds.values()) {
      if (wanted.has(feed)) feed.start();
      else feed.stop();
    }
    // Past instants do not change.
    if ([...wanted].some(({ isPast }) => !isPast)) this.#stream.start();
    else this.#stream.stop();
  }

  #dropIdle(closed: Feed): void {
    const isWatched = (feed: Feed) =>
      [...this.#clients].some((client) => [...client.watchers.values()].some((watcher) => watcher.feed === feed));
    if (isWatched(closed)) return;
    const name = `${closed.source.kind} ${closed.source.path}`;
    this.#feeds.delete(name);
    this.#feeds.set(name, closed);
    const idle = [...this.#feeds].filter(([, feed]) => !isWatched(feed));
    for (const [oldest] of idle.slice(0, Math.max(0, idle.length - MAXIMUM_IDLE))) this.#feeds.delete(oldest);
  }
}
