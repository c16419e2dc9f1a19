/** Fleets for tests, from rows that are easy to read. */

import type { Summary, SummaryKind } from "../../data/summary";
import { createSummary, type Row } from "../testing";
import { Fleet, type Summaries } from "./fleet";

/** A summary whose objects have the same number in all summaries, as those of the worker. */
export function summaryOf(kind: SummaryKind, rows: readonly Row[]): Summary {
  return createSummary(
    kind,
    rows,
    rows.map(({ cluster, namespace, name }) => numberOf(`${cluster}/${namespace}/${name}`)),
  );
}

export function fleetOf(rows: Readonly<Partial<Record<keyof Summaries, readonly Row[]>>>): Fleet {
  return new Fleet({
    clusters: summaryOf("clusters", rows.clusters ?? []),
    nodes: summaryOf("nodes", rows.nodes ?? []),
    pods: summaryOf("pods", rows.pods ?? []),
  });
}

/** Return the same number for the same text, and another one for another text of a test. */
function numberOf(text: string): number {
  return [...text].reduce((hash, character) => (hash * 31 + character.charCodeAt(0)) >>> 0, 7);
}
