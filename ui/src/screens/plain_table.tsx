/** A table whose rows are all in the document: for some rows, not for thousands. */

import type { ComponentChildren } from "preact";

interface PlainTableProps {
  readonly caption: string;
  readonly columns: readonly string[];
  readonly all?: { readonly href: string; readonly text: string } | null;
  readonly children: ComponentChildren;
}

export function PlainTable({ caption, columns, all = null, children }: PlainTableProps) {
  return (
    <>
      <div class="plain-scroller">
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
      </div>
      {all !== null && (
        <p>
          <a href={all.href}>{all.text}</a>
        </p>
      )}
    </>
  );
}
