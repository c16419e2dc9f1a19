/** Which rows a table shows in which order. What somebody reads does not move when the data change. */

import type { Order } from "../data/client";
import type { Summary } from "../data/summary";

export interface StableRows {
  /** For each row of the table the number of its object. */
  readonly ids: Uint32Array;
  /** For each row of the table the row of the summary, -1 if the object is gone. */
  readonly rows: Int32Array;
  /** Objects that are not shown, because they are new. */
  readonly newCount: number;
  readonly goneCount: number;
  /** Whether sorting again would show something else. */
  readonly isOutdated: boolean;
}

/** The rows in the order of the worker. */
export function orderRows(summary: Summary, order: Order): StableRows {
  const rows = Int32Array.from(order.rows);
  const ids = order.rows.map((row) => summary.ids[row] ?? 0);
  return { ids, rows, newCount: 0, goneCount: 0, isOutdated: false };
}

/** The rows that are shown, with new data. `order` is null until that of the new data is known. */
export function keepRows(ids: Uint32Array, summary: Summary, order: Order | null): StableRows {
  const rows = new Int32Array(ids.length);
  let goneCount = 0;
  for (let index = 0; index < ids.length; index += 1) {
    const row = summary.rowOfId(ids[index] ?? 0);
    rows[index] = row;
    if (row < 0) goneCount += 1;
  }
  const newCount = summary.count - (ids.length - goneCount);
  const isSorted = order === null || order.rows.every((row, index) => summary.ids[row] === ids[index]);
  return { ids, rows, newCount, goneCount, isOutdated: newCount > 0 || goneCount > 0 || !isSorted };
}
