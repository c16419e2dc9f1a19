/** From which share on memory and file systems are nearly full, in tables, on the overview and for single objects. */

import type { Thresholds } from "../components/bar";

export const FULL: Thresholds = { warning: 0.9, failed: 0.95 };

/** A processor that is busy is used; that alone is no failure. */
export const BUSY: Thresholds = { warning: 0.9, failed: Number.POSITIVE_INFINITY };
