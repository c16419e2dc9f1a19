/** Rows of a hierarchy as a table: only the rows in sight are in the document, however many there are. */

import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { pageLength, type Scroller, useVirtualizer, withSpacers } from "./virtual_rows";

export interface TreeRow {
  /** Identifies the row in all versions. */
  readonly key: string;
  /** From 1. */
  readonly level: number;
  /** From 1, among the rows with the same parent. */
  readonly position: number;
  readonly siblingCount: number;
  /** null if nothing is below the row. */
  readonly isExpanded: boolean | null;
}

export interface TreeColumn<Row> {
  readonly title: string;
  /** In rem. The first column has the rest of the width. */
  readonly width?: number;
  readonly isNumber?: boolean;
  /** Not shown where there is little room. */
  readonly isOptional?: boolean;
  readonly render: (row: Row) => ComponentChildren;
  /** The whole text, where there may be no room for it. */
  readonly titleOf?: (row: Row) => string;
}

interface TreeTableProps<Row extends TreeRow> {
  readonly label: string;
  readonly rows: readonly Row[];
  readonly columns: readonly TreeColumn<Row>[];
  readonly selected: string | null;
  readonly onSelect: (row: Row) => void;
  readonly onOpen: (row: Row) => void;
  readonly onToggle: (row: Row, isExpanded: boolean) => void;
  /** The row that has the focus, null if none has it. */
  readonly onFocus: (row: Row | null) => void;
}

/** A table that is not as wide, in rem, does without its optional columns. */
const NARROW_WIDTH = 33;

export function TreeTable<Row extends TreeRow>(props: TreeTableProps<Row>) {
  const { label, rows, selected } = props;
  const scroller = useRef<HTMLDivElement>(null);
  const isNarrow = useIsNarrow(scroller);
  const columns = props.columns.filter(({ isOptional }) => !(isNarrow && isOptional));
  const [activeKey, setActiveKey] = useState<string | null>(null);
  const isFocusWanted = useRef(false);
  const active = findActive(rows, activeKey, selected);
  const virtualizer = useVirtualizer(rows.length, scroller, active < 0 ? null : active);
  const show = (index: number) => virtualizer.scrollToIndex(index, { align: "auto" });

  // What is selected on the map comes into sight, once it is there. Later changes of the data do not scroll.
  const selectedIndex = selected === null ? -1 : rows.findIndex(({ key }) => key === selected);
  const isSelectedThere = selectedIndex >= 0;
  useEffect(() => {
    if (!isSelectedThere) return;
    setActiveKey(selected);
    show(selectedIndex);
  }, [selected, isSelectedThere]);
  useLayoutEffect(() => {
    if (!isFocusWanted.current) return;
    const row = scroller.current?.querySelector<HTMLElement>('tr[tabindex="0"]');
    if (row === null || row === undefined) return;
    isFocusWanted.current = false;
    row.focus({ preventScroll: true });
  });

  const activate = (index: number) => {
    const bounded = Math.max(0, Math.min(rows.length - 1, index));
    const row = rows[bounded];
    if (row === undefined) return;
    isFocusWanted.current = true;
    setActiveKey(row.key);
    show(bounded);
    props.onFocus(row);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (!actOnKey(event.key, rows, active, pageLength(scroller.current), activate, props)) return;
    event.preventDefault();
    event.stopPropagation();
  };

  return (
    <div class="table-scroller tree-table" ref={scroller}>
      {/* biome-ignore lint/a11y/noNoninteractiveElementToInteractiveRole: Rows can be opened: it is a table and a tree. */}
      <table role="treegrid" aria-label={label} aria-rowcount={rows.length + 1}>
        <colgroup>
          {columns.map(({ title, width, isOptional }) => (
            <col
              key={title}
              class={isOptional ? "optional" : undefined}
              style={width === undefined ? undefined : { width: `${width}rem` }}
            />
          ))}
        </colgroup>
        <thead>
          <tr aria-rowindex={1}>
            {columns.map((column) => (
              <th key={column.title} scope="col" class={column.isNumber ? "number" : undefined}>
                {column.title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody
          onKeyDown={onKeyDown}
          onFocusIn={() => props.onFocus(rows[active] ?? null)}
          onFocusOut={() => isFocusWanted.current || props.onFocus(null)}
        >
          {withSpacers(virtualizer.getVirtualItems(), virtualizer.getTotalSize(), columns.length, ({ index }) => {
            const row = rows[index];
            return (
              row && (
                <TreeRowView
                  key={row.key}
                  row={row}
                  index={index}
                  columns={columns}
                  isSelected={row.key === selected}
                  isActive={index === active}
                  onPress={() => {
                    setActiveKey(row.key);
                    props.onSelect(row);
                  }}
                  onOpen={() => props.onOpen(row)}
                  onToggle={() => props.onToggle(row, !row.isExpanded)}
                />
              )
            );
          })}
        </tbody>
      </table>
    </div>
  );
}

interface TreeRowViewProps<Row extends TreeRow> {
  readonly row: Row;
  readonly index: number;
  readonly columns: readonly TreeColumn<Row>[];
  readonly isSelected: boolean;
  readonly isActive: boolean;
  readonly onPress: () => void;
  readonly onOpen: () => void;
  readonly onToggle: () => void;
}

function TreeRowView<Row extends TreeRow>(props: TreeRowViewProps<Row>) {
  const { row, index, columns, isSelected, isActive, onPress, onOpen, onToggle } = props;
  return (
    <tr
      tabIndex={isActive ? 0 : -1}
      aria-rowindex={index + 2}
      aria-level={row.level}
      aria-posinset={row.position}
      aria-setsize={row.siblingCount}
      aria-expanded={row.isExpanded ?? undefined}
      aria-selected={isSelected}
      onClick={onPress}
      onDblClick={onOpen}
    >
      {columns.map((column, position) => (
        <td key={column.title} class={column.isNumber ? "number" : undefined} title={column.titleOf?.(row)}>
          {position === 0 && <Indentation row={row} onToggle={onToggle} />}
          {column.render(row)}
        </td>
      ))}
    </tr>
  );
}

function useIsNarrow(element: Scroller): boolean {
  const [isNarrow, setNarrow] = useState(false);
  useLayoutEffect(() => {
    const { current } = element;
    if (current === null) return;
    const narrow = NARROW_WIDTH * Number.parseFloat(getComputedStyle(document.documentElement).fontSize);
    const observer = new ResizeObserver(() => setNarrow(current.clientWidth < narrow));
    observer.observe(current);
    return () => observer.disconnect();
  }, [element]);
  return isNarrow;
}

/** The space before a name, with what opens and closes the row for the pointer. The keyboard has the arrows. */
function Indentation({ row, onToggle }: { readonly row: TreeRow; readonly onToggle: () => void }) {
  return (
    <span
      class="tree-toggle"
      style={{ "--level": row.level - 1 }}
      aria-hidden="true"
      onClick={(event) => {
        if (row.isExpanded === null) return;
        event.stopPropagation();
        onToggle();
      }}
    >
      {row.isExpanded === null ? "" : row.isExpanded ? "▾" : "▸"}
    </span>
  );
}

function findActive(rows: readonly TreeRow[], activeKey: string | null, selected: string | null): number {
  const index = rows.findIndex(({ key }) => key === (activeKey ?? selected));
  return index < 0 && rows.length > 0 ? 0 : index;
}

/** Do what a key says, as in the pattern of ARIA for tree grids; return whether it says anything. */
function actOnKey<Row extends TreeRow>(
  key: string,
  rows: readonly Row[],
  active: number,
  page: number,
  activate: (index: number) => void,
  { onSelect, onOpen, onToggle }: TreeTableProps<Row>,
): boolean {
  const row = rows[active];
  if (row === undefined) return false;
  switch (key) {
    case "ArrowDown":
      activate(active + 1);
      return true;
    case "ArrowUp":
      activate(active - 1);
      return true;
    case "PageDown":
      activate(active + page);
      return true;
    case "PageUp":
      activate(active - page);
      return true;
    case "Home":
      activate(0);
      return true;
    case "End":
      activate(rows.length - 1);
      return true;
    case "ArrowRight":
      if (row.isExpanded === false) onToggle(row, true);
      else if (row.isExpanded) activate(active + 1);
      return true;
    case "ArrowLeft":
      if (row.isExpanded) onToggle(row, false);
      else activate(findParent(rows, active));
      return true;
    case "Enter":
      onOpen(row);
      return true;
    case " ":
      onSelect(row);
      return true;
    default:
      return false;
  }
}

/** Return the index of the row that contains another one, or that of the row itself at the first level. */
export function findParent(rows: readonly TreeRow[], index: number): number {
  const level = rows[index]?.level ?? 1;
  for (let above = index - 1; above >= 0; above -= 1) {
    if ((rows[above]?.level ?? level) < level) return above;
  }
  return index;
}
