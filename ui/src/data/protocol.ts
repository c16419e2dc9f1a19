/** The messages between the page and the worker. */

import type { KnownStretch } from "../time/known_changes";
import type { Columns } from "./columns";
import type { SortKey } from "./order";
import type { Problem } from "./problem";
import type { RowMarks } from "./row_marks";

export type SummaryKind = "clusters" | "nodes" | "pods" | "containers";

/** The columns that together name an object of a summary. */
export const KEY_COLUMNS: Readonly<Record<SummaryKind, readonly string[]>> = {
  clusters: ["name"],
  nodes: ["cluster", "name"],
  pods: ["cluster", "namespace", "name"],
  containers: ["cluster", "namespace", "pod", "name"],
};

/** A path of the API with its query, and how to decode the answer: as JSON, or as the summary of a kind. */
export interface Source {
  readonly path: string;
  readonly kind: SummaryKind | "json";
}

export interface Freshness {
  /** When the oldest part of the answer was queried, in milliseconds as of Date.now(). */
  readonly queriedAt: number;
  /** When the gateway last said that this is the answer. */
  readonly receivedAt: number;
  /** Whether nothing that is measured is missing or old. */
  readonly isComplete: boolean;
  readonly version: string;
}

export interface SummaryContent {
  /** Counts the answers with different content. */
  readonly revision: number;
  readonly columns: Columns;
  /** For each row a number that stays with its object. */
  readonly ids: Uint32Array;
  /** What has changed a moment ago, if anything has. */
  readonly marks?: RowMarks;
}

/** Why the answer is not current, since when, and when the next attempt is (Infinity: not by itself). */
export interface Failure {
  readonly problem: Problem;
  readonly since: number;
  readonly retryAt: number;
  /** With a 401: which token is refused, and whether it was accepted before. */
  readonly refusal?: Refusal;
}

export interface Refusal {
  readonly tokenId: string;
  readonly wasAccepted: boolean;
}

export type ToWorker =
  | { readonly type: "open"; readonly id: number; readonly source: Source }
  | { readonly type: "close"; readonly id: number }
  /** Send the order of the rows of this summary from now on, whenever it changes. */
  | { readonly type: "sort"; readonly id: number; readonly source: Source; readonly keys: readonly SortKey[] }
  | { readonly type: "visibility"; readonly isVisible: boolean }
  /** `account` says whose data are kept: with another one, everything is forgotten. */
  | { readonly type: "token"; readonly token: string | null; readonly account: string; readonly tokenId: string }
  /** Ask again now for what failed. */
  | { readonly type: "retry" }
  /** Answer with a pong. */
  | { readonly type: "ping" }
  /** The tab holds this lock as long as it lives. */
  | { readonly type: "alive"; readonly lock: string }
  | { readonly type: "leave" };

export type FromWorker =
  | { readonly type: "json"; readonly id: number; readonly content: unknown; readonly freshness: Freshness }
  | { readonly type: "summary"; readonly id: number; readonly content: SummaryContent; readonly freshness: Freshness }
  /** The content is the same as before. */
  | { readonly type: "unchanged"; readonly id: number; readonly freshness: Freshness }
  | { readonly type: "failure"; readonly id: number; readonly failure: Failure }
  | { readonly type: "order"; readonly id: number; readonly revision: number; readonly order: Uint32Array }
  /** How much the structure changed lately. */
  | { readonly type: "stretch"; readonly stretch: KnownStretch }
  /** The worker lives. */
  | { readonly type: "pong" }
  /** Everything is forgotten, because the account is another one. */
  | { readonly type: "reset" }
  /** The token that another tab has: sent to each new tab. */
  | { readonly type: "token"; readonly token: string | null; readonly account: string; readonly tokenId: string };
