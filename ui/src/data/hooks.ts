/** Live data for components. A component that calls a hook is drawn again when the data change. */

import { effect, type ReadonlySignal } from "@preact/signals";
import { useEffect, useLayoutEffect, useState } from "preact/hooks";
import { type Order, type Resource, watchJson, watchOrder, watchSummary } from "./client";
import { formatSort, type SortKey } from "./order";
import type { SummaryKind } from "./protocol";
import type { Summary } from "./summary";

export interface SummaryQuery {
  readonly filter?: string;
  /** A Kubernetes label selector; for nodes only. */
  readonly labels?: string;
}

const NOTHING: Resource<never> = { data: null, freshness: null, failure: null };

/** The path of a summary below /api/v1. */
export function summaryPath(kind: SummaryKind, { filter, labels }: SummaryQuery = {}): string {
  const query = new URLSearchParams();
  if (filter) query.set("filter", filter);
  if (labels && kind === "nodes") query.set("labels", labels);
  const text = query.toString();
  return `/summary/${kind}${text && `?${text}`}`;
}

/** All objects of a kind that match, kept current. A null kind watches nothing. */
export function useSummary(kind: SummaryKind | null, query?: SummaryQuery): Resource<Summary> {
  const path = kind === null ? null : summaryPath(kind, query);
  return useWatched(path, (found) => watchSummary(kind as SummaryKind, found)) ?? NOTHING;
}

/** A document of the API, kept current. `path` is below /api/v1; null watches nothing. */
export function useJson<T>(path: string | null): Resource<T> {
  return useWatched(path, (found) => watchJson<T>(found)) ?? NOTHING;
}

/** The order of the rows of a summary, from the worker; null until it is there. */
export function useOrder(kind: SummaryKind, query: SummaryQuery, keys: readonly SortKey[]): Order | null {
  const path = summaryPath(kind, query);
  return useWatched(`${path} ${formatSort(keys)}`, () => watchOrder(kind, path, keys));
}

type Watch<T> = (name: string) => [ReadonlySignal<T>, () => void];

/** Watch what `name` names; the value is null until it is watched. */
function useWatched<T>(name: string | null, watch: Watch<T>): T | null {
  const [state, setState] = useState<{ readonly name: string; readonly value: T } | null>(null);
  useLayoutEffect(() => {
    if (name === null) return;
    const [value, close] = watch(name);
    const stop = effect(() => setState({ name, value: value.value }));
    return () => {
      stop();
      close();
    };
    // `watch` is a new function with each drawing; the name says what it watches.
  }, [name]);
  // What belongs to another name is not shown under this one.
  return state !== null && state.name === name ? state.value : null;
}

/** The time, in milliseconds, drawn again every so many seconds while the page is visible. */
export function useNow(seconds = 1): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => {
      if (document.visibilityState === "visible") setNow(Date.now());
    }, seconds * 1000);
    return () => clearInterval(timer);
  }, [seconds]);
  return now;
}
