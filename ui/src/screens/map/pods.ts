/** Where pods are within the cell of their node. */

import type { Rect } from "../../components/view";
import { fitGrid, type Grid, Slots } from "./grid";

/** The pods of a cell: the row of the pod in each slot, -1 where none is any longer. */
export interface PodGrid {
  readonly columns: number;
  readonly rows: number;
  readonly pods: Int32Array;
}

interface PodSource {
  /** The rows of the pods of a cell. */
  podsOf(cell: number): Int32Array;
  /** What identifies a pod within its cell in all versions. */
  podKey(pod: number): number;
  /** What identifies a cell in all versions. */
  cellKey(cell: number): string;
}

const STRIP_HEIGHT = 18;
const STRIP_SHARE = 0.24;
const MARGIN_SHARE = 0.03;

interface Remembered {
  readonly slots: Slots<number>;
  columns: number;
  rows: number;
  version: number;
  grid: PodGrid;
}

/** Places pods when their cell is looked at: most cells are too small to show theirs. */
export class PodPlaces {
  #source: PodSource | undefined;
  #version = 0;
  readonly #remembered = new Map<string, Remembered>();

  /** Use the pods of a new version. */
  update(source: PodSource): void {
    this.#source = source;
    this.#version += 1;
  }

  /** Forget all places, because the cells have other proportions. */
  clear(): void {
    this.#remembered.clear();
  }

  /** Return the pods of a cell with this rectangle, or undefined if it has none. */
  gridOf(cell: number, rect: Rect): PodGrid | undefined {
    const source = this.#source;
    const pods = source?.podsOf(cell);
    if (source === undefined || pods === undefined || pods.length === 0) {
      return undefined;
    }
    const key = source.cellKey(cell);
    const remembered = this.#remembered.get(key) ?? {
      slots: new Slots<number>(),
      columns: 0,
      rows: 0,
      version: -1,
      grid: { columns: 0, rows: 0, pods },
    };
    if (remembered.version !== this.#version) {
      this.#remembered.set(key, remembered);
      remembered.grid = placePods(source, pods, remembered, rect);
      remembered.version = this.#version;
    }
    return remembered.grid;
  }
}

function placePods(source: PodSource, pods: Int32Array, remembered: Remembered, rect: Rect): PodGrid {
  const { slots } = remembered;
  const assigned = slots.assign(Array.from(pods, (pod) => source.podKey(pod)));
  if (slots.size > remembered.columns * remembered.rows) {
    const { columns, rows } = fitGrid(podArea(rect, 1), slots.size);
    remembered.columns = columns;
    remembered.rows = rows;
  }
  const placed = new Int32Array(slots.size).fill(-1);
  for (const [index, slot] of assigned.entries()) {
    placed[slot] = pods[index] ?? -1;
  }
  return { columns: remembered.columns, rows: remembered.rows, pods: placed };
}

/** Return the height of the strip with the name of a node, at a scale, in the units of its rectangle. */
export function stripHeight(rect: Rect, scale: number): number {
  return Math.min(STRIP_HEIGHT / scale, rect.height * STRIP_SHARE);
}

/** Return the part of the rectangle of a node in which its pods are, at a scale. */
function podArea(rect: Rect, scale: number): Rect {
  const margin = Math.min(2 / scale, rect.width * MARGIN_SHARE);
  const strip = stripHeight(rect, scale);
  return {
    x: rect.x + margin,
    y: rect.y + strip,
    width: rect.width - 2 * margin,
    height: rect.height - strip - margin,
  };
}

/** Return the grid of the pods as a rectangle with cells, at a scale. */
export function podCells({ columns, rows }: PodGrid, rect: Rect, scale: number): Grid {
  const area = podArea(rect, scale);
  return { ...area, columns, rows, cellWidth: area.width / columns, cellHeight: area.height / rows };
}
