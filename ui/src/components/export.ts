/** What a table shows as a file: CSV and JSON. */

import type { StableRows } from "./stable_rows";
import type { TableColumn } from "./table_columns";

export type Cell = string | number | boolean | null;

/** Text that begins like this is a formula for spreadsheets. */
const FORMULA_START = /^[=+\-@\t\r]/;
const NEEDS_QUOTES = /[",\r\n]/;
/** Lines that are made before the page may draw again. */
const CHUNK_LINES = 1000;

/** One line of CSV, as in RFC 4180. Texts that spreadsheets would run as a formula begin with an apostrophe. */
export function formatCsvLine(cells: readonly Cell[]): string {
  return `${cells.map(formatCsvCell).join(",")}\r\n`;
}

function formatCsvCell(cell: Cell): string {
  if (cell === null) return "";
  if (typeof cell !== "string") return String(cell);
  const text = FORMULA_START.test(cell) ? `'${cell}` : cell;
  return NEEDS_QUOTES.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** Let the browser save a file. */
function download(name: string, type: string, parts: readonly string[]): void {
  const url = URL.createObjectURL(new Blob([...parts], { type }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  // The browser has started to read it when the click returns; this is for those that have not.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

export async function exportCsv(kind: string, rows: StableRows, shown: readonly TableColumn[]): Promise<void> {
  const lines = [formatCsvLine(shown.map((column) => column.name))];
  for await (const cells of readCells(rows, shown)) lines.push(formatCsvLine(cells));
  download(`${kind}.csv`, "text/csv;charset=utf-8", lines);
}

export async function exportJson(kind: string, rows: StableRows, shown: readonly TableColumn[]): Promise<void> {
  const parts: string[] = [];
  for await (const cells of readCells(rows, shown)) {
    const object = Object.fromEntries(shown.map((column, index) => [column.name, cells[index]]));
    parts.push(`${parts.length === 0 ? "[" : ","}\n${JSON.stringify(object)}`);
  }
  download(`${kind}.json`, "application/json", [...parts, parts.length === 0 ? "[]\n" : "\n]\n"]);
}

async function* readCells(
  { rows, summary }: StableRows,
  shown: readonly TableColumn[],
): AsyncGenerator<readonly Cell[]> {
  let made = 0;
  for (const row of rows) {
    if (row < 0) continue;
    yield shown.map((column) => column.value(summary, row));
    made += 1;
    if (made % CHUNK_LINES === 0) await new Promise((resolve) => setTimeout(resolve));
  }
}
