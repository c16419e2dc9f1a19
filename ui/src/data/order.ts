/** Sorting rows of columns. The worker does it: texts of 30,000 rows take longer than a frame. */

import { type Columns, columnNamed, columnText, type TextColumn, textAt } from "./columns";
import { healthCode } from "./health";

export interface SortKey {
  readonly column: string;
  readonly isDescending: boolean;
}

const COLLATOR = new Intl.Collator("en", { numeric: true });

/** Parse `sort` of the address: names of columns, separated by commas, `-` before them for descending order. */
export function parseSort(text: string): SortKey[] {
  return text
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "" && part !== "-")
    .map((part) =>
      part.startsWith("-") ? { column: part.slice(1), isDescending: true } : { column: part, isDescending: false },
    );
}

export function formatSort(keys: readonly SortKey[]): string {
  return keys.map(({ column, isDescending }) => (isDescending ? `-${column}` : column)).join(",");
}

/**
 * The rows in the order of the keys. Rows that are equal stay in the order of the list, and unknown values are last in
 * both directions. Columns that do not exist are ignored.
 */
export function sortRows(columns: Columns, keys: readonly SortKey[]): Uint32Array {
  const ranks = keys.map((key) => rankRows(columns, key)).filter((ranked): ranked is Float64Array => ranked !== null);
  const order = Uint32Array.from({ length: columns.count }, (_, row) => row);
  if (ranks.length === 0) return order;
  return order.sort((left, right) => {
    for (const rank of ranks) {
      const difference = (rank[left] ?? 0) - (rank[right] ?? 0);
      // Infinity is unknown; Infinity - Infinity is NaN, and equal.
      if (difference < 0 || difference > 0) return difference;
    }
    return left - right;
  });
}

/** For each row a number by which it is sorted: ascending, unknown is Infinity. */
function rankRows(columns: Columns, { column: name, isDescending }: SortKey): Float64Array | null {
  const column = columnNamed(columns.columns, name);
  if (column === undefined) return null;
  const sign = isDescending ? -1 : 1;
  if (column.type !== "text") {
    return column.values.map((value) => (Number.isNaN(value) ? Number.POSITIVE_INFINITY : sign * value));
  }
  const ranks = name === "health" ? rankHealth(column) : rankTexts(column);
  return Float64Array.from({ length: columns.count }, (_, row) => {
    const rank = ranks[column.indexes === null ? row : (column.indexes[row] ?? 0)] ?? Number.POSITIVE_INFINITY;
    return rank === Number.POSITIVE_INFINITY ? rank : sign * rank;
  });
}

/** From the worst: what is sorted by health is sorted to find problems. */
function rankHealth({ texts }: TextColumn): Float64Array {
  return Float64Array.from({ length: texts.offsets.length - 1 }, (_, index) => {
    const text = textAt(texts, index);
    return text === "" ? Number.POSITIVE_INFINITY : healthCode(text);
  });
}

/** For each text its place among the sorted ones; equal texts have the same. */
function rankTexts({ texts }: TextColumn): Float64Array {
  const strings = Array.from({ length: texts.offsets.length - 1 }, (_, index) => textAt(texts, index));
  const sorted = [...strings.keys()].sort((left, right) => COLLATOR.compare(strings[left] ?? "", strings[right] ?? ""));
  const ranks = new Float64Array(strings.length).fill(Number.POSITIVE_INFINITY);
  let rank = 0;
  let previous: string | null = null;
  for (const index of sorted) {
    const text = strings[index] ?? "";
    if (text === "") continue;
    if (previous !== null && COLLATOR.compare(previous, text) !== 0) rank += 1;
    ranks[index] = rank;
    previous = text;
  }
  return ranks;
}

/** So many objects of past instants and of other times are remembered for each row, to find them again on the way back. */
const GONE_PER_ROW = 3;

/**
 * Numbers for objects that stay the same from one summary to the next, so that the page can follow a row whose
 * position changes. Objects that are gone keep theirs for a while, because most of them come back.
 */
export class RowIds {
  readonly #ids = new Map<string, number>();
  readonly #maximumGone: number;
  /** Numbers are never used again: another answer may still be shown in which they stand for objects that are gone. */
  #next = 0;

  constructor(maximumGone = 10_000) {
    this.#maximumGone = maximumGone;
  }

  assign(columns: Columns, keyColumns: readonly string[]): Uint32Array {
    const ids = new Uint32Array(columns.count);
    const parts = keyColumns.map((name) => columns.columns[name]);
    const assigned = new Set<number>();
    for (let row = 0; row < columns.count; row += 1) {
      // A name cannot contain this separator and be told from two names: U+0000 is not in any label.
      let key = parts.map((column) => columnText(column, row)).join("\0");
      // Containers of two hosts may have one name. Each is an object of its own, told apart by its place among them.
      while (assigned.has(this.#ids.get(key) ?? Number.NaN)) key += "\0";
      const known = this.#ids.get(key);
      const id = known ?? this.#next++;
      assigned.add(id);
      // Those not seen for the longest time are first in the map.
      if (known !== undefined) this.#ids.delete(key);
      this.#ids.set(key, id);
      ids[row] = id;
    }
    this.#forget(columns.count);
    return ids;
  }

  #forget(count: number): void {
    let excess = this.#ids.size - count - Math.max(this.#maximumGone, GONE_PER_ROW * count);
    for (const key of this.#ids.keys()) {
      if (excess <= 0) return;
      this.#ids.delete(key);
      excess -= 1;
    }
  }
}
