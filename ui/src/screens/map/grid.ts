/** Grids of equal cells in a rectangle, and which slot of the grid belongs to which key. */
import type { Rect } from "../../components/view";

/** Cells in rows from the top left: the cell of slot `n` is in column `n % columns`. */
export interface Grid extends Rect {
  readonly columns: number;
  readonly rows: number;
  readonly cellWidth: number;
  readonly cellHeight: number;
}

/** Cells contain text, which needs width: the best cell is this many times as wide as high. */
const PREFERRED_ASPECT = 1.4;

/** Return the grid with at least `count` cells whose cells are largest, judged by their smaller side. */
export function fitGrid(area: Rect, count: number): Grid {
  let best = makeGrid(area, 1, Math.max(1, count));
  for (let columns = 2; columns <= count; columns += 1) {
    const grid = makeGrid(area, columns, Math.ceil(count / columns));
    if (usefulSide(grid) > usefulSide(best)) best = grid;
  }
  return best;
}

/** Return the rectangle of a slot. */
export function rectOfSlot(grid: Grid, slot: number): Rect {
  return {
    x: grid.x + (slot % grid.columns) * grid.cellWidth,
    y: grid.y + Math.floor(slot / grid.columns) * grid.cellHeight,
    width: grid.cellWidth,
    height: grid.cellHeight,
  };
}

/** Return the slot at a point, or -1 if the point is outside of the grid. */
export function slotAt(grid: Grid, x: number, y: number): number {
  const column = Math.floor((x - grid.x) / grid.cellWidth);
  const row = Math.floor((y - grid.y) / grid.cellHeight);
  return column >= 0 && column < grid.columns && row >= 0 && row < grid.rows ? row * grid.columns + column : -1;
}

export function isInside(rect: Rect, x: number, y: number): boolean {
  return x >= rect.x && x < rect.x + rect.width && y >= rect.y && y < rect.y + rect.height;
}

/** Return what remains of a rectangle without a strip at its top and a margin at the other sides. */
export function inset(rect: Rect, top: number, margin: number): Rect {
  return {
    x: rect.x + margin,
    y: rect.y + top,
    width: Math.max(0, rect.width - 2 * margin),
    height: Math.max(0, rect.height - top - margin),
  };
}

function makeGrid(area: Rect, columns: number, rows: number): Grid {
  const { x, y, width, height } = area;
  return { x, y, width, height, columns, rows, cellWidth: width / columns, cellHeight: height / rows };
}

function usefulSide(grid: Grid): number {
  return Math.min(grid.cellWidth, grid.cellHeight * PREFERRED_ASPECT);
}

/**
 * Which key has which slot. A key keeps its slot while others come and go, also while it is gone itself, as long as
 * no other key needs the slot.
 */
export class Slots<Key extends string | number> {
  readonly #slots = new Map<Key, number>();
  readonly #keys: Key[] = [];

  /** How many slots were ever in use at the same time. */
  get size(): number {
    return this.#keys.length;
  }

  keyOf(slot: number): Key | undefined {
    return this.#keys[slot];
  }

  /** Assign slots to all keys and return them in the order of the keys. */
  assign(keys: readonly Key[]): Int32Array {
    const added = keys.filter((key) => !this.#slots.has(key));
    if (added.length > 0) {
      const present = new Set(keys);
      const free = [...this.#keys.keys()].filter((slot) => !present.has(this.#keys[slot] as Key));
      for (const [index, key] of added.entries()) this.#place(key, free[index] ?? this.#keys.length);
    }
    return Int32Array.from(keys, (key) => this.#slots.get(key) ?? -1);
  }

  #place(key: Key, slot: number): void {
    const former = this.#keys[slot];
    if (former !== undefined) this.#slots.delete(former);
    this.#keys[slot] = key;
    this.#slots.set(key, slot);
  }
}
