/** The rows of the table beside the world: places and their hosts. */
import type { TreeRow } from "../../components/tree_table";
import type { Summary } from "../../data/summary";
import { objectKey } from "../../router";
import { objectOfRow } from "../objects";
import type { Place } from "./places";

export interface WorldRow extends TreeRow {
  readonly place: Place;
  /** The row of the node, null for the place as a whole. */
  readonly host: number | null;
  /** The hosts of the place that match the filter. */
  readonly hosts: readonly number[];
}

/** Places are open if they have so few hosts together. */
const OPEN_HOST_COUNT = 40;

/** Return the rows that are not in closed ones. `matches` has 1 for each node that matches the filter. */
export function listRows(
  nodes: Summary,
  places: readonly Place[],
  matches: Uint8Array | null,
  openings: ReadonlyMap<string, boolean>,
): WorldRow[] {
  const shown = places
    .map((place) => ({ place, hosts: place.hosts.filter((row) => matches?.[row] !== 0) }))
    .filter(({ hosts }) => hosts.length > 0);
  const isFew = shown.reduce((sum, { hosts }) => sum + hosts.length, 0) <= OPEN_HOST_COUNT;
  return shown.flatMap(({ place, hosts }, index) => {
    const isExpanded = openings.get(place.key) ?? isFew;
    const row = { key: place.key, level: 1, position: index + 1, siblingCount: shown.length, isExpanded, place, hosts };
    return [
      { ...row, host: null },
      ...(isExpanded ? hosts.map((host, at) => hostRow(nodes, place, hosts, host, at)) : []),
    ];
  });
}

function hostRow(nodes: Summary, place: Place, hosts: readonly number[], host: number, index: number): WorldRow {
  return {
    key: hostKey(nodes, host),
    level: 2,
    position: index + 1,
    siblingCount: hosts.length,
    isExpanded: null,
    place,
    host,
    hosts,
  };
}

export function hostKey(nodes: Summary, row: number): string {
  return objectKey(objectOfRow(nodes, row));
}

/** Return the place and the hosts that a key selects, null if they are not there. */
export function findSelected(
  nodes: Summary,
  places: readonly Place[],
  key: string,
): { readonly place: Place; readonly host: number | null } | null {
  if (key === "") return null;
  const place = places.find((candidate) => candidate.key === key);
  if (place) return { place, host: null };
  for (const candidate of places) {
    const host = candidate.hosts.find((row) => hostKey(nodes, row) === key);
    if (host !== undefined) return { place: candidate, host };
  }
  return null;
}

/** Return 1 for each node that the gateway found. */
export function matchNodes(nodes: Summary, matching: Summary | null): Uint8Array | null {
  if (matching === null) return null;
  const matches = new Uint8Array(nodes.count);
  const keys = new Set<string>();
  for (let row = 0; row < matching.count; row += 1) keys.add(hostKey(matching, row));
  for (let row = 0; row < nodes.count; row += 1) if (keys.has(hostKey(nodes, row))) matches[row] = 1;
  return matches;
}
