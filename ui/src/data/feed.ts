/** One path of the API that somebody watches: asks again and again, and keeps the newest answer. */

import { settledAt } from "../time/instant";
import { type Columns, decodeSummary, type SummaryResponse } from "./columns";
import { RowIds } from "./order";
import { ProblemError, unreadable } from "./problem";
import { type Failure, type Freshness, KEY_COLUMNS, type Source, type SummaryContent } from "./protocol";
import { retryPause } from "./retry";
import { MARK_MILLISECONDS, RowMarker, type RowMarks } from "./row_marks";
import type { Answer, Query, StreamQuery } from "./transport";
import { addUsage } from "./usage";

/**
 * How often to ask for what is of the version that the stream said last, because the age of the data is in the answer,
 * and for an instant of which samples may still arrive.
 */
const CONFIRM_SECONDS = 30;
/** How often to ask without a stream, or after an answer of another version than that of the stream. */
const POLL_SECONDS = 10;
/** The least time from an answer to a request because of the stream. */
const SHORTEST_PAUSE_SECONDS = 1;
/**
 * The least time from an answer to a request because of another feed: where replicas of the gateway take turns with
 * different versions, feeds would otherwise make each other ask without end.
 */
const SHORTEST_EARLY_SECONDS = 3;

/** Instead of a version, where none is known: each answer that is on its way may be too old. */
export const UNKNOWN_VERSION = "";

/** What the feeds of one path share, of now and of past instants: numbers that stay with objects and with answers. */
export class Lineage {
  readonly ids = new RowIds();
  revision = 0;
}

/** The path without the instant as of which it is asked for. */
export function pathWithoutTime(path: string): string {
  return path.replace(/([?&])time=[^&]*&?/, "$1").replace(/[?&]$/, "");
}

function timeOf(path: string): string {
  return new URLSearchParams(path.split("?")[1]).get("time") ?? "";
}

/** What feeds need from the worker; tests have another one. */
export interface FeedEnvironment {
  send(query: Query): Promise<Answer>;
  /** Read a stream until it ends. */
  readStream(query: StreamQuery): Promise<void>;
  /** Wait; resolve earlier if the signal is aborted. */
  sleep(seconds: number, signal: AbortSignal): Promise<void>;
  /** Milliseconds, as of Date.now(). */
  now(): number;
  random(): number;
}

/** What feeds share. */
export interface FeedContext {
  readonly token: string | null;
  readonly tokenId: string;
  /** Whether the gateway has accepted the token. */
  isTokenAccepted: boolean;
  readonly environment: FeedEnvironment;
  /** The version that the stream said last, null while it is not open. */
  readonly streamVersion: string | null;
  publishContent(feed: Feed): void;
  publishFreshness(feed: Feed): void;
  publishFailure(feed: Feed): void;
}

export class Feed {
  readonly source: Source;
  freshness: Freshness | null = null;
  failure: Failure | null = null;
  /** The decoded answer: a SummaryContent for summaries. `undefined` before the first one. */
  content: unknown = undefined;
  readonly lineage: Lineage;
  /** Whether it is about a past instant, whose answer soon does not change any longer. */
  readonly isPast: boolean;
  /** From when on an answer about its instant does not change, in milliseconds. */
  readonly #settledAt: number;
  readonly #context: FeedContext;
  #etag: string | undefined;
  readonly #marker: RowMarker | null;
  #failures = 0;
  #run: AbortController | null = null;
  #pause: AbortController | null = null;
  /** The least time from the last answer to the request that is wanted, Infinity if none is. */
  #wantedAfter = Number.POSITIVE_INFINITY;
  /** The version that an answer which is on its way may not have yet, UNKNOWN_VERSION for each answer. */
  #expected: string | null = null;

  constructor(source: Source, context: FeedContext, lineage: Lineage) {
    this.source = source;
    this.#context = context;
    this.lineage = lineage;
    this.isPast = pathWithoutTime(source.path) !== source.path;
    this.#settledAt = settledAt(timeOf(source.path));
    this.#marker = source.kind === "json" || this.isPast ? null : new RowMarker(source.kind);
  }

  get isRunning(): boolean {
    return this.#run !== null;
  }

  start(): void {
    if (this.#run !== null) return;
    const run = new AbortController();
    this.#run = run;
    void this.#follow(run.signal);
  }

  stop(): void {
    this.#run?.abort();
    this.#pause?.abort();
    this.#run = null;
  }

  /** Ask now instead of after the pause. A request on its way is not sent again. */
  retry(): void {
    this.#pause?.abort();
  }

  /** Ask soon: the answer to another path is of another version. */
  requestSoon(): void {
    this.#endPause(SHORTEST_EARLY_SECONDS);
  }

  /**
   * Ask soon: the stream says that there is this version, or with UNKNOWN_VERSION that the answer is another one. An
   * answer on its way may be older than that.
   */
  expectVersion(version: string): void {
    this.#expected = version;
    this.#endPause(SHORTEST_PAUSE_SECONDS);
  }

  /** Ask with the new token. What is kept stays. */
  restart(): void {
    if (this.#run === null) return;
    this.stop();
    this.start();
  }

  forget(): void {
    this.content = undefined;
    this.#marker?.forget();
    this.freshness = null;
    this.failure = null;
    this.#etag = undefined;
    this.#failures = 0;
  }

  async #follow(signal: AbortSignal): Promise<void> {
    while (!signal.aborted && !this.#isFinal) {
      const pause = await this.#ask(signal);
      if (signal.aborted || this.#isFinal) return;
      await this.#rest(pause, signal);
    }
  }

  get #isFinal(): boolean {
    return (
      this.isPast && this.freshness !== null && this.failure === null && this.#isSettled(this.freshness.receivedAt)
    );
  }

  /** Whether what the gateway says at this time is final. A text that is no instant counts as settled. */
  #isSettled(now: number): boolean {
    return this.isPast && !(now < this.#settledAt);
  }

  #endPause(wantedAfter: number): void {
    this.#wantedAfter = Math.min(this.#wantedAfter, wantedAfter);
    this.#pause?.abort();
  }

  async #rest(pause: number, signal: AbortSignal): Promise<void> {
    const { now, sleep } = this.#context.environment;
    const started = now();
    this.#pause = new AbortController();
    this.#wantedAfter = Number.POSITIVE_INFINITY;
    await sleep(pause, this.#pause.signal);
    const early = Math.min(pause, this.#wantedAfter) - (now() - started) / 1000;
    if (Number.isFinite(this.#wantedAfter) && early > 0 && !signal.aborted) await sleep(early, signal);
  }

  /** Send one request and return how many seconds to wait before the next one. */
  async #ask(signal: AbortSignal): Promise<number> {
    const { environment, token } = this.#context;
    this.#expected = null;
    try {
      const answer = await environment.send({
        path: this.source.path,
        token,
        signal,
        ...(this.#etag !== undefined && { etag: this.#etag }),
      });
      if (signal.aborted) return 0;
      this.#accept(answer);
      return this.#pauseAfter(answer.freshness.version);
    } catch (error) {
      return signal.aborted ? 0 : this.#fail(error);
    }
  }

  #pauseAfter(version: string): number {
    if (this.isPast) return CONFIRM_SECONDS;
    if (this.#expected !== null && this.#expected !== version) return SHORTEST_PAUSE_SECONDS;
    return version === this.#context.streamVersion ? CONFIRM_SECONDS : POLL_SECONDS;
  }

  #accept({ content, etag, freshness }: Answer): void {
    this.#context.isTokenAccepted = true;
    const hadFailed = this.failure !== null;
    if (content !== undefined) {
      this.content = this.#decode(content);
      this.#etag = etag || undefined;
    }
    this.failure = null;
    this.#failures = 0;
    this.freshness = freshness;
    if (content !== undefined || hadFailed) this.#context.publishContent(this);
    else this.#context.publishFreshness(this);
  }

  #decode(content: unknown): unknown {
    const { kind } = this.source;
    if (kind === "json") return content;
    try {
      const columns = addUsage(kind, decodeSummary(content as SummaryResponse));
      this.lineage.revision += 1;
      const ids = this.lineage.ids.assign(columns, KEY_COLUMNS[kind]);
      const marks = this.#compare(columns, ids);
      return { revision: this.lineage.revision, columns, ids, ...(marks && { marks }) } satisfies SummaryContent;
    } catch (error) {
      throw new ProblemError(unreadable(error instanceof Error ? error.message : String(error)));
    }
  }

  /** Mark what differs from the answer before, unless that is so old that nobody knows when it changed. */
  #compare(columns: Columns, ids: Uint32Array): RowMarks | undefined {
    const now = this.#context.environment.now();
    const isOld = this.freshness === null || now - this.freshness.receivedAt > MARK_MILLISECONDS;
    if (this.content !== undefined && !isOld) {
      return this.#marker?.compare(this.content as SummaryContent, { columns, ids }, now);
    }
    this.#marker?.forget();
    return undefined;
  }

  #fail(error: unknown): number {
    const known = error instanceof ProblemError ? error : new ProblemError(unreadable(String(error)));
    const { now, random } = this.#context.environment;
    this.#failures += 1;
    const isFinal = known.problem.kind === "missing" && this.#isSettled(now());
    const pause = isFinal
      ? Number.POSITIVE_INFINITY
      : retryPause(known.problem, this.#failures, known.retryAfter, random());
    const since = this.failure?.since ?? now();
    const { tokenId, isTokenAccepted } = this.#context;
    this.failure = {
      problem: known.problem,
      since,
      retryAt: now() + pause * 1000,
      ...(known.problem.kind === "unauthorized" && { refusal: { tokenId, wasAccepted: isTokenAccepted } }),
    };
    this.#context.publishFailure(this);
    return pause;
  }
}
