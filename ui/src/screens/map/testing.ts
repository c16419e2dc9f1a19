/** Summaries for tests, from rows that are easy to read. */
import { decodeSummary } from "../../data/columns";
import { Summary, type SummaryKind } from "../../data/summary";
import { Fleet, type Summaries } from "./fleet";

type Value = string | number | null;
export type TestRow = Readonly<Record<string, Value>>;

/** Columns that the gateway sends with a dictionary. */
const DICTIONARIES: ReadonlySet<string> = new Set([
  "cluster",
  "node",
  "health",
  "type",
  "family",
  "country",
  "problems",
]);

/** Return a summary of rows. The number of an object is the sum of the characters of its names. */
export function summaryOf(kind: SummaryKind, rows: readonly TestRow[]): Summary {
  const names = new Set(rows.flatMap((row) => Object.keys(row)));
  const columns = Object.fromEntries(
    [...names].map((name) => {
      const values = rows.map((row) => row[name] ?? null);
      return [name, DICTIONARIES.has(name) ? dictionaryOf(values) : { values }];
    }),
  );
  const decoded = decodeSummary({ version: "1", totalCount: rows.length, columns });
  const ids = Uint32Array.from(rows, (row) => numberOf(`${row["cluster"]}/${row["namespace"]}/${row["name"]}`));
  return new Summary(kind, { revision: 1, columns: decoded, ids });
}

export function fleetOf(rows: Readonly<Partial<Record<keyof Summaries, readonly TestRow[]>>>): Fleet {
  return new Fleet({
    clusters: summaryOf("clusters", rows.clusters ?? []),
    nodes: summaryOf("nodes", rows.nodes ?? []),
    pods: summaryOf("pods", rows.pods ?? []),
  });
}

function dictionaryOf(values: readonly Value[]): { names: string[]; indexes: (number | null)[] } {
  const names = [...new Set(values.filter((value): value is string => typeof value === "string"))];
  return { names, indexes: values.map((value) => (typeof value === "string" ? names.indexOf(value) : null)) };
}

/** Return the same number for the same text, and another one for another text of a test. */
function numberOf(text: string): number {
  return [...text].reduce((hash, character) => (hash * 31 + character.charCodeAt(0)) >>> 0, 7);
}
