/** A table whose rows are all in the document: for some rows, not for thousands. */

import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";

interface PlainTableProps {
  readonly caption: string;
  readonly columns: readonly string[];
  readonly all?: { readonly href: string; readonly text: string } | null;
  readonly children: ComponentChildren;
}

export function PlainTable({ caption, columns, all = null, children }: PlainTableProps) {
  return (
    <>
      <Scroller label={caption}>
        <table class="plain-table">
          <caption class="visually-hidden">{caption}</caption>
          <thead>
            <tr>
              {columns.map((column) => (
                <th key={column} scope="col">
                  {column}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>{children}</tbody>
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
