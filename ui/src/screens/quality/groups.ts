/** The document in the order in which people ask: by exporter, by error, by reason. */

import type { Health } from "../../data/health";
import { safeText } from "../../format";
import { groupBy } from "../group";
import type { LeftOut, Quality, QualityRow, UnfilledField } from "./document";

/** The last refresh in one sentence. Nothing is well if the answer is not current. */
export function describeRefresh(
  { failure, unavailable, complete = false }: Quality,
  isCurrent: boolean,
): { readonly health: Health; readonly text: string } {
  if (failure || unavailable) return { health: "failed", text: safeText(failure || unavailable || "", 500) };
  if (!isCurrent) return { health: "unknown", text: "Unknown: this is the last report" };
  return complete
    ? { health: "ok", text: "Complete: no query failed, and every object is in the topology" }
    : { health: "warning", text: "Incomplete: see below" };
}

/** What would fill fields that are empty, and which fields. */
export interface MissingSource {
  /** Exporters, one of which is enough, with the setting that is necessary. */
  readonly exporters: string;
  readonly fields: readonly UnfilledField[];
  readonly reasons: readonly string[];
  readonly queries: readonly QualityRow[];
}

/** The fields without a value, by what would fill them; what fills most comes first. */
export function groupMissing({ unfilledFields = [], rows = [] }: Quality): MissingSource[] {
  const byName = new Map(rows.map((row) => [row.name, row]));
  const groups = groupBy(unfilledFields, ({ exporters = [] }) => exporters.join(" or "));
  return [...groups]
    .map(([exporters, fields]) => ({
      exporters,
      fields,
      reasons: unique(fields.map(({ reason = "" }) => reason)),
      queries: unique(fields.flatMap((field) => field.rows ?? [])).flatMap((name) => byName.get(name) ?? []),
    }))
    .sort((left, right) => right.fields.length - left.fields.length || compare(left.exporters, right.exporters));
}

interface FailedQueries {
  readonly source: string;
  readonly error: string;
  readonly queries: readonly string[];
  /** The oldest answer that is used instead, in seconds; NaN if there is none. */
  readonly ageSeconds: number;
}

/** Failed queries with the same error of the same source are one failure. */
export function groupFailures({ rows = [] }: Quality): FailedQueries[] {
  const failures = rows.flatMap(({ name, sources = [] }) =>
    sources.filter(({ result }) => result !== "QUERY_RESULT_OK").map((answer) => ({ name, answer })),
  );
  const groups = groupBy(failures, ({ answer }) => `${answer.source}\n${answer.error ?? ""}`);
  return [...groups.values()].map((same) => ({
    source: same[0]?.answer.source ?? "",
    error: same[0]?.answer.error ?? "",
    queries: same.map(({ name }) => name),
    ageSeconds: Math.max(
      ...same.map(({ answer }) => (answer.result === "QUERY_RESULT_STOOD_IN" ? (answer.ageSeconds ?? 0) : Number.NaN)),
    ),
  }));
}

interface SourceWarning {
  readonly source: string;
  readonly warning: string;
  readonly queries: readonly string[];
}

/** What sources say of answers that they gave. */
export function groupWarnings({ rows = [] }: Quality): SourceWarning[] {
  const warnings = rows.flatMap(({ name, sources = [] }) =>
    sources.flatMap(({ source, warnings: texts = [] }) => texts.map((warning) => ({ name, source, warning }))),
  );
  return [...groupBy(warnings, ({ source, warning }) => `${source}\n${warning}`).values()].map((same) => ({
    source: same[0]?.source ?? "",
    warning: same[0]?.warning ?? "",
    queries: unique(same.map(({ name }) => name)),
  }));
}

interface LeftOutGroup {
  /** What happened to the samples. */
  readonly what: string;
  readonly reason: string;
  readonly samples: number;
  readonly queries: readonly string[];
}

/** Samples that are not in the topology, by reason, the most first. */
export function groupLeftOut({ rows = [] }: Quality): LeftOutGroup[] {
  const all = rows.flatMap((row) => [
    ...describeLeftOut("belong to no known object", row.name, row.unplaced),
    ...describeLeftOut("have a value that cannot be stored", row.name, row.dropped),
    ...describeLeftOut("contradict others", row.name, row.conflicts),
  ]);
  return [...groupBy(all, ({ what, reason }) => `${what}\n${reason}`).values()]
    .map((same) => ({
      what: same[0]?.what ?? "",
      reason: same[0]?.reason ?? "",
      samples: same.reduce((sum, { samples }) => sum + samples, 0),
      queries: unique(same.map(({ query }) => query)),
    }))
    .sort((left, right) => right.samples - left.samples || compare(left.reason, right.reason));
}

function describeLeftOut(what: string, query: string, parts: readonly LeftOut[] = []) {
  return parts.map(({ reason = "", samples = 0 }) => ({ what, query, reason, samples }));
}

interface ExporterTotals {
  readonly exporter: string;
  readonly samples: number;
  readonly queries: number;
  /** The queries that returned something. */
  readonly filled: number;
}

/** What each program contributes, without the part of it that a query needs. */
export function groupExporters({ rows = [] }: Quality): ExporterTotals[] {
  return [...groupBy(rows, ({ exporter = "" }) => exporter.split(", ")[0] ?? "")]
    .map(([exporter, same]) => ({
      exporter,
      samples: same.reduce((sum, { samples = 0 }) => sum + samples, 0),
      queries: same.length,
      filled: same.filter(({ samples = 0 }) => samples > 0).length,
    }))
    .sort((left, right) => right.samples - left.samples || compare(left.exporter, right.exporter));
}

function unique<T>(items: readonly T[]): T[] {
  return [...new Set(items)];
}

function compare(left: string, right: string): number {
  return left < right ? -1 : Number(left > right);
}
