/** The stream of changes, for all tabs: it says when there is another version of the topology. */

import type { KnownStretch } from "../time/known_changes";
import type { ServerEvent } from "./event_parser";
import { type FeedEnvironment, UNKNOWN_VERSION } from "./feed";
import { ProblemError, unreachable, unreadable } from "./problem";
import { retryPause } from "./retry";

/** The gateway sends something at least every 30 seconds. A proxy that buffers events for longer counts as no stream. */
const SILENCE_SECONDS = 45;
/** A stream that lasted for so long was a working one. */
const WORKING_SECONDS = 30;
/** The gateway may have forgotten a version that is older: it would send all objects. */
const MAXIMUM_VERSION_AGE_SECONDS = 60;

/** A version of the topology that is known, and when it was. */
export interface KnownVersion {
  readonly version: string;
  readonly receivedAt: number;
}

export interface StreamContext {
  readonly token: string | null;
  readonly environment: FeedEnvironment;
  /** The version of the newest answer about now, null if there is none. */
  findAnswer(): KnownVersion | null;
  /** There is this version, or with UNKNOWN_VERSION something else has changed. */
  expectVersion(version: string): void;
  /** Nothing says any longer when there is another version. */
  loseStream(): void;
  publishStretch(stretch: KnownStretch): void;
}

interface EventContent {
  readonly version: string;
  readonly time: string;
  readonly changes?: readonly unknown[];
}

export class ChangeStream {
  readonly #context: StreamContext;
  #run: AbortController | null = null;
  /** Ends the request that is open. */
  #attempt = new AbortController();
  #silence = new AbortController();
  /** Ends the time in which there is no version to begin with. */
  #versionWait = new AbortController();
  /** What the stream said last. */
  #known: KnownVersion | null = null;
  /** When the known version was, in Unix seconds; NaN if it is that of an answer. */
  #time = Number.NaN;
  /** The changes in the parts of an event that is not complete. */
  #partCount = 0;
  #completeness = "";
  /** The version after which the gateway does not know the changes. */
  #unknown = "";
  #openedAt: number | null = null;
  #failures = 0;

  constructor(context: StreamContext) {
    this.#context = context;
  }

  /** The version that the stream said last, null while it is not open. */
  get version(): string | null {
    return this.#openedAt === null ? null : (this.#known?.version ?? null);
  }

  start(): void {
    if (this.#run !== null) return;
    this.#run = new AbortController();
    void this.#follow(this.#run.signal);
  }

  stop(): void {
    this.#run?.abort();
    this.#attempt.abort();
    this.#silence.abort();
    this.#versionWait.abort();
    this.#run = null;
    this.#openedAt = null;
  }

  forget(): void {
    this.stop();
    this.#known = null;
    this.#completeness = "";
    this.#unknown = "";
    this.#failures = 0;
  }

  /** There is an answer: the stream can begin with its version. */
  noteAnswer(): void {
    this.#versionWait.abort();
  }

  async #follow(signal: AbortSignal): Promise<void> {
    const { sleep } = this.#context.environment;
    while (!signal.aborted) {
      const known = this.#chooseVersion();
      if (known === null) {
        this.#versionWait = new AbortController();
        await sleep(Number.POSITIVE_INFINITY, this.#versionWait.signal);
      } else {
        const pause = await this.#read(known, signal);
        if (!signal.aborted) await sleep(pause, signal);
      }
    }
  }

  /** The newest version of which the gateway is asked for changes: then it sends no objects. */
  #chooseVersion(): KnownVersion | null {
    const oldest = this.#context.environment.now() - MAXIMUM_VERSION_AGE_SECONDS * 1000;
    const [newest = null] = [this.#known, this.#context.findAnswer()]
      .filter((known) => known !== null)
      .filter(({ version, receivedAt }) => version !== "" && version !== this.#unknown && receivedAt >= oldest)
      .sort((left, right) => right.receivedAt - left.receivedAt);
    return newest;
  }

  /** Read one stream to its end, and return how many seconds to wait before the next one. */
  async #read(known: KnownVersion, signal: AbortSignal): Promise<number> {
    const { environment, token } = this.#context;
    if (known.version !== this.#known?.version) this.#time = Number.NaN;
    this.#known = known;
    this.#partCount = 0;
    const attempt = new AbortController();
    this.#attempt = attempt;
    this.#expectEvent();
    let error: unknown = null;
    try {
      await environment.readStream({
        path: `/watch?changes=structure&known_version=${encodeURIComponent(known.version)}`,
        token,
        signal: attempt.signal,
        onEvent: (event) => this.#receive(event),
      });
    } catch (caught) {
      error = caught;
    }
    if (signal.aborted) return 0;
    this.#silence.abort();
    attempt.abort();
    return this.#end(error);
  }

  #end(error: unknown): number {
    const { now, random } = this.#context.environment;
    const wasOpen = this.#openedAt !== null;
    const hasWorked = this.#openedAt !== null && now() - this.#openedAt >= WORKING_SECONDS * 1000;
    this.#failures = hasWorked ? 1 : this.#failures + 1;
    this.#openedAt = null;
    if (wasOpen) this.#context.loseStream();
    const { problem, retryAfter } = error instanceof ProblemError ? error : new ProblemError(unreachable());
    return retryPause(problem, this.#failures, retryAfter, random());
  }

  /** Give up a stream from which nothing comes any longer. */
  #expectEvent(): void {
    this.#silence.abort();
    const [silence, attempt] = [new AbortController(), this.#attempt];
    this.#silence = silence;
    void this.#context.environment.sleep(SILENCE_SECONDS, silence.signal).then(() => {
      if (!silence.signal.aborted) attempt.abort();
    });
  }

  #receive({ name, id, data }: ServerEvent): void {
    this.#expectEvent();
    switch (name) {
      case "completeness":
        if (this.#completeness !== "" && this.#completeness !== data) this.#context.expectVersion(UNKNOWN_VERSION);
        this.#completeness = data;
        break;
      case "changes":
      case "bookmark":
        this.#advance(id, parseContent(data));
        break;
      case "restart":
        this.#unknown = this.#known?.version ?? "";
        // All objects would follow.
        this.#attempt.abort();
        this.#context.expectVersion(UNKNOWN_VERSION);
        break;
    }
  }

  #advance(id: string, { version, time, changes = [] }: EventContent): void {
    this.#partCount += changes.length;
    // Further parts of the same event follow.
    if (id === "") return;
    const { now } = this.#context.environment;
    const seconds = Date.parse(time) / 1000;
    const isOther = version !== this.#known?.version;
    if (isOther && seconds > this.#time) {
      const stretch = { from: Math.floor(this.#time), to: Math.ceil(seconds), changeCount: this.#partCount };
      this.#context.publishStretch(stretch);
    }
    this.#known = { version, receivedAt: now() };
    this.#time = seconds;
    this.#partCount = 0;
    this.#openedAt ??= now();
    this.#context.expectVersion(version);
  }
}

function parseContent(data: string): EventContent {
  try {
    return JSON.parse(data) as EventContent;
  } catch (error) {
    throw new ProblemError(unreadable(String(error)));
  }
}
