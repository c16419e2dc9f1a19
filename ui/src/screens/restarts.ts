/** Containers that run, but do not stay up. */

/** So many restarts may happen. */
const MINIMUM_RESTARTS = 3;
/** A restart each day is no problem, one in so many seconds is. */
const RESTART_SECONDS = 6 * 3600;

/** The seconds between two restarts on average if that is often, otherwise NaN. Times are in Unix seconds. */
export function restartInterval(restarts: number, startTime: number, now: number): number {
  const interval = restarts >= MINIMUM_RESTARTS ? (now - startTime) / restarts : Number.NaN;
  return interval > 0 && interval < RESTART_SECONDS ? interval : Number.NaN;
}
