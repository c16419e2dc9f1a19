import type { ComponentChildren } from "preact";
import { EmptyState, ProblemView } from "../components/states";
import type { Problem } from "../data/client";

interface NoDataProps {
  readonly problem: Problem;
  readonly children?: ComponentChildren;
}

/** Instead of data that have never arrived. The frame says what is wrong if it concerns every screen. */
export function NoData({ problem, children }: NoDataProps) {
  if (problem.kind === "invalid" || problem.kind === "forbidden" || problem.kind === "missing") {
    return <ProblemView problem={problem}>{children}</ProblemView>;
  }
  return <EmptyState title="There are no data yet">{children}</EmptyState>;
}
