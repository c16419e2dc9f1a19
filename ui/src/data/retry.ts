/** When to ask again after a failure. */

import type { Problem } from "./problem";

const FIRST_PAUSE_SECONDS = 1;
const MAXIMUM_PAUSE_SECONDS = 30;
/** An object that is gone may come back, and a role may be given. */
const REFUSED_PAUSE_SECONDS = 10;
/** Nobody waits longer than this because the gateway said so. */
const MAXIMUM_RETRY_AFTER_SECONDS = 120;

/**
 * Seconds until the next attempt, Infinity if it makes no sense before something else changes.
 *
 * `failures` counts the failures in a row, this one included. `random` is in [0, 1): tabs and browsers that lost the
 * same gateway do not come back at the same instant.
 */
export function retryPause(problem: Problem, failures: number, retryAfter: number, random: number): number {
  switch (problem.kind) {
    case "unauthorized":
    case "invalid":
      return Number.POSITIVE_INFINITY;
    case "missing":
    case "forbidden":
      return REFUSED_PAUSE_SECONDS;
    default: {
      const growing = Math.min(FIRST_PAUSE_SECONDS * 2 ** (failures - 1), MAXIMUM_PAUSE_SECONDS);
      const asked = Number.isNaN(retryAfter) ? 0 : Math.min(retryAfter, MAXIMUM_RETRY_AFTER_SECONDS);
      return Math.max(asked, growing * (0.8 + 0.4 * random));
    }
  }
}
