/** What part of a drawing is on the canvas, and how it moves. */

/** A point of the drawing is at `point * k + x`, `point * k + y`, in CSS pixels, as in d3-zoom. */
export interface Transform {
  readonly k: number;
  readonly x: number;
  readonly y: number;
}

export interface Rect {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export interface Size {
  readonly width: number;
  readonly height: number;
}

/** What is shown is visible with this margin. */
const MARGIN = 24;

/**
 * Return how to show a rectangle of the drawing: as it is if it is visible and its smaller side is at least `side`,
 * otherwise in the middle.
 */
export function reveal(current: Transform, rect: Rect, canvas: Size, side: number, maximumScale: number): Transform {
  const smaller = Math.min(rect.width, rect.height);
  const isLarge = smaller * current.k >= side;
  if (isLarge && isVisible(current, rect, canvas)) return current;
  const fitting = Math.min(canvas.width / rect.width, canvas.height / rect.height) * 0.9;
  const wanted = isLarge ? current.k : Math.min(side / smaller, maximumScale);
  const k = Math.max(1, Math.min(wanted, Math.max(fitting, 1)));
  return {
    k,
    x: canvas.width / 2 - (rect.x + rect.width / 2) * k,
    y: canvas.height / 2 - (rect.y + rect.height / 2) * k,
  };
}

function isVisible({ k, x, y }: Transform, rect: Rect, { width, height }: Size): boolean {
  const left = rect.x * k + x;
  const top = rect.y * k + y;
  const right = left + rect.width * k;
  const bottom = top + rect.height * k;
  // What is larger than the canvas is visible if any of it is.
  const fits = (low: number, high: number, end: number) =>
    high - low + 2 * MARGIN > end ? low < end && high > 0 : low >= 0 && high <= end;
  return fits(left, right, width) && fits(top, bottom, height);
}

/** Return the transform that shows the same part of a drawing that has got another size. */
export function rescale({ k, x, y }: Transform, from: Size, to: Size): Transform {
  return from.width === 0 || from.height === 0
    ? { k, x, y }
    : { k, x: (x * to.width) / from.width, y: (y * to.height) / from.height };
}
