/** Conditional requests, and streams of events. It is the only module that knows HTTP. */

import { EventParser, type ServerEvent } from "./event_parser";
import { ProblemError, parseProblem, unreachable, unreadable } from "./problem";
import type { Freshness } from "./protocol";

export interface Query {
  readonly path: string;
  readonly token: string | null;
  /** The ETag of the content that is there already. */
  readonly etag?: string;
  readonly method?: "GET" | "POST";
  readonly body?: unknown;
  readonly signal?: AbortSignal;
}

export interface Answer {
  /** `undefined` if it is the same as before: 304. */
  readonly content: unknown;
  readonly etag: string;
  readonly freshness: Freshness;
}

const API_PATH = "/api/v1";
const TIMEOUT_SECONDS = 30;

/** Send a request to the API; raise a ProblemError if it fails. */
export async function send(query: Query): Promise<Answer> {
  const timeout = AbortSignal.timeout(TIMEOUT_SECONDS * 1000);
  const signal = query.signal === undefined ? timeout : AbortSignal.any([query.signal, timeout]);
  // A request that cannot be made is a defect, not an outage.
  const request = new Request(API_PATH + query.path, requestOf(query, signal));
  try {
    return await readAnswer(await fetch(request));
  } catch (error) {
    if (error instanceof ProblemError || query.signal?.aborted) throw error;
    // What browsers say here, such as "Failed to fetch", helps nobody.
    throw new ProblemError(unreachable(timeout.aborted ? "The request timed out." : ""));
  }
}

/** A stream of server-sent events. */
export interface StreamQuery {
  readonly path: string;
  readonly token: string | null;
  readonly signal: AbortSignal;
  readonly onEvent: (event: ServerEvent) => void;
}

/** Read a stream of the API until it ends; raise a ProblemError if it is refused or lost. */
export async function readStream({ path, token, signal, onEvent }: StreamQuery): Promise<void> {
  const request = new Request(API_PATH + path, requestOf({ token, accept: "text/event-stream" }, signal));
  try {
    const response = await fetch(request);
    if (!response.ok || response.body === null) throw await readProblem(response);
    const parser = new EventParser();
    const reader = response.body.getReader();
    for (let read = await reader.read(); !read.done; read = await reader.read()) {
      // Events that came together are read even if the first one ends the stream: the signal says so.
      for (const event of parser.push(read.value)) if (!signal.aborted) onEvent(event);
    }
  } catch (error) {
    throw error instanceof ProblemError || signal.aborted ? error : new ProblemError(unreachable());
  }
}

interface RequestParts extends Pick<Query, "method" | "token" | "etag" | "body"> {
  readonly accept?: string;
}

function requestOf(
  { method = "GET", token, etag, body, accept = "application/json" }: RequestParts,
  signal: AbortSignal,
): RequestInit {
  const headers = new Headers({ Accept: accept });
  if (token !== null) headers.set("Authorization", `Bearer ${token}`);
  if (etag !== undefined) headers.set("If-None-Match", etag);
  if (body !== undefined) headers.set("Content-Type", "application/json");
  return {
    method,
    headers,
    signal,
    // The ETags are ours, and what is kept belongs to one account.
    cache: "no-store",
    credentials: "same-origin",
    redirect: "error",
    ...(body !== undefined && { body: JSON.stringify(body) }),
  };
}

async function readAnswer(response: Response): Promise<Answer> {
  if (response.status !== 304 && !response.ok) throw await readProblem(response);
  return {
    content: response.status === 304 ? undefined : await readJson(response),
    etag: response.headers.get("ETag") ?? "",
    freshness: readFreshness(response.headers),
  };
}

async function readProblem(response: Response): Promise<ProblemError> {
  const retryAfter = Number.parseFloat(response.headers.get("Retry-After") ?? "");
  return new ProblemError(parseProblem(response.status, await response.text()), retryAfter);
}

async function readJson(response: Response): Promise<unknown> {
  const text = await response.text();
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new ProblemError(unreadable(error instanceof Error ? error.message : String(error)));
  }
}

function readFreshness(headers: Headers): Freshness {
  const now = Date.now();
  const age = Number.parseFloat(headers.get("Age") ?? "0") || 0;
  return {
    queriedAt: now - age * 1000,
    receivedAt: now,
    isComplete: headers.get("X-Topology-Complete") !== "false",
    version: headers.get("X-Topology-Version") ?? "",
  };
}
