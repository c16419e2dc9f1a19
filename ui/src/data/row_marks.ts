/**
 * What has changed in the rows of a summary a moment ago: which rows are new, and which cells of the structure had
 * another value. The worker compares, the page looks up what it draws.
 */

import CLASSES from "./column_classes.json";
import { type Column, type Columns, columnNamed, columnText, textAt } from "./columns";
import { KEY_COLUMNS, type SummaryKind } from "./protocol";

/** So long a row or a cell is marked. */
export const MARK_MILLISECONDS = 60_000;
/** Of more marks, the rest is left out: where everything changes, marks point to nothing. */
const MAXIMUM_MARKS = 10_000;
/** More than any kind has columns. */
const PLACES = 64;
/** Marks the row as new; the columns follow. */
const NEW_ROW = 0;

/** Marks as the worker sends them, without an object for each. */
export interface RowMarks {
  /** Ascending: the number of the object times PLACES, plus the place of the column. */
  readonly keys: Uint32Array;
  /** When each change was noticed, in milliseconds as of Date.now(). */
  readonly times: Float64Array;
  /** For each mark the index of the text that the cell had. */
  readonly texts: Uint32Array;
  readonly names: readonly string[];
}

/** The rows of one answer, as far as they are compared. */
export interface ComparedRows {
  readonly columns: Columns;
  readonly ids: Uint32Array;
}

export interface CellChange {
  readonly time: number;
  /** The text of the cell before; "" is unknown. */
  readonly before: string;
}

/** The columns whose changes are marked: what exists, where and in which state, without what is measured. */
function listMarkedColumns(kind: SummaryKind): readonly string[] {
  return CLASSES[kind].structure.filter((name) => !KEY_COLUMNS[kind].includes(name));
}

function placeOf(kind: SummaryKind, column: string): number {
  return listMarkedColumns(kind).indexOf(column) + 1;
}

/** Compares the answers about one path, in the worker. */
export class RowMarker {
  readonly #kind: SummaryKind;
  /** By key, the oldest first. */
  readonly #changes = new Map<number, CellChange>();

  constructor(kind: SummaryKind) {
    this.#kind = kind;
  }

  forget(): void {
    this.#changes.clear();
  }

  /** Return what is marked after this answer; undefined if nothing is. */
  compare(before: ComparedRows, after: ComparedRows, now: number): RowMarks | undefined {
    for (const [key, { time }] of this.#changes) {
      if (now - time < MARK_MILLISECONDS) break;
      this.#changes.delete(key);
    }
    const rows = findRowsBefore(before.ids, after.ids);
    rows.forEach((rowBefore, row) => {
      if (rowBefore < 0) this.#mark(after.ids[row] ?? 0, NEW_ROW, { time: now, before: "" });
    });
    for (const name of listMarkedColumns(this.#kind)) {
      const [old, current] = [columnNamed(before.columns.columns, name), columnNamed(after.columns.columns, name)];
      if (old === undefined || current === undefined) continue;
      const differs = createComparison(old, current);
      const place = placeOf(this.#kind, name);
      for (let row = 0; row < rows.length; row += 1) {
        const rowBefore = rows[row] ?? -1;
        if (rowBefore < 0 || !differs(rowBefore, row)) continue;
        this.#mark(after.ids[row] ?? 0, place, { time: now, before: columnText(old, rowBefore) });
      }
    }
    return this.#changes.size === 0 ? undefined : packMarks(this.#changes);
  }

  #mark(id: number, place: number, change: CellChange): void {
    const key = id * PLACES + place;
    // It becomes the latest one.
    this.#changes.delete(key);
    if (this.#changes.size < MAXIMUM_MARKS) this.#changes.set(key, change);
  }
}

/** For each row the row that its object had before, -1 if it is new. */
function findRowsBefore(before: Uint32Array, after: Uint32Array): Int32Array {
  const largest = before.reduce((found, id) => Math.max(found, id), -1);
  const rowsById = new Int32Array(largest + 1).fill(-1);
  before.forEach((id, row) => {
    rowsById[id] = row;
  });
  return Int32Array.from(after, (id) => rowsById[id] ?? -1);
}

type Comparison = (rowBefore: number, row: number) => boolean;

/** A function that says whether two cells differ. It makes strings only where texts do not repeat. */
function createComparison(before: Column, after: Column): Comparison {
  if (before.type !== "text" && after.type !== "text") {
    const [old, current] = [before.values, after.values];
    return (rowBefore, row) => !Object.is(old[rowBefore], current[row]);
  }
  if (before.type === "text" && after.type === "text" && before.indexes !== null && after.indexes !== null) {
    // The empty text, which is unknown, may be there twice: the first one counts.
    const places = new Map(
      listTexts(after.texts)
        .map((text, index) => [text, index] as const)
        .reverse(),
    );
    const indexesNow = listTexts(before.texts).map((text) => places.get(text));
    const [old, current] = [before.indexes, after.indexes];
    return (rowBefore, row) => indexesNow[old[rowBefore] ?? 0] !== current[row];
  }
  return (rowBefore, row) => columnText(before, rowBefore) !== columnText(after, row);
}

function listTexts(texts: Parameters<typeof textAt>[0]): string[] {
  return Array.from({ length: texts.offsets.length - 1 }, (_, index) => textAt(texts, index));
}

function packMarks(changes: ReadonlyMap<number, CellChange>): RowMarks {
  const keys = Uint32Array.from(changes.keys()).sort();
  const times = new Float64Array(keys.length);
  const texts = new Uint32Array(keys.length);
  const places = new Map<string, number>();
  keys.forEach((key, index) => {
    const { time = 0, before = "" } = changes.get(key) ?? {};
    if (!places.has(before)) places.set(before, places.size);
    times[index] = time;
    texts[index] = places.get(before) ?? 0;
  });
  return { keys, times, texts, names: [...places.keys()] };
}

/** When the object appeared, NaN if it was there before. */
export function findAppearance(marks: RowMarks, id: number): number {
  return findMark(marks, id * PLACES + NEW_ROW)?.time ?? Number.NaN;
}

/** What changed lately in a cell, null if nothing did. */
export function findChange(marks: RowMarks, kind: SummaryKind, column: string, id: number): CellChange | null {
  const place = placeOf(kind, column);
  return place === NEW_ROW ? null : findMark(marks, id * PLACES + place);
}

function findMark({ keys, times, texts, names }: RowMarks, key: number): CellChange | null {
  let [low, high] = [0, keys.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((keys[middle] ?? 0) < key) low = middle + 1;
    else high = middle;
  }
  if (keys[low] !== key) return null;
  return { time: times[low] ?? 0, before: names[texts[low] ?? 0] ?? "" };
}
