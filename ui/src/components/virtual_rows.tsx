/** Virtual rows of a table: spacers stand where rows are not in the document. */

import {
  elementScroll,
  observeElementOffset,
  observeElementRect,
  type Range,
  type VirtualItem,
  Virtualizer,
} from "@tanstack/virtual-core";
import type { ComponentChildren, RefObject } from "preact";
import { useLayoutEffect, useReducer, useState } from "preact/hooks";
import { recallScroll, rememberScroll } from "../router";

/** In rem, as --row-height. */
const ROW_HEIGHT = 2;
/** Rows that are drawn beyond the edges. */
const OVERSCAN = 6;

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

/** What is in sight of `count` rows. With the name `memory`, back and forward find the table as it was scrolled. */
export function useVirtualizer(count: number, scroller: Scroller, focused: number | null, memory?: string) {
  const [, draw] = useReducer((changes: number) => changes + 1, 0);
  // Once, and not for each of the rows: the browser would compute the style of the document as often.
  const height = rowHeight();
  const options = {
    count,
    getScrollElement: () => scroller.current,
    estimateSize: () => height,
    overscan: OVERSCAN,
    initialOffset: () => (memory === undefined ? 0 : recallScroll(memory)),
    scrollToFn: elementScroll,
    observeElementRect,
    observeElementOffset,
    // The header covers the first row.
    scrollPaddingStart: height,
    onChange: (instance: TableVirtualizer) => {
      if (memory !== undefined) rememberScroll(memory, instance.scrollOffset ?? 0);
      draw(undefined);
    },
    rangeExtractor: (range: Range) => {
      const first = Math.max(0, range.startIndex - range.overscan);
      const last = Math.min(range.count - 1, range.endIndex + range.overscan);
      const indexes = Array.from({ length: last - first + 1 }, (_, place) => first + place);
      // The row with the focus stays in the document: the focus would be lost with it.
      if (focused !== null && focused < first) indexes.unshift(focused);
      if (focused !== null && focused > last && focused < range.count) indexes.push(focused);
      return indexes;
    },
  };
  const [virtualizer] = useState(() => new Virtualizer<HTMLDivElement, HTMLTableRowElement>(options));
  virtualizer.setOptions(options);
  useLayoutEffect(() => virtualizer._didMount(), [virtualizer]);
  useLayoutEffect(() => virtualizer._willUpdate());
  return virtualizer;
}

type TableVirtualizer = Virtualizer<HTMLDivElement, HTMLTableRowElement>;
