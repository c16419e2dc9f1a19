/** The rows of a table: only those in sight are in the document, however many there are. */

import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { formatSort, type SortKey } from "../data/order";
import type { Summary } from "../data/summary";
import { formatRecentTime, safeText } from "../format";
import { entry, navigate, recallScroll, setParameters } from "../router";
import { announce } from "./announcer";
import { Name } from "./name";
import type { StableRows } from "./stable_rows";
import type { TableColumn } from "./table_columns";
import { pageLength, type Scroller, useVirtualizer, withSpacers } from "./virtual_rows";

/** Rows can be selected: by a click beside the link, and by the space bar. */
export interface Selection {
  /** The row of the summary that is selected, -1 if none is. */
  readonly row: number;
  readonly select: (summary: Summary, row: number) => void;
}

interface TableRowsProps {
  readonly label: string;
  /** The name under which the history remembers how far it is scrolled. */
  readonly memory: string;
  readonly rows: StableRows;
  readonly columns: readonly TableColumn[];
  readonly sort: SortKey | null;
  readonly hrefOf: (summary: Summary, row: number) => string;
  readonly scroller: Scroller;
  /** Whether other rows are on their way. */
  readonly isBusy: boolean;
  /** Whether not all objects are shown: a missing object may just not match the filter any longer. */
  readonly isFiltered: boolean;
  readonly selection?: Selection | undefined;
}

export function TableRows(props: TableRowsProps) {
  const { label, memory, rows, columns, sort, hrefOf, scroller, isBusy, isFiltered, selection } = props;
  const count = rows.ids.length;
  const [active, setActive] = useState<number | null>(null);
  const isFocusWanted = useRef(false);
  const wanted = useWantedScroll(memory);
  const virtualizer = useVirtualizer(count, scroller, active, memory);
  useLayoutEffect(() => {
    if (wanted.current === null || isBusy) return;
    virtualizer.scrollToOffset(wanted.current);
    wanted.current = null;
  });
  const focused = useRef<Element | null>(null);
  // The row with the focus may not be among the new ones: the one at its place gets the focus.
  useLayoutEffect(() => {
    if (focused.current === null || focused.current.isConnected || document.activeElement !== document.body) return;
    focused.current = null;
    isFocusWanted.current = true;
    setActive(Math.min(active ?? 0, count - 1));
  });
  const tabStop = active !== null && active < count ? active : (virtualizer.range?.startIndex ?? 0);
  useLayoutEffect(() => {
    if (!isFocusWanted.current) return;
    const link = scroller.current?.querySelector<HTMLElement>(`tr[data-index="${active}"] a`);
    if (!link) return;
    isFocusWanted.current = false;
    link.focus({ preventScroll: true });
  });
  const select = (event: Event): boolean => {
    const row = rows.rows[indexOf(event.target as Element) ?? -1] ?? -1;
    if (selection === undefined || row < 0) return false;
    selection.select(rows.summary, row);
    return true;
  };
  const moveFocus = (event: KeyboardEvent) => {
    if (isBusy && isKeyOfRows(event)) {
      // These rows are about to be others.
      event.preventDefault();
      return;
    }
    if (event.key === " " && select(event)) event.preventDefault();
    const target = targetOfKey(event, tabStop, count, pageLength(scroller.current));
    if (target === null) return;
    event.preventDefault();
    isFocusWanted.current = true;
    setActive(target);
    virtualizer.scrollToIndex(target, { align: "auto" });
  };
  const width = columns.reduce((sum, column) => sum + column.width, 0);
  return (
    <div class="table-scroller" ref={scroller} aria-busy={isBusy}>
      <table style={{ width: `max(100%, ${width}rem)` }} aria-label={label} aria-rowcount={count + 1}>
        <colgroup>
          {columns.map((column) => (
            <col key={column.name} style={{ "--width": `${column.width}rem` }} />
          ))}
        </colgroup>
        <thead>
          <tr aria-rowindex={1}>
            {columns.map((column) => (
              <HeaderCell
                key={column.name}
                column={column}
                isSortable={rows.summary.has(column.name)}
                sort={sort}
                onSort={() => virtualizer.scrollToOffset(0)}
              />
            ))}
          </tr>
        </thead>
        <tbody
          onKeyDown={moveFocus}
          onFocusIn={(event) => {
            focused.current = event.target as Element;
            setActive(indexOf(event.target as Element));
          }}
          onFocusOut={({ target }) => {
            // A row that is taken away may lose the focus before it is gone.
            queueMicrotask(() => {
              const isLeft = focused.current === target && focused.current?.isConnected;
              if (isLeft && document.activeElement !== target) focused.current = null;
            });
          }}
          onClick={(event) => isForRow(event) && (select(event) || openRow(event))}
          onPointerOver={showCutText}
        >
          {withSpacers(virtualizer.getVirtualItems(), virtualizer.getTotalSize(), columns.length, ({ index }) => (
            <Row
              key={rows.ids[index]}
              index={index}
              rows={rows}
              columns={columns}
              hrefOf={hrefOf}
              isTabStop={index === tabStop}
              isFiltered={isFiltered}
              isSelected={selection !== undefined && selection.row >= 0 && rows.rows[index] === selection.row}
            />
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** How far to scroll when the entry of the history changes: to the start for a new one. Null when it is done. */
function useWantedScroll(memory: string): { current: number | null } {
  const here = entry.value;
  const shown = useRef(here);
  const wanted = useRef<number | null>(null);
  if (shown.current !== here) {
    shown.current = here;
    wanted.current = recallScroll(memory);
  }
  return wanted;
}

interface RowProps {
  readonly index: number;
  readonly rows: StableRows;
  readonly columns: readonly TableColumn[];
  readonly hrefOf: (summary: Summary, row: number) => string;
  readonly isTabStop: boolean;
  readonly isFiltered: boolean;
  readonly isSelected: boolean;
}

function Row({ index, rows, columns, hrefOf, isTabStop, isFiltered, isSelected }: RowProps) {
  const { summary } = rows;
  const row = rows.rows[index] ?? -1;
  const tabIndex = isTabStop ? 0 : -1;
  if (row < 0) {
    const gone = rows.gone.get(rows.ids[index] ?? 0);
    return (
      <tr data-index={index} aria-rowindex={index + 2} class="gone">
        <td>
          <a href={gone?.href ?? ""} tabIndex={tabIndex}>
            <Name text={gone?.name ?? ""} />
          </a>
        </td>
        <td colSpan={Math.max(1, columns.length - 1)}>
          {isFiltered ? "no longer reported, or no match any longer" : "no longer reported"}
        </td>
      </tr>
    );
  }
  const now = Date.now();
  return (
    <tr
      data-index={index}
      aria-rowindex={index + 2}
      aria-current={isSelected || undefined}
      class={isSelected ? "selected" : undefined}
    >
      {columns.map((column, place) => (
        <RowCell key={column.name} column={column} change={describeChange(column, summary, row, now)}>
          {place === 0 ? (
            <a href={hrefOf(summary, row)} tabIndex={tabIndex}>
              {column.render(summary, row)}
            </a>
          ) : (
            column.render(summary, row)
          )}
          {place === 0 && summary.isNew(row, now) && <span class="new-mark">new</span>}
        </RowCell>
      ))}
    </tr>
  );
}

interface RowCellProps {
  readonly column: TableColumn;
  /** What the cell showed before it changed a moment ago, "" if it did not. */
  readonly change: string;
  readonly children: ComponentChildren;
}

function RowCell({ column, change, children }: RowCellProps) {
  const names = [column.isNumber && "number", change && "changed"].filter(Boolean).join(" ");
  return (
    <td class={names || undefined} title={change || undefined} data-change={change || undefined}>
      {children}
      {change && <span class="visually-hidden"> ({change})</span>}
    </td>
  );
}

/** "changed 14:02:10, was Running"; "" if the cell has not changed a moment ago. */
function describeChange(column: TableColumn, summary: Summary, row: number, now: number): string {
  for (const name of column.shows ?? [column.name]) {
    const change = summary.changeOf(name, row, now);
    if (change === null) continue;
    const { time, before } = change;
    const text = before === "" ? "unknown" : (column.readBefore?.(before, name) ?? safeText(before, 80));
    return `changed ${formatRecentTime(time / 1000, now)}, was ${text}`;
  }
  return "";
}

function isKeyOfRows(event: KeyboardEvent): boolean {
  return event.key === "Enter" || event.key === " " || targetOfKey(event, 0, 1, 1) !== null;
}

/** The row to which a key moves the focus, null if it moves nothing. */
function targetOfKey(event: KeyboardEvent, from: number, count: number, page: number): number | null {
  if (event.ctrlKey || event.metaKey || event.altKey) return null;
  const targets: Readonly<Record<string, number>> = {
    ArrowDown: from + 1,
    ArrowUp: from - 1,
    PageDown: from + page,
    PageUp: from - page,
    Home: 0,
    End: count - 1,
  };
  const target = targets[event.key];
  return target === undefined ? null : Math.min(count - 1, Math.max(0, target));
}

function indexOf(element: Element): number | null {
  const index = element.closest("tr")?.getAttribute("data-index");
  return index ? Number(index) : null;
}

/** Whether a click is for the row: on no link or button in it, and not to select text. */
function isForRow(event: MouseEvent): boolean {
  return (event.target as Element).closest("a, button, input") === null && getSelection()?.isCollapsed === true;
}

/** A click anywhere in a row opens it. */
function openRow(event: MouseEvent): void {
  const href = (event.target as Element).closest("tr")?.querySelector("a")?.href;
  if (!href) return;
  if (event.ctrlKey || event.metaKey) window.open(href, "_blank", "noopener");
  else navigate(href);
}

/** A text that does not fit into its cell is in its title, and what it was before. */
function showCutText(event: PointerEvent): void {
  const cell = (event.target as Element).closest("td");
  if (cell === null) return;
  const box = cell.querySelector(":scope > a, :scope > .health > span") ?? cell;
  const texts = [box.scrollWidth > box.clientWidth && box.textContent, cell.dataset["change"]].filter(Boolean);
  if (texts.length > 0) cell.title = texts.join("\n");
  else cell.removeAttribute("title");
}

interface HeaderCellProps {
  readonly column: TableColumn;
  readonly isSortable: boolean;
  readonly sort: SortKey | null;
  readonly onSort: () => void;
}

function HeaderCell({ column, isSortable, sort, onSort }: HeaderCellProps) {
  const isSorted = sort?.column === column.name;
  const direction = isSorted ? (sort.isDescending ? "descending" : "ascending") : undefined;
  const isNextDescending = isSorted ? !sort.isDescending : (column.isDescendingFirst ?? false);
  const changeOrder = () => {
    setParameters({ sort: formatSort([{ column: column.name, isDescending: isNextDescending }]) }, { replace: true });
    onSort();
    announce(`Sorted by ${column.label}, ${isNextDescending ? "descending" : "ascending"}.`);
  };
  return (
    <th scope="col" aria-sort={direction} class={column.isNumber ? "number" : undefined} title={column.description}>
      {isSortable ? (
        <button type="button" onClick={changeOrder}>
          <span class="cut">{column.label}</span>
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
