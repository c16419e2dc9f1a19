/**
 * Columnar summaries, decoded into what costs little to send from the worker to the page and little to keep: numbers
 * in typed arrays, texts in one string with offsets.
 */

/** The response of `/api/v1/summary/{kind}`. */
export interface SummaryResponse {
  readonly version: string;
  readonly totalCount: number;
  readonly columns: Readonly<Record<string, ColumnResponse>>;
}

export type ColumnResponse =
  | { readonly names: readonly (string | null)[]; readonly indexes: readonly (number | null)[] }
  | { readonly values: readonly (string | number | boolean | null)[] };

/** Texts one behind the other: text i is `all.slice(offsets[i], offsets[i + 1])`. */
export interface Texts {
  readonly all: string;
  readonly offsets: Uint32Array;
}

export interface NumberColumn {
  readonly type: "number" | "boolean";
  /** NaN is unknown; true is 1 and false 0. */
  readonly values: Float64Array;
}

export interface TextColumn {
  readonly type: "text";
  /** The different texts if `indexes` is there, otherwise one for each row. The empty text is unknown. */
  readonly texts: Texts;
  /** For each row the index of its text. */
  readonly indexes: Uint32Array | null;
}

export type Column = NumberColumn | TextColumn;

export interface Columns {
  readonly version: string;
  readonly count: number;
  readonly columns: Readonly<Record<string, Column>>;
}

export function decodeSummary(response: SummaryResponse): Columns {
  const columns: Record<string, Column> = {};
  for (const [name, column] of Object.entries(response.columns)) {
    columns[name] = "names" in column ? decodeDictionary(column.names, column.indexes) : decodeValues(column.values);
  }
  return { version: response.version, count: response.totalCount, columns };
}

function decodeDictionary(names: readonly (string | null)[], indexes: readonly (number | null)[]): TextColumn {
  // Objects without a text have the empty one: also those whose name is `null`.
  const texts = names.map((name) => name ?? "");
  const known = texts.includes("") ? texts : [...texts, ""];
  const unknown = known.indexOf("");
  return {
    type: "text",
    texts: packTexts(known),
    indexes: Uint32Array.from(indexes, (index) => (index !== null && names[index] ? index : unknown)),
  };
}

function decodeValues(values: readonly (string | number | boolean | null)[]): Column {
  const first = values.find((value) => value !== null);
  if (typeof first === "string") {
    const texts = packTexts(values.map((value) => (value === null ? "" : String(value))));
    return { type: "text", texts, indexes: null };
  }
  const numbers = Float64Array.from(values, (value) => (value === null ? Number.NaN : Number(value)));
  return { type: typeof first === "boolean" ? "boolean" : "number", values: numbers };
}

function packTexts(texts: readonly string[]): Texts {
  const offsets = new Uint32Array(texts.length + 1);
  let offset = 0;
  for (let index = 0; index < texts.length; index += 1) {
    offset += texts[index]?.length ?? 0;
    offsets[index + 1] = offset;
  }
  return { all: texts.join(""), offsets };
}

export function textAt(texts: Texts, index: number): string {
  return texts.all.slice(texts.offsets[index], texts.offsets[index + 1]);
}

/** The column with this name. Names come from the address, too: `constructor` is none. */
export function columnNamed(columns: Columns["columns"], name: string): Column | undefined {
  return Object.hasOwn(columns, name) ? columns[name] : undefined;
}

/** The text of a column in a row, "" if unknown. */
export function columnText(column: Column | undefined, row: number): string {
  if (column === undefined) return "";
  if (column.type === "text") return textAt(column.texts, column.indexes === null ? row : (column.indexes[row] ?? row));
  const value = column.values[row] ?? Number.NaN;
  if (Number.isNaN(value)) return "";
  return column.type === "boolean" ? String(value === 1) : String(value);
}

/** Whether the text of a column in a row is this one. It makes no string. */
export function isColumnText(column: Column | undefined, row: number, text: string): boolean {
  if (column?.type !== "text") return false;
  const index = column.indexes === null ? row : (column.indexes[row] ?? 0);
  const start = column.texts.offsets[index] ?? 0;
  const end = column.texts.offsets[index + 1] ?? 0;
  return end - start === text.length && column.texts.all.startsWith(text, start);
}

/** A copy of columns, and the buffers in it, which can be given away. */
export function copyColumns(columns: Columns): { copy: Columns; buffers: ArrayBuffer[] } {
  const buffers: ArrayBuffer[] = [];
  const keep = <T extends Uint32Array | Float64Array>(array: T): T => {
    const copy = array.slice() as T;
    buffers.push(copy.buffer as ArrayBuffer);
    return copy;
  };
  const copies: Record<string, Column> = {};
  for (const [name, column] of Object.entries(columns.columns)) {
    copies[name] =
      column.type === "text"
        ? {
            type: "text",
            texts: { all: column.texts.all, offsets: keep(column.texts.offsets) },
            indexes: column.indexes === null ? null : keep(column.indexes),
          }
        : { type: column.type, values: keep(column.values) };
  }
  return { copy: { ...columns, columns: copies }, buffers };
}
