/** A summary as the page reads it: cells by column and row, without an object for each row. */

import { type Columns, columnNamed, columnText, isColumnText, textAt } from "./columns";
import { KEY_COLUMNS, type SummaryContent, type SummaryKind } from "./protocol";
import { type CellChange, findAppearance, findChange, MARK_MILLISECONDS, type RowMarks } from "./row_marks";

export type { SummaryKind } from "./protocol";

/** A column of texts that repeat. */
export interface Categories {
  /** The different texts; the empty text is unknown. */
  readonly names: readonly string[];
  /** For each row the index of its text in `names`. */
  readonly indexes: Uint32Array;
}

const NO_NUMBERS = new Float64Array();

export class Summary {
  readonly kind: SummaryKind;
  /** Grows with each answer that differs from the one before. */
  readonly revision: number;
  readonly version: string;
  /** The number of rows. */
  readonly count: number;
  /** For each row a number that stays with its object from one summary to the next. */
  readonly ids: Uint32Array;
  readonly #marks: RowMarks | null;
  readonly #columns: Columns["columns"];
  readonly #categories = new Map<string, Categories | null>();
  #rowsById: Int32Array | null = null;

  constructor(kind: SummaryKind, { revision, columns, ids, marks }: SummaryContent) {
    this.kind = kind;
    this.revision = revision;
    this.version = columns.version;
    this.count = columns.count;
    this.ids = ids;
    this.#marks = marks ?? null;
    this.#columns = columns.columns;
  }

  /** When the last mark ends, in milliseconds; -Infinity if nothing is marked. */
  get marksEnd(): number {
    const times = this.#marks?.times ?? NO_NUMBERS;
    return times.reduce((latest, time) => Math.max(latest, time + MARK_MILLISECONDS), Number.NEGATIVE_INFINITY);
  }

  /** Whether the row appeared a moment ago. `now` is in milliseconds. */
  isNew(row: number, now: number): boolean {
    return this.#marks !== null && now - findAppearance(this.#marks, this.ids[row] ?? 0) < MARK_MILLISECONDS;
  }

  /** What changed a moment ago in the structure that a cell shows, null if nothing did. */
  changeOf(column: string, row: number, now: number): CellChange | null {
    const change = this.#marks && findChange(this.#marks, this.kind, column, this.ids[row] ?? 0);
    return change !== null && now - change.time < MARK_MILLISECONDS ? change : null;
  }

  get columnNames(): readonly string[] {
    return Object.keys(this.#columns);
  }

  has(column: string): boolean {
    return Object.hasOwn(this.#columns, column);
  }

  isNumeric(column: string): boolean {
    return columnNamed(this.#columns, column)?.type === "number";
  }

  /** The text of a cell, "" if unknown. It is telemetry: show it through safeText. */
  text(column: string, row: number): string {
    return columnText(columnNamed(this.#columns, column), row);
  }

  /** The number in a cell, NaN if unknown or a text. Of booleans, true is 1 and false 0. */
  number(column: string, row: number): number {
    const found = columnNamed(this.#columns, column);
    return found === undefined || found.type === "text" ? Number.NaN : (found.values[row] ?? Number.NaN);
  }

  /** All numbers of a column, to draw from; NaN is unknown. Empty if the column does not exist or has texts. */
  numbers(column: string): Float64Array {
    const found = columnNamed(this.#columns, column);
    return found === undefined || found.type === "text" ? NO_NUMBERS : found.values;
  }

  /** The different texts of a column and which row has which, null if each row has its own. */
  categories(column: string): Categories | null {
    const known = this.#categories.get(column);
    if (known !== undefined) return known;
    const found = columnNamed(this.#columns, column);
    const categories =
      found?.type === "text" && found.indexes !== null
        ? {
            names: Array.from({ length: found.texts.offsets.length - 1 }, (_, index) => textAt(found.texts, index)),
            indexes: found.indexes,
          }
        : null;
    this.#categories.set(column, categories);
    return categories;
  }

  /** The names of the object in a row, in the order of KEY_COLUMNS: cluster and node, for example. */
  names(row: number): readonly string[] {
    return KEY_COLUMNS[this.kind].map((column) => this.text(column, row));
  }

  /** The row of the object with these names, -1 if there is none. */
  rowOf(names: readonly string[]): number {
    const columns = KEY_COLUMNS[this.kind].map((column) => columnNamed(this.#columns, column));
    if (names.length !== columns.length) return -1;
    // The last name differs most.
    for (let row = 0; row < this.count; row += 1) {
      let part = columns.length - 1;
      while (part >= 0 && isColumnText(columns[part], row, names[part] ?? "")) part -= 1;
      if (part < 0) return row;
    }
    return -1;
  }

  /** The row of the object with this number, -1 if it is not there any longer. */
  rowOfId(id: number): number {
    if (this.#rowsById === null) {
      const largest = this.ids.reduce((found, other) => Math.max(found, other), -1);
      this.#rowsById = new Int32Array(largest + 1).fill(-1);
      for (let row = 0; row < this.count; row += 1) this.#rowsById[this.ids[row] ?? 0] = row;
    }
    return this.#rowsById[id] ?? -1;
  }
}
