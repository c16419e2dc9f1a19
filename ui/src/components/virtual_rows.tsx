/** Virtual rows of a table: spacers stand where rows are not in the document. */

import {
  elementScroll,
  observeElementOffset,
  observeElementRect,
  type VirtualItem,
  Virtualizer,
} from "@tanstack/virtual-core";
import type { ComponentChildren, RefObject } from "preact";
import { useLayoutEffect, useReducer, useState } from "preact/hooks";

/** In rem, as in table.css. */
const ROW_HEIGHT = 2;
const OVERSCAN = 8;

export type Scroller = RefObject<HTMLDivElement | null>;

export function pageLength(scroller: HTMLElement | null): number {
  return Math.max(1, Math.floor((scroller?.clientHeight ?? 0) / rowHeight()) - 2);
}

function rowHeight(): number {
  return ROW_HEIGHT * Number.parseFloat(getComputedStyle(document.documentElement).fontSize);
}

/** Rows between spacers as high as the rows that are not in the document. */
export function withSpacers(
  items: readonly VirtualItem[],
  total: number,
  columnCount: number,
  render: (item: VirtualItem) => ComponentChildren,
): ComponentChildren[] {
  const parts: ComponentChildren[] = [];
  let end = 0;
  const fill = (start: number, key: string) => {
    if (start <= end) return;
    parts.push(
      // biome-ignore lint/a11y/noAriaHiddenOnFocusable: Nothing in it can have the focus.
      <tr key={key} class="spacer" aria-hidden="true">
        <td colSpan={columnCount} style={{ height: `${start - end}px` }} />
      </tr>,
    );
  };
  for (const item of items) {
    fill(item.start, `before ${item.index}`);
    parts.push(render(item));
    end = item.end;
  }
  fill(total, "after");
  return parts;
}

export function useVirtualizer(count: number, scroller: Scroller, focused: number | null) {
  const [, draw] = useReducer((changes: number) => changes + 1, 0);
  const options = {
    count,
    getScrollElement: () => scroller.current,
    estimateSize: rowHeight,
    overscan: OVERSCAN,
    scrollToFn: elementScroll,
    observeElementRect,
    observeElementOffset,
    // The header covers the first row.
    scrollPaddingStart: rowHeight(),
    onChange: () => draw(undefined),
    rangeExtractor: (range: { startIndex: number; endIndex: number; overscan: number; count: number }) => {
      const first = Math.max(0, range.startIndex - range.overscan);
      const last = Math.min(range.count - 1, range.endIndex + range.overscan);
      const indexes = Array.from({ length: last - first + 1 }, (_, index) => first + index);
      // The row with the focus stays in the document: the focus would be lost with it.
      if (focused !== null && focused < first) indexes.unshift(focused);
      if (focused !== null && focused > last) indexes.push(focused);
      return indexes;
    },
  };
  const [virtualizer] = useState(() => new Virtualizer<HTMLDivElement, HTMLTableRowElement>(options));
  virtualizer.setOptions(options);
  useLayoutEffect(() => virtualizer._didMount(), [virtualizer]);
  useLayoutEffect(() => virtualizer._willUpdate());
  return virtualizer;
}
