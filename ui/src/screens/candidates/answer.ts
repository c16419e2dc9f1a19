/** The response of /api/v1/candidates, and how its parts are put into words. */

import { formatCount, formatQuantity } from "../../format";
import { pathAt } from "../../time/shown";

export interface CandidatesResponse {
  readonly version?: string;
  readonly candidates?: readonly Candidate[];
  readonly rejected?: readonly RejectedNode[];
  readonly totals?: {
    readonly nodes?: string;
    readonly candidates?: string;
    readonly rejected?: string;
    readonly reasons?: readonly ReasonCount[];
  };
}

export interface PlacedNode {
  readonly id: string;
  readonly cluster: string;
  readonly node: string;
}

export interface Candidate extends PlacedNode {
  readonly score?: number;
  readonly scores?: Readonly<Partial<Record<Criterion, number>>>;
  readonly freeCpuCores?: number;
  readonly freeCpuSource?: string;
  readonly freeMemoryBytes?: string;
  readonly freeMemorySource?: string;
  readonly freePods?: string;
  readonly distanceKm?: number;
  readonly isReady?: boolean;
  readonly avoidedTaints?: number;
}

export interface RejectedNode extends PlacedNode {
  readonly reasons?: readonly { readonly reason: string; readonly detail: string }[];
}

interface ReasonCount {
  readonly reason: string;
  readonly nodes?: string;
}

const CRITERIA = ["freeCpu", "freeMemory", "security", "distance", "energy", "spread"] as const;
export type Criterion = (typeof CRITERIA)[number];

export const CRITERION_TEXTS: Readonly<Record<Criterion, string>> = {
  freeCpu: "CPU left over",
  freeMemory: "Memory left over",
  security: "Security",
  distance: "Nearness",
  energy: "Low power",
  spread: "Spread",
};

/** The weights that a request gives the criteria, as the API understands it. Those without a weight do not count. */
export function weightsOf(request: Readonly<Record<string, unknown>>): ReadonlyMap<Criterion, number> {
  const ranking = request["ranking"] as Readonly<Partial<Record<Criterion, number>>> | undefined;
  const defaults: readonly Criterion[] =
    request["near"] === undefined ? ["freeCpu", "freeMemory"] : ["freeCpu", "freeMemory", "distance"];
  const weights = CRITERIA.map(
    (name) => [name, ranking === undefined ? Number(defaults.includes(name)) : (ranking[name] ?? 0)] as const,
  );
  return new Map(weights.filter(([, weight]) => weight > 0));
}

const REASON_WORDS: Readonly<Record<string, string>> = { cpu: "CPU", gpus: "GPUs" };

/** REJECTION_REASON_INSUFFICIENT_CPU: "insufficient CPU". */
export function reasonText(reason: string): string {
  const words = reason
    .replace(/^REJECTION_REASON_/, "")
    .toLowerCase()
    .split("_");
  return words.map((word) => REASON_WORDS[word] ?? word).join(" ");
}

/** How it is known what is free. */
export function sourceText(source: string | undefined): string {
  if (source === "FREE_SOURCE_REQUESTS") return "by requests";
  return source === "FREE_SOURCE_MEASURED" ? "measured" : "";
}

/** What else is to be known of a candidate. */
export function candidateNotes(candidate: Candidate): string[] {
  const notes: string[] = [];
  const taints = candidate.avoidedTaints ?? 0;
  if (taints > 0)
    notes.push(`score divided by ${taints + 1}: ${formatQuantity(taints, "taint")} with PreferNoSchedule`);
  if (candidate.isReady === undefined) notes.push("readiness unknown");
  if (candidate.freePods !== undefined) notes.push(`${formatCount(Number(candidate.freePods))} more pods`);
  return notes;
}

/** A row that stays where it is while it is read. */
interface KeptRow<T> {
  /** As it was last in the answer. */
  readonly item: T;
  /** Whether it is in the answer. */
  readonly isThere: boolean;
}

export interface Kept<T> {
  readonly rows: readonly KeptRow<T>[];
  /** Whether the answer has others, or another order. */
  readonly isOutdated: boolean;
}

/** The rows of `before`, in their order, with the values of a new answer. */
export function keepRows<T extends PlacedNode>(before: Kept<T> | null, items: readonly T[]): Kept<T> {
  if (before === null) return { rows: items.map((item) => ({ item, isThere: true })), isOutdated: false };
  const byId = new Map(items.map((item) => [item.id, item]));
  const rows = before.rows.map(({ item }) => {
    const found = byId.get(item.id);
    return { item: found ?? item, isThere: found !== undefined };
  });
  const isSame = rows.length === items.length && rows.every(({ item }, index) => item.id === items[index]?.id);
  return { rows, isOutdated: !isSame };
}

/** The request as a command for a shell, about an instant; "" is now. */
export function buildCommand(
  origin: string,
  request: Readonly<Record<string, unknown>>,
  isTokenRequired = false,
  time = "",
): string {
  const body = JSON.stringify(request).replaceAll("'", String.raw`'\''`);
  const header = isTokenRequired ? '-H "Authorization: Bearer $TOKEN" ' : "";
  return `curl -s ${header}'${origin}/api/v1${pathAt("/candidates", time)}' -d '${body}'`;
}
