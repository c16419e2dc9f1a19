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
  const pods = Uint8Array.from(fleet.cellOfPod, (cell) => cells[cell] ?? 0);
  return { cells, pods };
}

function matchPods(fleet: Fleet, matching: Summary): Matches {
  const keys = new Set<string>();
  for (let row = 0; row < matching.count; row += 1) keys.add(podKey(matching, row));
  const pods = new Uint8Array(fleet.pods.count);
  const cells = new Uint8Array(fleet.cells.length);
  for (let row = 0; row < pods.length && keys.size > 0; row += 1) {
    if (!keys.has(podKey(fleet.pods, row))) continue;
    pods[row] = 1;
    cells[fleet.cellOfPod[row] ?? 0] = 1;
  }
  return { cells, pods };
}

function podKey(pods: Summary, row: number): string {
  return pods.names(row).join("\0");
}
