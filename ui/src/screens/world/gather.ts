/** Gathers points that are near one another, so that what is drawn does not overlap. */

export interface Point {
  readonly x: number;
  readonly y: number;
  /** The rows of what is there. */
  readonly rows: readonly number[];
}

/** Points around the one with most rows. */
export interface Gathering extends Point {
  readonly points: readonly Point[];
}

/** Put what is at the same position together. */
export function mergePoints(points: readonly Point[]): Point[] {
  const merged = new Map<string, { x: number; y: number; rows: number[] }>();
  for (const { x, y, rows } of points) {
    const key = `${x.toFixed(3)} ${y.toFixed(3)}`;
    const known = merged.get(key);
    if (known) known.rows.push(...rows);
    else merged.set(key, { x, y, rows: [...rows] });
  }
  return [...merged.values()];
}

/**
 * Gather points within a radius of others. The result depends on positions and numbers only, not on the order of the
 * points, so that what is drawn stays where it is while data change.
 */
export function gatherPoints(points: readonly Point[], radius: number): Gathering[] {
  const leaders: { leader: Point; points: Point[] }[] = [];
  const buckets = new Map<string, number[]>();
  const ordered = points.toSorted(
    (left, right) => right.rows.length - left.rows.length || left.x - right.x || left.y - right.y,
  );
  for (const point of ordered) {
    const column = Math.floor(point.x / radius);
    const row = Math.floor(point.y / radius);
    let nearest = -1;
    let distance = radius;
    for (const index of neighbours(buckets, column, row)) {
      const { leader } = leaders[index] as { leader: Point };
      const candidate = Math.hypot(leader.x - point.x, leader.y - point.y);
      if (candidate < distance) {
        nearest = index;
        distance = candidate;
      }
    }
    if (nearest >= 0) {
      leaders[nearest]?.points.push(point);
    } else {
      const key = `${column} ${row}`;
      buckets.set(key, [...(buckets.get(key) ?? []), leaders.length]);
      leaders.push({ leader: point, points: [point] });
    }
  }
  return leaders.map(({ leader: { x, y }, points: near }) => ({
    x,
    y,
    points: near,
    rows: near.flatMap(({ rows }) => rows),
  }));
}

function* neighbours(buckets: ReadonlyMap<string, readonly number[]>, column: number, row: number): Generator<number> {
  for (let x = column - 1; x <= column + 1; x += 1) {
    for (let y = row - 1; y <= row + 1; y += 1) yield* buckets.get(`${x} ${y}`) ?? [];
  }
}

/** Gatherings by how far the drawing is zoomed: they change at steps, not with every movement. */
export class GatheringLevels {
  readonly #points: readonly Point[];
  readonly #pixels: number;
  readonly #levels = new Map<number, readonly Gathering[]>();

  /** `pixels` is the radius on the canvas. */
  constructor(points: readonly Point[], pixels: number) {
    this.#points = mergePoints(points);
    this.#pixels = pixels;
  }

  at(scale: number): readonly Gathering[] {
    const level = Math.floor(Math.log2(scale) * 2) / 2;
    const known = this.#levels.get(level);
    if (known) return known;
    const gathered = gatherPoints(this.#points, this.#pixels / 2 ** level);
    this.#levels.set(level, gathered);
    return gathered;
  }
}
