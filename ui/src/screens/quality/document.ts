/** What the gateway says of its data, for those who may see it: /api/v1/quality. */

import { useEffect, useState } from "preact/hooks";
import { getJson } from "../../data/api";
import { type Problem, ProblemError } from "../../data/problem";
import { shownTime } from "../../router";
import { settledAt } from "../../time/instant";

/** The document is large, not compressed, and changes with each refresh: it is not watched, but asked for now and then. */
const PAUSE_MILLISECONDS = 30_000;

/** What of the document is read. */
export interface Quality {
  readonly refreshTime?: string;
  readonly refreshDurationSeconds?: number;
  readonly failure?: string;
  readonly unavailable?: string;
  readonly complete?: boolean;
  readonly vanished?: readonly string[];
  readonly totals?: QualityTotals;
  readonly rows?: readonly QualityRow[];
  readonly unfilledFields?: readonly UnfilledField[];
  readonly contradictions?: readonly Contradiction[];
  readonly limitedFields?: readonly LimitedField[];
  readonly unplacedTargets?: readonly UnplacedTarget[];
  readonly unplacedObjects?: readonly UnplacedObjects[];
  readonly families?: readonly Family[];
}

interface QualityTotals {
  readonly queries?: number;
  readonly failedQueries?: number;
  readonly samples?: number;
  readonly placedSamples?: number;
}

/** A query, and what came of it. */
export interface QualityRow {
  readonly name: string;
  readonly note?: string;
  readonly exporter?: string;
  readonly promql?: string;
  readonly samples?: number;
  readonly unplaced?: readonly LeftOut[];
  readonly dropped?: readonly LeftOut[];
  readonly conflicts?: readonly LeftOut[];
  readonly sources?: readonly SourceAnswer[];
}

export interface LeftOut {
  readonly reason?: string;
  readonly samples?: number;
}

interface SourceAnswer {
  readonly source: string;
  readonly result?: string;
  readonly error?: string;
  readonly ageSeconds?: number;
  readonly warnings?: readonly string[];
}

export interface UnfilledField {
  readonly kind: string;
  readonly field: string;
  readonly reason?: string;
  readonly rows?: readonly string[];
  readonly exporters?: readonly string[];
}

interface LimitedField {
  readonly kind?: string;
  readonly field?: string;
  readonly reason?: string;
  readonly objects?: number;
}

export interface Contradiction {
  readonly field?: string;
  readonly cluster?: string;
  readonly object?: string;
  readonly values?: readonly string[];
}

export interface UnplacedTarget {
  readonly cluster?: string;
  readonly job?: string;
  readonly instance?: string;
  readonly reason?: string;
}

export interface UnplacedObjects {
  readonly kind?: string;
  readonly reason?: string;
  readonly objects?: number;
}

export interface Family {
  readonly family: string;
  readonly clusters?: number;
  readonly nodes?: number;
}

interface QualityAnswer {
  /** The last answer, null before the first one. It stays during an outage, but not if it is forbidden. */
  readonly quality: Quality | null;
  /** Why there is none, or none that is current. */
  readonly problem: Problem | null;
}

/** The quality of what is shown: kept current, or that of a past instant, which does not change. */
export function useQuality(): QualityAnswer {
  const time = shownTime.value;
  const [answer, setAnswer] = useState<QualityAnswer & { readonly time: string }>({ ...NOTHING, time });
  useEffect(() => {
    const abort = new AbortController();
    // One request at a time: an older answer must not come after a newer one.
    let isAsking = false;
    let isFinal = false;
    const ask = () => {
      if (document.visibilityState === "hidden" || isAsking || isFinal) return;
      isAsking = true;
      getJson<Quality>("/quality", { signal: abort.signal, time })
        .then(
          (quality) => {
            isFinal = time !== "" && !(Date.now() < settledAt(time));
            setAnswer({ quality, problem: null, time });
          },
          (error: unknown) => {
            if (abort.signal.aborted || !(error instanceof ProblemError)) return;
            const { problem } = error;
            setAnswer((before) => {
              const isKept = problem.kind !== "forbidden" && before.time === time;
              return { quality: isKept ? before.quality : null, problem, time };
            });
          },
        )
        .finally(() => {
          isAsking = false;
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
  }, [time]);
  return answer.time === time ? answer : NOTHING;
}

const NOTHING: QualityAnswer = { quality: null, problem: null };
