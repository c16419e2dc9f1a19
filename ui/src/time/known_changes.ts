/** Stretches of time of which the page knows whether the structure changed: those that somebody has watched or visited. */

import { signal } from "@preact/signals";

export interface KnownStretch {
  /** In Unix seconds. */
  readonly from: number;
  readonly to: number;
  /** How many objects were added or removed, or changed in structure. */
  readonly changeCount: number;
}

const MAXIMUM_STRETCHES = 500;

/** The stretches with one more. Quiet ones that touch become one; of too many, the oldest two that touch. */
export function addStretch(known: readonly KnownStretch[], added: KnownStretch): readonly KnownStretch[] {
  const others: KnownStretch[] = [];
  let stretch = added;
  for (const other of known) {
    const isRepeated = other.from === stretch.from && other.to === stretch.to;
    const isOneQuiet =
      other.changeCount === 0 && stretch.changeCount === 0 && other.from <= stretch.to && other.to >= stretch.from;
    if (isOneQuiet) {
      const [from, to] = [Math.min(other.from, stretch.from), Math.max(other.to, stretch.to)];
      stretch = { from, to, changeCount: 0 };
    } else if (!isRepeated) others.push(other);
  }
  const all = [...others, stretch].sort((left, right) => left.from - right.from || left.to - right.to);
  return all.length > MAXIMUM_STRETCHES ? shorten(all) : all;
}

/** The oldest two stretches that touch as one, so that those of visits stay. If none touch, without the oldest. */
function shorten(all: readonly KnownStretch[]): readonly KnownStretch[] {
  const index = all.findIndex(({ to }, place) => to === all[place + 1]?.from);
  const [left, right] = [all[index], all[index + 1]];
  if (left === undefined || right === undefined) return all.slice(1);
  const joined = { from: left.from, to: right.to, changeCount: left.changeCount + right.changeCount };
  return [...all.slice(0, index), joined, ...all.slice(index + 2)];
}

/** The end of the next stretch with changes before (-1) or after (1) a time, null if none is known. */
export function findChange(known: readonly KnownStretch[], time: number, direction: -1 | 1): number | null {
  const ends = known.filter(({ changeCount }) => changeCount > 0).map(({ to }) => to);
  const found = ends.filter((to) => (direction < 0 ? to < time : to > time));
  if (found.length === 0) return null;
  return direction < 0 ? Math.max(...found) : Math.min(...found);
}

/** What is known, in the memory of this tab. */
export const knownStretches = signal<readonly KnownStretch[]>([]);

export function noteStretch(stretch: KnownStretch): void {
  knownStretches.value = addStretch(knownStretches.peek(), stretch);
}

/** Forget everything: another account sees other objects. */
export function forgetStretches(): void {
  knownStretches.value = [];
}
