/** A table of a summary: only the rows in sight are in the document, however many there are. */

import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useReducer, useRef, useState } from "preact/hooks";
import type { Resource } from "../data/client";
import { type SummaryQuery, summaryPath, useOrder } from "../data/hooks";
import { formatSort, parseSort, type SortKey } from "../data/order";
import type { Summary, SummaryKind } from "../data/summary";
import { formatQuantity } from "../format";
import { navigate, parameter, recallScroll, rememberScroll, setParameters } from "../router";
import { announce } from "./announcer";
import { type Cell, download, formatCsvLine } from "./export";
import { keepRows, orderRows, type StableRows } from "./stable_rows";
import { EmptyState, Loading, ProblemView } from "./states";
import type { TableColumn } from "./table_columns";
import { pageLength, type Scroller, useVirtualizer, withSpacers } from "./virtual_rows";

/** Lines of an export that are made before the page may draw again. */
const EXPORT_CHUNK = 1000;

export interface TableProps {
  readonly kind: SummaryKind;
  /** What the summary was requested with. */
  readonly query?: SummaryQuery;
  readonly resource: Resource<Summary>;
  /** The first one names the object, and is the link. */
  readonly columns: readonly TableColumn[];
  readonly hrefOf: (summary: Summary, row: number) => string;
  /** `sort` of the address, if it has none: health,name. */
  readonly defaultSort?: string;
  /** What the table contains: "Nodes". */
  readonly label: string;
  /** Instead of rows, if there are none. */
  readonly empty?: ComponentChildren;
}

export function Table(props: TableProps) {
  const { kind, query = {}, resource, columns, defaultSort = "name", label, empty } = props;
  const keys = parseSort(parameter("sort") || defaultSort);
  const order = useOrder(kind, query, keys);
  const shownColumns = chooseColumns(columns, parameter("columns"));
  const scroller = useRef<HTMLDivElement>(null);
  const summary = resource.data;
  const [rows, sortAgain] = useStableRows(summary, order, `${summaryPath(kind, query)} ${formatSort(keys)}`, scroller);
  if (summary === null || rows === null) {
    return resource.failure === null ? <Loading /> : <ProblemView problem={resource.failure.problem} />;
  }
  return (
    <>
      <Toolbar {...props} summary={summary} rows={rows} keys={keys} shown={shownColumns} sortAgain={sortAgain} />
      {rows.ids.length === 0 ? (
        (empty ?? <EmptyState title={`No ${label.toLowerCase()}`} />)
      ) : (
        <Rows {...props} summary={summary} rows={rows} keys={keys} shown={shownColumns} scroller={scroller} />
      )}
    </>
  );
}

/** The columns that `columns` of the address names, or those that are not optional. The first one is always there. */
export function chooseColumns(columns: readonly TableColumn[], chosen: string): readonly TableColumn[] {
  const names = chosen.split(",").filter((name) => name !== "");
  if (names.length === 0) return columns.filter((column) => !column.isOptional);
  return columns.filter((column, index) => index === 0 || names.includes(column.name));
}

/** Follow the data: in a new order if nobody reads, otherwise each row at its place. */
function useStableRows(
  summary: Summary | null,
  order: ReturnType<typeof useOrder>,
  name: string,
  scroller: Scroller,
): [StableRows | null, () => void] {
  const kept = useRef<{ readonly name: string; readonly stable: StableRows; readonly revision: number } | null>(null);
  const [, draw] = useReducer((count: number) => count + 1, 0);
  const current = order !== null && order.revision === summary?.revision ? order : null;
  const before = kept.current?.name === name ? kept.current : null;
  if (summary !== null) {
    if (current !== null && (before === null || (before.revision !== summary.revision && !isRead(scroller.current)))) {
      kept.current = { name, stable: orderRows(summary, current), revision: summary.revision };
    } else if (before !== null) {
      const isSame = before.revision === summary.revision && !before.stable.isOutdated;
      if (!isSame) kept.current = { ...before, stable: keepRows(before.stable.ids, summary, current) };
    }
  }
  const sortAgain = () => {
    kept.current = null;
    draw(undefined);
  };
  const found = kept.current;
  return [summary !== null && found?.name === name ? found.stable : null, sortAgain];
}

/** Whether somebody reads the table now: it is scrolled, has the focus, or the pointer is on it. */
function isRead(scroller: HTMLElement | null): boolean {
  if (scroller === null) return false;
  return scroller.scrollTop > 0 || scroller.contains(document.activeElement) || scroller.matches(":hover");
}

interface BodyProps extends TableProps {
  readonly summary: Summary;
  readonly rows: StableRows;
  readonly keys: readonly SortKey[];
  readonly shown: readonly TableColumn[];
}

function Rows({
  summary,
  rows,
  keys,
  shown,
  scroller,
  columns,
  label,
  hrefOf,
  kind,
}: BodyProps & { scroller: Scroller }) {
  const count = rows.ids.length;
  const focus = useRowFocus(count);
  const virtualizer = useVirtualizer(count, scroller, focus.index);
  useScrollMemory(kind, scroller, virtualizer);
  const items = virtualizer.getVirtualItems();
  const stop = focus.index ?? items[0]?.index ?? 0;
  useLayoutEffect(() => {
    if (!focus.isWanted.current) return;
    const link = scroller.current?.querySelector<HTMLElement>(`[data-index="${focus.index}"] a`);
    if (link === null || link === undefined) return;
    focus.isWanted.current = false;
    link.focus({ preventScroll: true });
  });
  const width = shown.reduce((sum, column) => sum + column.width, 0);
  return (
    <div class="table-scroller" ref={scroller}>
      <table style={{ width: `max(100%, ${width}rem)` }} aria-label={label} aria-rowcount={count + 1}>
        <colgroup>
          {shown.map((column) => (
            <col key={column.name} style={{ width: `${column.width}rem` }} />
          ))}
        </colgroup>
        <thead>
          <tr aria-rowindex={1}>
            {shown.map((column) => (
              <HeaderCell key={column.name} column={column} summary={summary} keys={keys} />
            ))}
          </tr>
        </thead>
        <tbody
          onKeyDown={(event) => {
            if (!focus.move(event.key, stop, pageLength(scroller.current))) return;
            event.preventDefault();
            virtualizer.scrollToIndex(focus.next.current, { align: "auto" });
          }}
          onFocusIn={(event) => focus.follow(event.target as Element)}
          onFocusOut={() => focus.leave()}
          onClick={openRow}
        >
          {withSpacers(items, virtualizer.getTotalSize(), shown.length, (item) => {
            const row = rows.rows[item.index] ?? -1;
            return (
              <tr key={rows.ids[item.index]} data-index={item.index} aria-rowindex={item.index + 2}>
                {row < 0 ? (
                  <td colSpan={shown.length} class="gone">
                    no longer reported
                  </td>
                ) : (
                  shown.map((column) => (
                    <td key={column.name} class={column.isNumber ? "number" : undefined}>
                      {column === columns[0] ? (
                        <a href={hrefOf(summary, row)} tabIndex={item.index === stop ? 0 : -1}>
                          {column.render(summary, row)}
                        </a>
                      ) : (
                        column.render(summary, row)
                      )}
                    </td>
                  ))
                )}
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}

/** A click anywhere in a row opens it, unless somebody selects text. */
function openRow(event: MouseEvent): void {
  const target = event.target as Element;
  if (target.closest("a, button, input") !== null || !getSelection()?.isCollapsed) return;
  const href = target.closest("tr")?.querySelector("a")?.href;
  if (!href) return;
  if (event.ctrlKey || event.metaKey) window.open(href, "_blank", "noopener");
  else navigate(href);
}

/** One row is in the tab order; arrows, Home, End and the page keys move it. */
function useRowFocus(count: number) {
  const [index, setIndex] = useState<number | null>(null);
  const isWanted = useRef(false);
  const next = useRef(0);
  const move = (key: string, from: number, page: number): boolean => {
    const targets: Readonly<Record<string, number>> = {
      ArrowDown: from + 1,
      ArrowUp: from - 1,
      PageDown: from + page,
      PageUp: from - page,
      Home: 0,
      End: count - 1,
    };
    const target = targets[key];
    if (target === undefined) return false;
    next.current = Math.min(count - 1, Math.max(0, target));
    isWanted.current = true;
    setIndex(next.current);
    return true;
  };
  const follow = (element: Element) => {
    const text = element.closest<HTMLElement>("tr")?.dataset["index"];
    if (text !== undefined) setIndex(Number(text));
  };
  const leave = () => {
    if (!isWanted.current) setIndex(null);
  };
  return { index: index !== null && index < count ? index : null, isWanted, next, move, follow, leave };
}

type TableVirtualizer = ReturnType<typeof useVirtualizer>;

/** Back and forward find the table as it was scrolled. */
function useScrollMemory(kind: string, scroller: Scroller, virtualizer: TableVirtualizer): void {
  useLayoutEffect(() => {
    const element = scroller.current;
    if (element === null) return;
    const remembered = recallScroll(kind);
    if (remembered > 0) virtualizer.scrollToOffset(remembered);
    const remember = () => rememberScroll(kind, element.scrollTop);
    element.addEventListener("scroll", remember, { passive: true });
    return () => element.removeEventListener("scroll", remember);
  }, [kind, scroller, virtualizer]);
}

function HeaderCell({
  column,
  summary,
  keys,
}: {
  readonly column: TableColumn;
  readonly summary: Summary;
  readonly keys: readonly SortKey[];
}) {
  const first = keys[0];
  const isSorted = first?.column === column.name;
  const direction = isSorted ? (first.isDescending ? "descending" : "ascending") : undefined;
  const isNextDescending = isSorted ? !first.isDescending : (column.isDescendingFirst ?? false);
  const sort = () => {
    setParameters({ sort: formatSort([{ column: column.name, isDescending: isNextDescending }]) }, { replace: true });
    announce(`Sorted by ${column.label}, ${isNextDescending ? "descending" : "ascending"}.`);
  };
  return (
    <th scope="col" aria-sort={direction} class={column.isNumber ? "number" : undefined} title={column.description}>
      {summary.has(column.name) ? (
        <button type="button" onClick={sort}>
          {column.label}
          <span class="sort-mark" aria-hidden="true">
            {direction === "ascending" ? "▲" : direction === "descending" ? "▼" : ""}
          </span>
        </button>
      ) : (
        column.label
      )}
    </th>
  );
}

function Toolbar(props: BodyProps & { readonly sortAgain: () => void }) {
  const { rows, kind, summary, sortAgain } = props;
  return (
    <div class="table-toolbar">
      <span>{formatQuantity(summary.count, kind.slice(0, -1))}</span>
      {rows.isOutdated && (
        <span class="outdated">
          {describeChanges(rows)}
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

function describeChanges({ newCount, goneCount }: StableRows): string {
  const parts = [newCount > 0 && `${newCount} new`, goneCount > 0 && `${goneCount} gone`].filter(Boolean);
  return parts.length > 0 ? `${parts.join(", ")} ` : "The order has changed ";
}

function ColumnChooser({ columns, shown }: BodyProps) {
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

function ExportMenu(props: BodyProps) {
  return (
    <Menu label="Export">
      <button type="button" class="menu-item" onClick={() => void exportCsv(props)}>
        CSV of the rows and columns shown
      </button>
      <button type="button" class="menu-item" onClick={() => void exportJson(props)}>
        JSON of the rows and columns shown
      </button>
    </Menu>
  );
}

/** A button that opens a list; Escape and a click elsewhere close it. */
function Menu({ label, children }: { readonly label: string; readonly children: ComponentChildren }) {
  const details = useRef<HTMLDetailsElement>(null);
  useEffect(() => {
    const close = (event: Event) => {
      if (details.current && !details.current.contains(event.target as Node)) details.current.open = false;
    };
    document.addEventListener("pointerdown", close);
    document.addEventListener("focusin", close);
    return () => {
      document.removeEventListener("pointerdown", close);
      document.removeEventListener("focusin", close);
    };
  }, []);
  return (
    <details
      class="menu"
      ref={details}
      onKeyDown={(event) => {
        if (event.key !== "Escape" || !details.current?.open) return;
        details.current.open = false;
        details.current.querySelector("summary")?.focus();
      }}
    >
      <summary>{label}</summary>
      <div class="menu-items">{children}</div>
    </details>
  );
}

async function exportCsv({ summary, rows, shown, kind }: BodyProps): Promise<void> {
  const lines = [formatCsvLine(shown.map((column) => column.name))];
  for await (const cells of readCells(summary, rows, shown)) lines.push(formatCsvLine(cells));
  download(`${kind}.csv`, "text/csv;charset=utf-8", lines);
}

async function exportJson({ summary, rows, shown, kind }: BodyProps): Promise<void> {
  const parts: string[] = [];
  for await (const cells of readCells(summary, rows, shown)) {
    const object = Object.fromEntries(shown.map((column, index) => [column.name, cells[index]]));
    parts.push(`${parts.length === 0 ? "[" : ","}\n${JSON.stringify(object)}`);
  }
  download(`${kind}.json`, "application/json", [...parts, parts.length === 0 ? "[]\n" : "\n]\n"]);
}

async function* readCells(
  summary: Summary,
  { rows }: StableRows,
  shown: readonly TableColumn[],
): AsyncGenerator<readonly Cell[]> {
  let made = 0;
  for (const row of rows) {
    if (row < 0) continue;
    yield shown.map((column) => column.value(summary, row));
    made += 1;
    if (made % EXPORT_CHUNK === 0) await new Promise((resolve) => setTimeout(resolve));
  }
}
