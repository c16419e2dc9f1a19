/** The instant that the page shows: `time` of the address, or now. */

import { computed } from "@preact/signals";
import { shownTime } from "../router";
import { parseInstant } from "./instant";

/** In Unix seconds, null for now and for what is no time. */
export const shownInstant = computed(() => {
  const time = shownTime.value === "" ? Number.NaN : parseInstant(shownTime.value, 0);
  return Number.isNaN(time) ? null : time;
});

/** "Now" of what is shown, in milliseconds: an hour ago, the age of an object was another one. */
export function shownNow(): number {
  const instant = shownInstant.value;
  return instant === null ? Date.now() : instant * 1000;
}

/** A path of the API as of an instant; "" is now. */
export function pathAt(path: string, time: string): string {
  if (time === "") return path;
  return `${path}${path.includes("?") ? "&" : "?"}time=${encodeURIComponent(time)}`;
}
