/** The rows of the table beside the map: the same groups, nodes and pods. */

import type { TreeRow } from "../../components/tree_table";
import { joinKey, type ObjectRef, objectKey, parseObjectKey } from "../../router";
import { objectOfRow } from "../objects";
import type { Group } from "./arrangement";
import type { Fleet } from "./fleet";
import type { Matches, Picture, Target } from "./picture";

export interface MapRow extends TreeRow {
  readonly target: Target;
}

/** Which rows are open, where that is not as usual. */
type Openings = ReadonlyMap<string, boolean>;

/** Groups are open if they contain so few nodes, and nodes if so few pods match the filter. */
const OPEN_NODE_COUNT = 60;
const OPEN_POD_COUNT = 100;

type Parts = Pick<Picture, "fleet" | "grouping" | "groups" | "matches">;

/** Return the rows that are not in closed ones. What does not match the filter is left out. */
export function listRows(parts: Parts, openings: Openings): MapRow[] {
  const { groups, matches } = parts;
  const shown = groups
    .map((group) => ({ group, cells: matchingCells(group, matches) }))
    .filter(({ cells }) => cells.length > 0 || matches.cells === null);
  const nodeCount = shown.reduce((sum, { cells }) => sum + cells.length, 0);
  const areGroupsOpen = nodeCount <= OPEN_NODE_COUNT;
  const areNodesOpen = matches.pods !== null && count(matches.pods) <= OPEN_POD_COUNT;
  return shown.flatMap(({ group, cells }, index) => {
    const key = groupRowKey(parts, group.key);
    const isOpen = openings.get(key) ?? areGroupsOpen;
    const row: MapRow = {
      key,
      level: 1,
      position: index + 1,
      siblingCount: shown.length,
      isExpanded: cells.length > 0 ? isOpen : null,
      target: { kind: "group", key: group.key },
    };
    return [row, ...(isOpen ? listCells(parts, cells, openings, areNodesOpen) : [])];
  });
}

function listCells(
  { fleet, matches }: Parts,
  cells: readonly number[],
  openings: Openings,
  areOpen: boolean,
): MapRow[] {
  return cells.flatMap((cell, index) => {
    const key = cellRowKey(fleet, cell);
    const pods = [...fleet.podsOf(cell)].filter((pod) => matches.pods?.[pod] !== 0);
    const isOpen = openings.get(key) ?? areOpen;
    const row: MapRow = {
      key,
      level: 2,
      position: index + 1,
      siblingCount: cells.length,
      isExpanded: pods.length > 0 ? isOpen : null,
      target: { kind: "cell", cell },
    };
    return [row, ...(isOpen ? listPods(fleet, cell, pods) : [])];
  });
}

function listPods(fleet: Fleet, cell: number, pods: readonly number[]): MapRow[] {
  return pods.map((pod, index) => ({
    key: podRowKey(fleet, pod),
    level: 3,
    position: index + 1,
    siblingCount: pods.length,
    isExpanded: null,
    target: { kind: "pod", cell, pod },
  }));
}

function matchingCells(group: Group, { cells }: Matches): number[] {
  return [...group.cells].filter((cell) => cells?.[cell] !== 0);
}

function count(flags: Uint8Array): number {
  return flags.reduce((sum, flag) => sum + flag, 0);
}

/** Return the key of the row of something on the map, which is also what selects it in the address. */
export function rowKeyOf(parts: Parts, target: Target): string {
  switch (target.kind) {
    case "group":
      return groupRowKey(parts, target.key);
    case "cell":
      return cellRowKey(parts.fleet, target.cell);
    case "pod":
      return podRowKey(parts.fleet, target.pod);
  }
}

/** Return where the row with a key is on the map, null if there is none. */
export function targetOf(parts: Parts, key: string): Target | null {
  const { fleet, groups } = parts;
  const object = parseObjectKey(key);
  switch (object?.kind) {
    case "node":
      return cellTarget(fleet.cellOfNode(object.cluster, object.node));
    case "pod":
    case "container": {
      const pod = fleet.pods.rowOf([object.cluster, object.namespace, object.pod]);
      return pod < 0 ? null : { kind: "pod", cell: fleet.cellOfPod[pod] ?? 0, pod };
    }
  }
  const group = groups.find((candidate) => groupRowKey(parts, candidate.key) === key);
  if (group !== undefined) return { kind: "group", key: group.key };
  return cellTarget(fleet.cells.findIndex(({ row }, cell) => row < 0 && cellRowKey(fleet, cell) === key));
}

function cellTarget(cell: number): Target | null {
  return cell < 0 ? null : { kind: "cell", cell };
}

/** Return the keys of the rows that contain the row of something. */
export function parentKeysOf(parts: Parts, target: Target): string[] {
  if (target.kind === "group") return [];
  const group = parts.groups.find(({ cells }) => cells.includes(target.cell));
  const keys = group === undefined ? [] : [groupRowKey(parts, group.key)];
  return target.kind === "pod" ? [...keys, cellRowKey(parts.fleet, target.cell)] : keys;
}

/** Return the object that is shown at a target, null if the API has none. */
export function objectOf({ fleet, grouping }: Parts, target: Target): ObjectRef | null {
  switch (target.kind) {
    case "group":
      return grouping === "cluster" && target.key !== "" ? { kind: "cluster", cluster: target.key } : null;
    case "cell": {
      const { row = -1, cluster = "", name = "" } = fleet.cells[target.cell] ?? {};
      return row < 0 ? null : { kind: "node", cluster, node: name };
    }
    case "pod":
      return objectOfRow(fleet.pods, target.pod);
  }
}

function groupRowKey({ grouping }: Parts, key: string): string {
  return joinKey(grouping, key);
}

function cellRowKey(fleet: Fleet, cell: number): string {
  const { row = -1, cluster = "", name = "" } = fleet.cells[cell] ?? {};
  return row < 0 ? joinKey("unplaced", cluster) : objectKey({ kind: "node", cluster, node: name });
}

function podRowKey(fleet: Fleet, pod: number): string {
  return objectKey(objectOfRow(fleet.pods, pod));
}
