/** Which cells and pods match the filter of the address. */
import type { Summary } from "../../data/summary";
import type { Fleet } from "./fleet";
import type { Matches } from "./picture";

export const LEVELS = { nodes: "Nodes", pods: "Pods" } as const;
/** The kind of objects that a filter is about. */
export type Level = keyof typeof LEVELS;

export const EVERYTHING: Matches = { cells: null, pods: null };

/** Return what matches: `matching` are the nodes or pods that the gateway found, null if there is no filter. */
export function findMatches(fleet: Fleet, matching: Summary | null): Matches {
  if (matching === null) return EVERYTHING;
  return matching.kind === "pods" ? matchPods(fleet, matching) : matchNodes(fleet, matching);
}

function matchNodes(fleet: Fleet, matching: Summary): Matches {
  const cells = new Uint8Array(fleet.cells.length);
  for (let row = 0; row < matching.count; row += 1) {
    const cell = fleet.cellOfNode(matching.text("cluster", row), matching.text("name", row));
    if (cell >= 0) cells[cell] = 1;
  }
  const pods = new Uint8Array(fleet.pods.count);
  for (let row = 0; row < pods.length; row += 1) pods[row] = cells[fleet.cellOfPod[row] ?? 0] ?? 0;
  return { cells, pods };
}

function matchPods(fleet: Fleet, matching: Summary): Matches {
  const pods = new Uint8Array(fleet.pods.count);
  const cells = new Uint8Array(fleet.cells.length);
  const light = (row: number) => {
    pods[row] = 1;
    cells[fleet.cellOfPod[row] ?? 0] = 1;
  };
  // Both are in the order of the list: without changes in between, one walk finds all of them.
  let next = 0;
  for (let row = 0; row < pods.length && next < matching.count; row += 1) {
    if (!isSamePod(fleet.pods, row, matching, next)) continue;
    light(row);
    next += 1;
  }
  if (next < matching.count) {
    const rows = new Map<string, number>();
    for (let row = 0; row < pods.length; row += 1) rows.set(podKey(fleet.pods, row), row);
    for (; next < matching.count; next += 1) {
      const row = rows.get(podKey(matching, next));
      if (row !== undefined) light(row);
    }
  }
  return { cells, pods };
}

function isSamePod(left: Summary, leftRow: number, right: Summary, rightRow: number): boolean {
  // The name differs most.
  return (
    left.text("name", leftRow) === right.text("name", rightRow) &&
    left.text("namespace", leftRow) === right.text("namespace", rightRow) &&
    left.text("cluster", leftRow) === right.text("cluster", rightRow)
  );
}

function podKey(pods: Summary, row: number): string {
  return pods.names(row).join("\0");
}
