/** Which rows a table shows in which order. What somebody reads does not move when the data change. */

import type { Order } from "../data/client";
import { MARK_MILLISECONDS } from "../data/row_marks";
import type { Summary } from "../data/summary";

/** Where more are gone at once, none of them keeps its place: what is left would be hard to find. */
const MAXIMUM_MIXED = 1000;

const NO_IDS: readonly number[] = [];

interface ObjectName {
  readonly name: string;
  readonly href: string;
}

/** An object that is gone, as it was last known, and since when, in milliseconds. */
interface GoneObject extends ObjectName {
  readonly since: number;
}

type DescribeObject = (summary: Summary, row: number) => ObjectName;

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

/** When the last mark ends, in milliseconds. What is gone is one as well. */
export function marksEndOf({ summary, gone }: StableRows): number {
  let end = summary.marksEnd;
  for (const { since } of gone.values()) end = Math.max(end, since + MARK_MILLISECONDS);
  return end;
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
  now: number,
): StableRows {
  const { ids } = before;
  const rows = Int32Array.from(ids, (id) => summary.rowOfId(id));
  const gone = findGone(before, summary, describe, now);
  const newCount = summary.count - (ids.length - gone.size);
  const isSorted = order === null || order.rows.every((row, index) => summary.ids[row] === ids[index]);
  return { summary, ids, rows, gone, newCount, isOutdated: newCount > 0 || gone.size > 0 || !isSorted };
}

/**
 * The rows in the order of the worker, and among them those that went a moment ago: each stays below the row that it
 * was below, for as long as marks are shown.
 */
export function mixRows(
  before: StableRows,
  summary: Summary,
  order: Order,
  describe: DescribeObject,
  now: number,
): StableRows {
  const all = [...findGone(before, summary, describe, now)];
  const gone = new Map(all.filter(([, { since }]) => now - since < MARK_MILLISECONDS));
  if (gone.size === 0 || gone.size > MAXIMUM_MIXED) return orderRows(summary, order);
  const goneBelow = groupBelow(before, gone, summary);
  const ids = new Uint32Array(summary.count + gone.size);
  const rows = new Int32Array(ids.length).fill(-1);
  let length = 0;
  const addGone = (above: number | null) => {
    for (const id of goneBelow.get(above) ?? NO_IDS) ids[length++] = id;
  };
  addGone(null);
  for (const row of order.rows) {
    const id = summary.ids[row] ?? 0;
    ids[length] = id;
    rows[length++] = row;
    addGone(id);
  }
  return { summary, ids, rows, gone, newCount: 0, isOutdated: true };
}

/** The objects that are gone, by the object above them that is not; null for those above all others. */
function groupBelow(
  { ids }: StableRows,
  gone: ReadonlyMap<number, GoneObject>,
  summary: Summary,
): ReadonlyMap<number | null, readonly number[]> {
  const groups = new Map<number | null, number[]>();
  let above: number | null = null;
  for (const id of ids) {
    if (summary.rowOfId(id) >= 0) above = id;
    else if (gone.has(id)) addTo(groups, above, id);
  }
  return groups;
}

function addTo(groups: Map<number | null, number[]>, above: number | null, id: number): void {
  const group = groups.get(above);
  if (group === undefined) groups.set(above, [id]);
  else group.push(id);
}

function findGone(
  before: StableRows,
  summary: Summary,
  describe: DescribeObject,
  now: number,
): ReadonlyMap<number, GoneObject> {
  const gone = new Map<number, GoneObject>();
  before.ids.forEach((id, index) => {
    if (summary.rowOfId(id) >= 0) return;
    const known = before.gone.get(id);
    gone.set(id, known ?? { ...describe(before.summary, before.rows[index] ?? 0), since: now });
  });
  return gone;
}
