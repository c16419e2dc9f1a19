/** Live data for components. A component that calls a hook is drawn again when the data change. */

import { effect, type ReadonlySignal } from "@preact/signals";
import { useEffect, useLayoutEffect, useState } from "preact/hooks";
import { shownTime } from "../router";
import { pathAt, shownInstant } from "../time/shown";
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

/** All objects of a kind that match, kept current, or as of the instant that is shown. A null kind watches nothing. */
export function useSummary(kind: SummaryKind | null, query?: SummaryQuery): Resource<Summary> {
  const path = kind === null ? null : summaryPath(kind, query);
  return useResource(path, (found) => watchSummary(kind as SummaryKind, found));
}

/** A document of the API, as `useSummary`. `path` is below /api/v1; null watches nothing. */
export function useJson<T>(path: string | null): Resource<T> {
  return useResource(path, (found) => watchJson<T>(found));
}

/** The order of the rows of a summary, from the worker; null until it is there. */
export function useOrder(kind: SummaryKind, query: SummaryQuery, keys: readonly SortKey[]): Order | null {
  const path = pathAt(summaryPath(kind, query), shownTime.value);
  const name = `${path} ${formatSort(keys)}`;
  const [order] = useWatched(
    name,
    path,
    () => watchOrder(kind, path, keys),
    () => true,
  );
  return order;
}

type Watch<T> = (path: string) => [ReadonlySignal<T>, () => void];

function useResource<T>(path: string | null, watch: Watch<Resource<T>>): Resource<T> {
  const isAnswer = ({ data, failure }: Resource<T>) => data !== null || failure !== null;
  const wanted = path && pathAt(path, shownTime.value);
  const [value, isPending] = useWatched(path, wanted, watch, isAnswer);
  return isPending && value !== null ? { ...value, isPending } : (value ?? NOTHING);
}

/**
 * Watch a path; the value is null until it is watched. Of the same name at another instant, the last value stays until
 * there is an answer, and is marked as pending: the page does not flicker while somebody moves through time.
 */
function useWatched<T>(
  name: string | null,
  path: string | null,
  watch: Watch<T>,
  isAnswer: (value: T) => boolean,
): [value: T | null, isPending: boolean] {
  const [state, setState] = useState<{ readonly name: string; readonly path: string; readonly value: T } | null>(null);
  useLayoutEffect(() => {
    if (name === null || path === null) return;
    const [value, close] = watch(path);
    const stop = effect(() => {
      const next = { name, path, value: value.value };
      setState((before) => (before?.name === name && before.path !== path && !isAnswer(next.value) ? before : next));
    });
    return () => {
      stop();
      close();
    };
    // `watch` is a new function with each drawing; the name and the path say what it watches.
  }, [name, path]);
  // What belongs to another name is not shown under this one.
  return state !== null && state.name === name ? [state.value, state.path !== path] : [null, false];
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

/** The time that is shown, in milliseconds: the past instant, or now as `useNow` has it. */
export function useShownNow(seconds = 1): number {
  const now = useNow(seconds);
  const instant = shownInstant.value;
  return instant === null ? now : instant * 1000;
}
