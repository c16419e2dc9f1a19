/** Columns of tables: how a cell reads, looks and is exported. */

import type { ComponentChildren } from "preact";
import { toHealth } from "../data/health";
import { parseSort, type SortKey } from "../data/order";
import type { Summary } from "../data/summary";
import { formatTimestamp, safeText } from "../format";
import { Bar, type BarProps } from "./bar";
import type { Cell } from "./export";
import { HealthBadge } from "./health";
import { Name } from "./name";

export interface TableColumn {
  /** The name in the address, and of the column of the summary by which it is sorted. */
  readonly name: string;
  readonly label: string;
  /** What it means, for the title of the header. */
  readonly description?: string;
  /** In rem. */
  readonly width: number;
  readonly isNumber?: boolean;
  /** Not shown unless it is chosen. */
  readonly isOptional?: boolean;
  /** The first click on the header sorts in descending order. */
  readonly isDescendingFirst?: boolean;
  /** The columns of the summary that a cell shows, most important first: `name` by default. */
  readonly shows?: readonly string[];
  /** What a cell showed before, from the text in a column of the summary, if it reads differently. */
  readonly readBefore?: (text: string, name: string) => string;
  readonly render: (summary: Summary, row: number) => ComponentChildren;
  /** The value in exports. */
  readonly value: (summary: Summary, row: number) => Cell;
}

type ColumnOptions = Partial<Omit<TableColumn, "name" | "label">>;

/**
 * The columns that `columns` of the address names, or those that are not optional. The first one is always there.
 * Names of no column are ignored.
 */
export function chooseColumns(columns: readonly TableColumn[], chosen: string): readonly TableColumn[] {
  const names = chosen.split(",").filter((name) => columns.some((column) => column.name === name));
  if (names.length === 0) return columns.filter((column) => !column.isOptional);
  return columns.filter((column, index) => index === 0 || names.includes(column.name));
}

/** The keys of `sort` of the address that are columns, or the default keys if none is. */
export function chooseSort(columns: readonly TableColumn[], chosen: string, defaultSort: string): readonly SortKey[] {
  const keys = parseSort(chosen).filter((key) => columns.some(({ name }) => name === key.column));
  return keys.length > 0 ? keys : parseSort(defaultSort);
}

/** A column of texts. */
export function textColumn(name: string, label: string, options: ColumnOptions = {}): TableColumn {
  return {
    name,
    label,
    width: 10,
    render: (summary, row) => <Name text={summary.text(name, row)} />,
    value: (summary, row) => summary.text(name, row) || null,
    ...options,
  };
}

/** A column of numbers, with how they read. */
export function numberColumn(
  name: string,
  label: string,
  format: (value: number) => string,
  options: ColumnOptions = {},
): TableColumn {
  return {
    name,
    label,
    width: 7,
    isNumber: true,
    isDescendingFirst: true,
    readBefore: (text) => format(Number(text)),
    render: (summary, row) => format(summary.number(name, row)),
    value: (summary, row) => numberCell(summary.number(name, row)),
    ...options,
  };
}

/** A column of shares, drawn as bars. */
export function barColumn(
  name: string,
  label: string,
  cell: (summary: Summary, row: number) => BarProps,
  options: ColumnOptions = {},
): TableColumn {
  return {
    name,
    label,
    width: 9,
    isDescendingFirst: true,
    render: (summary, row) => <Bar {...cell(summary, row)} />,
    value: (summary, row) => numberCell(summary.number(name, row)),
    ...options,
  };
}

/** The column `health`: the worst first, and what is wrong beside it. */
export function healthColumn(options: ColumnOptions = {}): TableColumn {
  return {
    name: "health",
    label: "Health",
    width: 14,
    shows: ["health", "problems"],
    render: (summary, row) => (
      <HealthBadge health={toHealth(summary.text("health", row))} text={safeText(summary.text("problems", row), 80)} />
    ),
    value: (summary, row) => summary.text("health", row) || null,
    ...options,
  };
}

/** A column of times in Unix seconds; exports have them as in RFC 3339. */
export function timeColumn(
  name: string,
  label: string,
  format: (value: number) => string,
  options: ColumnOptions = {},
): TableColumn {
  return {
    ...numberColumn(name, label, format),
    value: (summary, row) => formatTimestamp(summary.number(name, row)) || null,
    ...options,
  };
}

function numberCell(value: number): number | null {
  return Number.isNaN(value) ? null : value;
}
