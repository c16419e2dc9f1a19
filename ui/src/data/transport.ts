/** One conditional request. What keeps data current knows nothing else of HTTP: a stream of changes can replace it. */

import { ProblemError, parseProblem, unreachable, unreadable } from "./problem";
import type { Freshness } from "./protocol";

export interface Query {
  readonly path: string;
  readonly token: string | null;
  /** The ETag of the content that is there already. */
  readonly etag?: string;
  /** Hold the request until its result changes, for at most so many seconds. */
  readonly waitSeconds?: number;
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
/** What a request may take beyond the time for which it is held. */
const TIMEOUT_SECONDS = 30;

/** Send a request to the API; raise a ProblemError if it fails. */
export async function send(query: Query): Promise<Answer> {
  const timeout = AbortSignal.timeout(((query.waitSeconds ?? 0) + TIMEOUT_SECONDS) * 1000);
  const signal = query.signal === undefined ? timeout : AbortSignal.any([query.signal, timeout]);
  // A request that cannot be made is a defect, not an outage.
  const request = new Request(urlOf(query), requestOf(query, signal));
  try {
    return await readAnswer(await fetch(request));
  } catch (error) {
    if (error instanceof ProblemError || query.signal?.aborted) throw error;
    // What browsers say here, such as "Failed to fetch", helps nobody.
    throw new ProblemError(unreachable(timeout.aborted ? "The request timed out." : ""));
  }
}

function urlOf({ path, waitSeconds, etag }: Query): string {
  const isHeld = waitSeconds !== undefined && waitSeconds > 0 && etag !== undefined;
  return API_PATH + path + (isHeld ? `${path.includes("?") ? "&" : "?"}wait=${waitSeconds}s` : "");
}

function requestOf({ method = "GET", token, etag, body }: Query, signal: AbortSignal): RequestInit {
  const headers = new Headers({ Accept: "application/json" });
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
  if (response.status !== 304 && !response.ok) {
    const retryAfter = Number.parseFloat(response.headers.get("Retry-After") ?? "");
    throw new ProblemError(parseProblem(response.status, await response.text()), retryAfter);
  }
  return {
    content: response.status === 304 ? undefined : await readJson(response),
    etag: response.headers.get("ETag") ?? "",
    freshness: readFreshness(response.headers),
  };
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
