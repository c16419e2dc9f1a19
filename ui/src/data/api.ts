/** Single requests, for what a person asks for once: candidates, a search. They raise a ProblemError. */

import { shownTime } from "../router";
import { pathAt } from "../time/shown";
import { sharedToken } from "./client";
import { type Problem, ProblemError } from "./problem";
import { retryPause } from "./retry";
import { sleep } from "./sleep";
import { type Answer, send } from "./transport";

interface RequestOptions {
  readonly signal?: AbortSignal;
  /** The instant, in RFC 3339; "" is now. Without it, the request is about the instant that the page shows. */
  readonly time?: string;
}

/** GET a path below /api/v1. */
export async function getJson<T>(path: string, options: RequestOptions = {}): Promise<T> {
  return (await request(path, options)).content as T;
}

/** POST a JSON document to a path below /api/v1. */
export async function postJson<T>(path: string, body: unknown, options: RequestOptions = {}): Promise<T> {
  return (await request(path, { ...options, method: "POST", body })).content as T;
}

interface Answers<T> {
  readonly signal: AbortSignal;
  readonly onAnswer: (answer: T) => void;
  readonly onProblem: (problem: Problem) => void;
  /** Tests have another one. */
  readonly pause?: typeof sleep;
}

/** Ask, and after a failure that may pass ask again, until there is an answer or the signal is aborted. */
export async function askUntilAnswered<T>(
  ask: () => Promise<T>,
  { signal, onAnswer, onProblem, pause = sleep }: Answers<T>,
): Promise<void> {
  for (let failures = 1; !signal.aborted; failures += 1) {
    try {
      const answer = await ask();
      if (!signal.aborted) onAnswer(answer);
      return;
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof ProblemError)) throw error;
      onProblem(error.problem);
      const seconds = retryPause(error.problem, failures, error.retryAfter, Math.random());
      if (!Number.isFinite(seconds)) return;
      await pause(seconds, signal);
    }
  }
}

function request(
  path: string,
  { signal, time = shownTime.peek(), ...rest }: RequestOptions & { method?: "GET" | "POST"; body?: unknown },
): Promise<Answer> {
  const token = sharedToken.peek()?.token ?? null;
  return send({ path: pathAt(path, time), token, ...rest, ...(signal !== undefined && { signal }) });
}
