/** What is wrong in the fleet. */

import type { Sentence } from "../sentence";

/** One thing that is wrong. It has probably one cause, however many objects it concerns. */
export interface Finding {
  /** Stays the same as long as the finding does. */
  readonly key: string;
  readonly health: FindingHealth;
  /** Findings of the same health are in this order. */
  readonly rank: number;
  /** How many objects it concerns. */
  readonly count: number;
  readonly title: Sentence;
  readonly detail: Sentence;
  /** Where to see more. */
  readonly href: string;
}

export type FindingHealth = "failed" | "warning";

export const RANKS = {
  refresh: 0,
  cluster: 1,
  node: 2,
  vanished: 3,
  alert: 4,
  pod: 5,
  full: 6,
  restart: 7,
  job: 8,
  cordoned: 9,
  quality: 10,
} as const;

/** From so many similar objects on, they are one finding. */
export const GROUP_SIZE = 4;

/** A node by its cluster and name, as one text. */
export function nodeKey(cluster: string, node: string): string {
  return `${cluster}\0${node}`;
}
