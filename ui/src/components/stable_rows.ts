/** Which rows a table shows in which order. What somebody reads does not move when the data change. */

import type { Order } from "../data/client";
import type { Summary } from "../data/summary";

/** An object that is gone, as it was last known. */
interface GoneObject {
  readonly name: string;
  readonly href: string;
}

type DescribeObject = (summary: Summary, row: number) => GoneObject;

export interface StableRows {
  readonly summary: Summary;
  /** For each row of the table the number of its object. */
  readonly ids: Uint32Array;
  /** For each row of the table the row of the summary, -1 if the object is gone. */
  readonly rows: Int32Array;
  /** The objects that are gone, by their numbers. */
  readonly gone: ReadonlyMap<number, GoneObject>;
  /** Objects that are not shown, because they are new. */
  readonly newCount: number;
  /** Whether sorting again would show something else. */
  readonly isOutdated: boolean;
}

/** The rows in the order of the worker, which must be that of this summary. */
export function orderRows(summary: Summary, order: Order): StableRows {
  const ids = order.rows.map((row) => summary.ids[row] ?? 0);
  return { summary, ids, rows: Int32Array.from(order.rows), gone: new Map(), newCount: 0, isOutdated: false };
}

/** The same rows with new data. `order` is null until that of the new data is known. */
export function keepRows(
  before: StableRows,
  summary: Summary,
  order: Order | null,
  describe: DescribeObject,
): StableRows {
  const { ids } = before;
  const rows = Int32Array.from(ids, (id) => summary.rowOfId(id));
  const gone = new Map<number, GoneObject>();
  for (let index = 0; index < ids.length; index += 1) {
    if ((rows[index] ?? 0) >= 0) continue;
    const id = ids[index] ?? 0;
    const known = before.gone.get(id);
    gone.set(id, known ?? describe(before.summary, before.rows[index] ?? 0));
  }
  const newCount = summary.count - (ids.length - gone.size);
  const isSorted = order === null || order.rows.every((row, index) => summary.ids[row] === ids[index]);
  return { summary, ids, rows, gone, newCount, isOutdated: newCount > 0 || gone.size > 0 || !isSorted };
}
