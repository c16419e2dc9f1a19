/** A table of a summary, with its tools: sorting, columns and export. The rows are in table_rows.tsx. */

import type { ComponentChildren } from "preact";
import { useEffect, useReducer, useRef } from "preact/hooks";
import type { Order, Resource } from "../data/client";
import { type SummaryQuery, summaryPath, useOrder } from "../data/hooks";
import { formatSort } from "../data/order";
import type { Summary, SummaryKind } from "../data/summary";
import { formatQuantity } from "../format";
import { parameter, setParameters, shownTime } from "../router";
import { pathAt } from "../time/shown";
import { announce } from "./announcer";
import { exportCsv, exportJson } from "./export";
import { Menu } from "./menu";
import { keepRows, marksEndOf, mixRows, orderRows, type StableRows } from "./stable_rows";
import { EmptyState, NoData } from "./states";
import { chooseColumns, chooseSort, type TableColumn } from "./table_columns";
import { type Selection, TableRows } from "./table_rows";
import type { Scroller } from "./virtual_rows";

/** A pointer that has not moved for so long does not read. */
const READING_MILLISECONDS = 60_000;

interface TableProps {
  readonly kind: SummaryKind;
  /** What the summary was requested with. */
  readonly query?: SummaryQuery;
  readonly resource: Resource<Summary>;
  /** The first one names the object, and is the link. */
  readonly columns: readonly TableColumn[];
  readonly hrefOf: (summary: Summary, row: number) => string;
  /** Without one, a click in a row follows its link. */
  readonly selection?: Selection | undefined;
  /** Beside the number of rows. */
  readonly totals?: ComponentChildren;
  /** `sort` of the address, if it has none: health,name. */
  readonly defaultSort?: string;
  /** What the table contains: "Nodes". */
  readonly label: string;
  /** Instead of rows, if there are none. */
  readonly empty?: ComponentChildren;
}

export function Table(props: TableProps) {
  const { kind, query = {}, resource, columns, defaultSort = "name", label, hrefOf, selection, totals, empty } = props;
  const keys = chooseSort(columns, parameter("sort"), defaultSort);
  const order = useOrder(kind, query, keys);
  const shown = chooseColumns(columns, parameter("columns"));
  const scroller = useRef<HTMLDivElement>(null);
  const name = `${pathAt(summaryPath(kind, query), shownTime.value)} ${formatSort(keys)}`;
  const [rows, sortAgain] = useStableRows(props, order, name, scroller);
  const last = useRef(rows);
  // Until the answer to a new filter is there, the table shows what the last one found.
  const current = rows ?? (resource.failure === null ? last.current : null);
  last.current = current;
  useAnnouncedChanges(rows, label);
  if (current === null) return <NoRows resource={resource} />;
  return (
    <>
      <Toolbar kind={kind} columns={columns} rows={current} shown={shown} sortAgain={sortAgain} totals={totals} />
      {current.ids.length === 0 ? (
        (empty ?? <EmptyState title={`No ${label.toLowerCase()}`} />)
      ) : (
        <TableRows
          label={label}
          memory={kind}
          rows={current}
          columns={shown}
          sort={keys[0] ?? null}
          hrefOf={hrefOf}
          scroller={scroller}
          isBusy={rows === null}
          isFiltered={Boolean(query.filter || query.labels)}
          selection={selection}
        />
      )}
    </>
  );
}

function NoRows({ resource: { failure } }: { readonly resource: Resource<Summary> }) {
  // The field of the filter says what is wrong with it.
  if (failure?.problem.parameter) return <EmptyState title="The filter is invalid" />;
  return <NoData problem={failure?.problem ?? null} />;
}

/** Say how many objects came and went, to those who do not see it. */
function useAnnouncedChanges(rows: StableRows | null, label: string): void {
  const text = rows === null ? "" : describeChanges(rows);
  useEffect(() => {
    if (text) announce(`${label}: ${text}.`);
  }, [text, label]);
}

/** Follow the data: in a new order if nobody reads, otherwise each row stays at its place. What is gone stays a while. */
function useStableRows(
  { resource, hrefOf, columns }: TableProps,
  order: Order | null,
  name: string,
  scroller: Scroller,
): [StableRows | null, () => void] {
  const kept = useRef<{ readonly name: string; readonly rows: StableRows; readonly order: Order | null } | null>(null);
  const [, draw] = useReducer((count: number) => count + 1, 0);
  const now = Date.now();
  const isRead = useReading(scroller);
  const summary = resource.data;
  const current = order !== null && order.revision === summary?.revision ? order : null;
  const before = kept.current?.name === name ? kept.current : null;
  const describe = (from: Summary, row: number) => ({
    name: from.text(columns[0]?.name ?? "name", row),
    href: hrefOf(from, row),
  });
  let rows = before?.rows ?? null;
  const isNew = rows === null || rows.summary !== summary || before?.order !== current;
  if (summary !== null && (isNew || (rows !== null && rows.gone.size > 0 && marksEndOf(rows) <= now))) {
    if (rows === null) rows = current && orderRows(summary, current);
    else if (current === null || isRead()) rows = keepRows(rows, summary, current, describe, now);
    else rows = mixRows(rows, summary, current, describe, now);
  }
  kept.current = rows && { name, rows, order: current };
  useDrawingAt(rows === null ? now : marksEndOf(rows), draw);
  const sortAgain = () => {
    kept.current = null;
    draw(undefined);
  };
  return [rows, sortAgain];
}

/** Draw again at a time in milliseconds, unless it has passed: then nothing is marked any longer. */
function useDrawingAt(time: number, draw: (action: undefined) => void): void {
  useEffect(() => {
    const pause = time - Date.now();
    if (!(pause > 0)) return;
    const timer = setTimeout(() => draw(undefined), pause);
    return () => clearTimeout(timer);
  }, [time, draw]);
}

/** Whether somebody reads the table now: it is scrolled, has the focus, or the pointer has moved on it. */
function useReading(scroller: Scroller): () => boolean {
  const moved = useRef(Number.NEGATIVE_INFINITY);
  useEffect(() => {
    const note = (event: Event) => {
      if (scroller.current?.contains(event.target as Node)) moved.current = performance.now();
    };
    document.addEventListener("pointermove", note, { passive: true });
    return () => document.removeEventListener("pointermove", note);
  }, [scroller]);
  return () => {
    const element = scroller.current;
    if (element === null) return false;
    if (element.contains(document.activeElement)) return true;
    const isPointed = element.matches(":hover") && performance.now() - moved.current < READING_MILLISECONDS;
    return isPointed || element.scrollTop > 0;
  };
}

interface ToolbarProps {
  readonly kind: SummaryKind;
  readonly columns: readonly TableColumn[];
  readonly rows: StableRows;
  readonly shown: readonly TableColumn[];
  readonly sortAgain: () => void;
  readonly totals: ComponentChildren;
}

function Toolbar(props: ToolbarProps) {
  const { rows, kind, sortAgain, totals } = props;
  return (
    <div class="table-toolbar">
      <span>{formatQuantity(rows.summary.count, kind.slice(0, -1))}</span>
      {totals}
      {rows.isOutdated && (
        <span class="outdated">
          {describeChanges(rows) || "The order has changed"}
          <button type="button" onClick={sortAgain}>
            Sort again
          </button>
        </span>
      )}
      <span class="spring" />
      <ColumnChooser {...props} />
      <ExportMenu {...props} />
    </div>
  );
}

/** "2 new, 1 gone", "" if there is nothing to say. */
function describeChanges({ newCount, gone }: StableRows): string {
  return [newCount > 0 && `${newCount} new`, gone.size > 0 && `${gone.size} gone`].filter(Boolean).join(", ");
}

function ColumnChooser({ columns, shown }: ToolbarProps) {
  const toggle = (column: TableColumn) => {
    const names = columns
      .filter((other) => (other === column ? !shown.includes(other) : shown.includes(other)))
      .map((other) => other.name);
    setParameters({ columns: names.join(",") }, { replace: true });
  };
  return (
    <Menu label="Columns">
      {columns.slice(1).map((column) => (
        <label key={column.name} class="menu-item">
          <input type="checkbox" checked={shown.includes(column)} onChange={() => toggle(column)} />
          {column.label}
        </label>
      ))}
      <button type="button" class="menu-item" onClick={() => setParameters({ columns: "" }, { replace: true })}>
        Default columns
      </button>
    </Menu>
  );
}

function ExportMenu({ kind, rows, shown }: ToolbarProps) {
  return (
    <Menu label="Export">
      <button type="button" class="menu-item" onClick={() => void exportCsv(kind, rows, shown)}>
        CSV of the rows and columns shown
      </button>
      <button type="button" class="menu-item" onClick={() => void exportJson(kind, rows, shown)}>
        JSON of the rows and columns shown
      </button>
    </Menu>
  );
}
