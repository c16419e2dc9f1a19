/** Whether the structure changed between the instants that somebody visits one after the other. */

import { useEffect, useRef, useState } from "preact/hooks";
import { getJson } from "../data/api";
import { formatInstant } from "./instant";
import { type KnownStretch, knownStretches, noteStretch } from "./known_changes";

/** Two instants that are further apart are not compared by themselves: that can be a large answer. */
const LONGEST_STRETCH_SECONDS = 86_400;

/** Compare the instant with the one shown before, and return what is known of the time between them. */
export function useVisitedStretches(time: number | null): KnownStretch | null {
  const before = useRef<number | null>(null);
  const [stretch, setStretch] = useState<KnownStretch | null>(null);
  useEffect(() => {
    const visited = before.current;
    before.current = time;
    setStretch(null);
    if (visited === null || time === null || visited === time) return;
    const [from, to] = visited < time ? [visited, time] : [time, visited];
    if (to - from > LONGEST_STRETCH_SECONDS) return;
    const abort = new AbortController();
    countChanges(from, to, abort.signal).then(
      (changeCount) => {
        setStretch({ from, to, changeCount });
        noteStretch({ from, to, changeCount });
      },
      // Then it is not known. What is wrong with an instant, the screen says.
      () => {},
    );
    return () => abort.abort();
  }, [time]);
  return stretch;
}

async function countChanges(from: number, to: number, signal: AbortSignal): Promise<number> {
  const known = knownStretches.peek().find((stretch) => stretch.from === from && stretch.to === to);
  if (known !== undefined) return known.changeCount;
  const query = new URLSearchParams({
    from: formatInstant(from),
    to: formatInstant(to),
    changes: "structure",
    limit: "1",
  });
  const delta = await getJson<{ readonly totalCount: number }>(`/diff?${query}`, { signal, time: "" });
  return delta.totalCount;
}
