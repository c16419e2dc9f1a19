/** What the gateway says of its data, for those who may see it. */

import { useEffect, useState } from "preact/hooks";
import { getJson } from "../../data/api";
import type { Quality } from "./quality_findings";

/** The document is large, not compressed, and changes with each refresh: it is not watched, but asked for now and then. */
const PAUSE_MILLISECONDS = 30_000;

/** The last answer; null before the first one, and for callers who see a part of the clusters. */
export function useQuality(): Quality | null {
  const [quality, setQuality] = useState<Quality | null>(null);
  useEffect(() => {
    const abort = new AbortController();
    const ask = () => {
      if (document.visibilityState === "hidden") return;
      getJson<Quality>("/quality", { signal: abort.signal }).then(setQuality, () => {
        // 403 is usual, and outages are reported by the frame.
        if (!abort.signal.aborted) setQuality(null);
      });
    };
    ask();
    const timer = setInterval(ask, PAUSE_MILLISECONDS);
    document.addEventListener("visibilitychange", ask);
    return () => {
      clearInterval(timer);
      document.removeEventListener("visibilitychange", ask);
      abort.abort();
    };
  }, []);
  return quality;
}
