/** What went wrong with a request, in the terms of the problem details of the API (RFC 9457). */

type ProblemKind =
  /** No answer: the gateway or the network is down. */
  | "unreachable"
  /** 401: no token, or one that is not valid any longer. */
  | "unauthorized"
  /** 403: the token has not the role. */
  | "forbidden"
  /** 404: there is no such object, or none that this caller sees. */
  | "missing"
  /** 503: the gateway has no topology. */
  | "unavailable"
  /** 400 and most other 4xx: the request is wrong; `parameter` says which part. */
  | "invalid"
  /** 5xx, a 4xx that is about the moment, or an answer that cannot be read. */
  | "failed";

export interface Problem {
  readonly kind: ProblemKind;
  /** The status of the response, 0 if there was none. */
  readonly status: number;
  readonly title: string;
  readonly detail: string;
  /** The parameter of the request that is wrong. */
  readonly parameter?: string;
  /** Valid values, parameters, fields or paths. */
  readonly allowed?: readonly string[];
  /** Those of them that are similar to what was sent. */
  readonly nearest?: readonly string[];
}

export class ProblemError extends Error {
  override readonly name = "ProblemError";
  readonly problem: Problem;
  /** Seconds that the gateway asks to wait, NaN if it does not. */
  readonly retryAfter: number;

  constructor(problem: Problem, retryAfter = Number.NaN) {
    super(problem.detail || problem.title);
    this.problem = problem;
    this.retryAfter = retryAfter;
  }
}

export function unreachable(detail = ""): Problem {
  return { kind: "unreachable", status: 0, title: "The gateway does not respond", detail };
}

export function unreadable(detail: string): Problem {
  return { kind: "failed", status: 200, title: "The response of the gateway cannot be read", detail };
}

/** The problem that an error response describes. `body` is its text, which may be anything. */
export function parseProblem(status: number, body: string): Problem {
  const { title, detail, parameter, allowed, nearest } = parseDetails(body);
  return {
    kind: kindOf(status),
    status,
    title: asText(title) || titleOf(status),
    detail: asText(detail),
    ...(asText(parameter) && { parameter: asText(parameter) }),
    ...(asTexts(allowed).length > 0 && { allowed: asTexts(allowed) }),
    ...(asTexts(nearest).length > 0 && { nearest: asTexts(nearest) }),
  };
}

/** So many allowed values are read; the rest is in the documentation. */
const MAXIMUM_ALLOWED = 8;

/** The detail of a problem, with the first of its allowed values if there are many. */
export function shortDetail({ detail, allowed = [] }: Problem): string {
  if (allowed.length <= MAXIMUM_ALLOWED) return detail;
  const first = allowed.slice(0, MAXIMUM_ALLOWED).join(", ");
  return detail.replace(allowed.join(", "), () => `${first} and ${allowed.length - MAXIMUM_ALLOWED} more`);
}

function parseDetails(body: string): Record<string, unknown> {
  try {
    const details: unknown = JSON.parse(body);
    return typeof details === "object" && details !== null ? (details as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

function asText(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function asTexts(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item): item is string => typeof item === "string") : [];
}

/** Timeout, another connection is needed, too early, too many: the same request may succeed later. */
const MOMENTARY: ReadonlySet<number> = new Set([408, 421, 425, 429]);

function kindOf(status: number): ProblemKind {
  if (status === 401) return "unauthorized";
  if (status === 403) return "forbidden";
  if (status === 404) return "missing";
  if (status === 503) return "unavailable";
  return status >= 400 && status < 500 && !MOMENTARY.has(status) ? "invalid" : "failed";
}

function titleOf(status: number): string {
  if (status === 401) return "You are not signed in";
  if (status === 403) return "Your token does not allow this";
  if (status === 404) return "Not found";
  if (status === 503) return "There is no topology yet";
  return `The gateway returned status ${status}`;
}
