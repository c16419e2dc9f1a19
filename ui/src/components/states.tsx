/** What a screen shows instead of data: nothing yet, nothing at all, or what is wrong. */

import type { ComponentChildren } from "preact";
import { type Failure, type Problem, retry } from "../data/client";
import { useNow } from "../data/hooks";
import { shortDetail } from "../data/problem";
import { formatDuration, safeText } from "../format";

interface EmptyStateProps {
  readonly title: string;
  readonly children?: ComponentChildren;
}

export function EmptyState({ title, children }: EmptyStateProps) {
  return (
    <div class="empty-state">
      <p class="empty-title">{title}</p>
      {children}
    </div>
  );
}

export function Loading() {
  return (
    <p class="loading" role="status">
      Loading…
    </p>
  );
}

interface ProblemViewProps {
  readonly problem: Problem;
  /** What was attempted: "The nodes cannot be shown". */
  readonly title?: string;
  readonly children?: ComponentChildren;
}

/** A problem with the reason that the gateway gives, and what to write instead. */
export function ProblemView({ problem, title, children }: ProblemViewProps) {
  const reason = shortDetail(problem) || (title === undefined ? "" : problem.title);
  return (
    <div class="problem" role="alert">
      <p class="problem-title">{title ?? problem.title}</p>
      {reason && <p>{safeText(reason, 1000)}</p>}
      <Similar problem={problem} />
      {children}
    </div>
  );
}

/** What is valid and similar to what was sent, unless the detail says it. */
export function Similar({ problem: { detail, nearest = [] } }: { readonly problem: Problem }) {
  const unsaid = nearest.filter((text) => !detail.includes(text)).slice(0, MAXIMUM_SIMILAR);
  if (unsaid.length === 0) return null;
  return <p>Similar: {unsaid.map((text) => safeText(text, 80)).join(", ")}</p>;
}

const MAXIMUM_SIMILAR = 8;

interface NoDataProps {
  /** Null while the first answer is awaited. */
  readonly problem: Problem | null;
  readonly children?: ComponentChildren;
}

/** Instead of live data that have not arrived. The frame says what is wrong if it concerns every screen. */
export function NoData({ problem, children }: NoDataProps) {
  if (problem === null) return <Loading />;
  if (problem.kind === "invalid" || problem.kind === "forbidden" || problem.kind === "missing") {
    return <ProblemView problem={problem}>{children}</ProblemView>;
  }
  return <EmptyState title="No data yet">{children}</EmptyState>;
}

/** How long a failure has lasted, and when the next attempt is. */
export function FailureTimes({ failure }: { readonly failure: Failure }) {
  const now = useNow();
  const left = Math.max(0, Math.ceil((failure.retryAt - now) / 1000));
  return (
    <>
      <span>Failing for {formatDuration((now - failure.since) / 1000)}</span>
      {Number.isFinite(left) && <span>, next attempt in {left} s</span>}{" "}
      <button type="button" onClick={retry}>
        Try now
      </button>
    </>
  );
}
