/** Single requests, for what a person asks for once: candidates, a search. They raise a ProblemError. */

import { sharedToken } from "./client";
import { type Answer, send } from "./transport";

export interface RequestOptions {
  readonly signal?: AbortSignal;
}

/** GET a path below /api/v1. */
export async function getJson<T>(path: string, options: RequestOptions = {}): Promise<T> {
  return (await request(path, options)).content as T;
}

/** POST a JSON document to a path below /api/v1. */
export async function postJson<T>(path: string, body: unknown, options: RequestOptions = {}): Promise<T> {
  return (await request(path, { ...options, method: "POST", body })).content as T;
}

function request(
  path: string,
  { signal, ...rest }: RequestOptions & { method?: "GET" | "POST"; body?: unknown },
): Promise<Answer> {
  const token = sharedToken.peek()?.token ?? null;
  return send({ path, token, ...rest, ...(signal !== undefined && { signal }) });
}
