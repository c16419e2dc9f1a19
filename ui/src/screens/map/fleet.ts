/** Clusters, nodes and pods of the summaries, joined: what is in what. */
import { type Categories, Summary, type SummaryKind } from "../../data/summary";
import { safeText } from "../../format";
import type { Group } from "./arrangement";

/** A node, or the pods of a cluster whose node is not known. */
export interface Cell {
  /** The row of the node, or -1. */
  readonly row: number;
  readonly cluster: string;
  readonly name: string;
  readonly key: string;
}

export const GROUPINGS = { cluster: "Cluster", country: "Country", type: "Type" } as const;
export type Grouping = keyof typeof GROUPINGS;

/** The summaries of one version. */
export interface Summaries {
  readonly clusters: Summary;
  readonly nodes: Summary;
  readonly pods: Summary;
}

const COLLATOR = new Intl.Collator("en", { numeric: true });
const COUNTRY_NAMES = new Intl.DisplayNames(["en"], { type: "region", fallback: "code" });

/** One version of the objects. */
export class Fleet {
  readonly clusters: Summary;
  readonly nodes: Summary;
  readonly pods: Summary;
  readonly cells: readonly Cell[];
  /** The cell of each pod. */
  readonly cellOfPod: Int32Array;
  readonly #podStarts: Int32Array;
  readonly #pods: Int32Array;
  readonly #cellIndexes: ReadonlyMap<string, number>;

  constructor({ clusters, nodes, pods }: Summaries) {
    this.clusters = clusters;
    this.nodes = nodes;
    this.pods = pods;
    const cells = new Cells(nodes);
    this.cellOfPod = cells.placePods(pods);
    this.cells = cells.list;
    this.#cellIndexes = cells.indexes;
    [this.#podStarts, this.#pods] = groupRows(this.cellOfPod, this.cells.length);
  }

  podsOf(cell: number): Int32Array {
    return this.#pods.subarray(this.#podStarts[cell] ?? 0, this.#podStarts[cell + 1] ?? 0);
  }

  podKey(pod: number): number {
    return this.pods.ids[pod] ?? 0;
  }

  cellKey(cell: number): string {
    return this.cells[cell]?.key ?? "";
  }

  /** Return the cell of a node, or -1. */
  cellOfNode(cluster: string, node: string): number {
    return this.#cellIndexes.get(nodeKey(cluster, node)) ?? -1;
  }

  /** Return the cells as groups, sorted by their labels. */
  groupBy(grouping: Grouping): Group[] {
    const groups = new Map<string, number[]>();
    if (grouping === "cluster") {
      for (let row = 0; row < this.clusters.count; row += 1) groups.set(this.clusters.text("name", row), []);
    }
    for (const [index, { row, cluster }] of this.cells.entries()) {
      const key = grouping === "cluster" ? cluster : row < 0 ? "" : this.nodes.text(grouping, row);
      const cells = groups.get(key);
      if (cells) cells.push(index);
      else groups.set(key, [index]);
    }
    return [...groups]
      .map(([key, cells]) => {
        const cellKeys = cells.map((cell) => this.cellKey(cell));
        return { key, label: labelOf(grouping, key), cells: Int32Array.from(cells), cellKeys };
      })
      .sort((left, right) => COLLATOR.compare(left.label, right.label));
  }
}

/** The cells of nodes, and those of pods without one, which are added when the pods are placed. */
class Cells {
  readonly list: Cell[] = [];
  readonly indexes = new Map<string, number>();
  readonly #unplaced = new Map<string, number>();

  constructor(nodes: Summary) {
    for (let row = 0; row < nodes.count; row += 1) {
      const [cluster = "", name = ""] = nodes.names(row);
      this.#add({ row, cluster, name });
    }
  }

  placePods(pods: Summary): Int32Array {
    const clusters = encode(pods, "cluster");
    const nodes = encode(pods, "node");
    // Pods of the same node have the same pair of codes: most need no text.
    const known = new Map<number, number>();
    const cells = new Int32Array(pods.count);
    for (let row = 0; row < pods.count; row += 1) {
      const cluster = clusters.indexes[row] ?? 0;
      const node = nodes.indexes[row] ?? 0;
      const pair = cluster * nodes.names.length + node;
      let cell = known.get(pair);
      if (cell === undefined) {
        cell = this.#find(clusters.names[cluster] ?? "", nodes.names[node] ?? "");
        known.set(pair, cell);
      }
      cells[row] = cell;
    }
    return cells;
  }

  #find(cluster: string, node: string): number {
    const cell = this.indexes.get(nodeKey(cluster, node)) ?? this.#unplaced.get(cluster);
    if (cell !== undefined) return cell;
    const added = this.list.length;
    this.list.push({ row: -1, cluster, name: "", key: `unplaced\0${cluster}` });
    this.#unplaced.set(cluster, added);
    return added;
  }

  #add({ row, cluster, name }: Omit<Cell, "key">): void {
    const key = nodeKey(cluster, name);
    this.indexes.set(key, this.list.length);
    this.list.push({ row, cluster, name, key });
  }
}

/** Return the different texts of a column, and for each row the index of its text. */
function encode(objects: Summary, column: string): Categories {
  const categories = objects.categories(column);
  if (categories !== null) return categories;
  const known = new Map<string, number>();
  const indexes = Uint32Array.from({ length: objects.count }, (_, row) => {
    const text = objects.text(column, row);
    const index = known.get(text) ?? known.size;
    known.set(text, index);
    return index;
  });
  return { names: [...known.keys()], indexes };
}

/** Return the rows of each group one behind the other, and where those of each group start. */
function groupRows(groupOf: Int32Array, groupCount: number): [Int32Array, Int32Array] {
  const starts = new Int32Array(groupCount + 1);
  for (const group of groupOf) starts[group + 1] = (starts[group + 1] ?? 0) + 1;
  for (let group = 0; group < groupCount; group += 1)
    starts[group + 1] = (starts[group + 1] ?? 0) + (starts[group] ?? 0);
  const next = starts.slice();
  const rows = new Int32Array(groupOf.length);
  for (const [row, group] of groupOf.entries()) {
    const place = next[group] ?? 0;
    rows[place] = row;
    next[group] = place + 1;
  }
  return [starts, rows];
}

function nodeKey(cluster: string, node: string): string {
  return `${cluster}\0${node}`;
}

function labelOf(grouping: Grouping, key: string): string {
  if (key === "") return grouping === "country" ? "no position" : `no ${grouping}`;
  return grouping === "country" ? countryName(key) : safeText(key);
}

/** Return the name of a country. Codes are telemetry: others than those of ISO 3166 are shown as they are. */
export function countryName(code: string): string {
  return /^[A-Z]{2}$/.test(code) ? (COUNTRY_NAMES.of(code) ?? code) : safeText(code);
}

/** Return a summary of nothing, in place of one that is not there yet. */
export function emptySummary(kind: SummaryKind): Summary {
  return new Summary(kind, { revision: 0, columns: { version: "", count: 0, columns: {} }, ids: new Uint32Array() });
}

export const EMPTY_FLEET = new Fleet({
  clusters: emptySummary("clusters"),
  nodes: emptySummary("nodes"),
  pods: emptySummary("pods"),
});
