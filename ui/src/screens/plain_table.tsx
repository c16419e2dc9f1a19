/** A table whose rows are all in the document: for hundreds of rows, not for thousands. */

import { type ComponentChildren, toChildArray } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";

/** So many rows are drawn in one frame, so that the page answers in between. */
const ROWS_PER_FRAME = 25;

interface PlainTableProps {
  readonly caption: string;
  readonly columns: readonly string[];
  /** Those of them that are numbers; their cells have the class `number`, too. */
  readonly numbers?: readonly string[];
  /** Where the rows are that it does not have. */
  readonly all?: { readonly href: string; readonly text: string } | null;
  /** The rows. */
  readonly children: ComponentChildren;
}

export function PlainTable({ caption, columns, numbers = [], all = null, children }: PlainTableProps) {
  const rows = toChildArray(children);
  const drawnCount = useGrowingCount(rows.length);
  return (
    <>
      <Scroller label={caption}>
        <table class="plain-table" aria-busy={drawnCount < rows.length}>
          <caption class="visually-hidden">{caption}</caption>
          <thead>
            <tr>
              {columns.map((column) => (
                <th key={column} scope="col" class={numbers.includes(column) ? "number" : undefined}>
                  {column}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>{rows.slice(0, drawnCount)}</tbody>
        </table>
      </Scroller>
      {all !== null && (
        <p>
          <a href={all.href}>{all.text}</a>
        </p>
      )}
    </>
  );
}

/** How many of `count` rows to draw: more with each frame, until it is all of them. */
function useGrowingCount(count: number): number {
  const [drawn, setDrawn] = useState(ROWS_PER_FRAME);
  useEffect(() => {
    if (drawn >= count) return;
    const frame = requestAnimationFrame(() => setDrawn(drawn + ROWS_PER_FRAME));
    return () => cancelAnimationFrame(frame);
  }, [drawn, count]);
  return Math.min(drawn, count);
}

/** Scrolls sideways if its content is too wide. Then it can have the focus: the keyboard scrolls what has it. */
function Scroller({ label, children }: { readonly label: string; readonly children: ComponentChildren }) {
  const element = useRef<HTMLDivElement>(null);
  const [isScrolling, setScrolling] = useState(false);
  useLayoutEffect(() => {
    if (element.current === null) return;
    const { current } = element;
    const observer = new ResizeObserver(() => setScrolling(current.scrollWidth > current.clientWidth));
    observer.observe(current);
    for (const child of current.children) observer.observe(child);
    return () => observer.disconnect();
  }, []);
  // No region: the section around it often has the same name, and landmarks must differ.
  const focusable = isScrolling ? ({ tabIndex: 0, role: "group", "aria-label": label } as const) : {};
  return (
    <div class="plain-scroller" ref={element} {...focusable}>
      {children}
    </div>
  );
}
