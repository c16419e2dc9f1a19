/** The health of objects and their problems, as the API judges them: summaries contain both. */

import { type Health, toHealth } from "../data/health";
import { useSummary } from "../data/hooks";
import type { Summary } from "../data/summary";
import { equals, joinFilters } from "./filters";

export interface ObjectState {
  readonly health: Health;
  /** What is wrong, most important first. Alerts contain names from telemetry. */
  readonly problems: readonly string[];
}

export const UNKNOWN_STATE: ObjectState = { health: "unknown", problems: [] };

function readState(summary: Summary, row: number): ObjectState {
  return { health: toHealth(summary.text("health", row)), problems: splitProblems(summary.text("problems", row)) };
}

/** The problems of an object in a summary, most important first. */
export function splitProblems(text: string): string[] {
  return text.split(", ").filter((problem) => problem !== "");
}

const ALERT_PREFIX = "alert ";

/** The alert that a problem names, null if it is another problem. */
export function alertName(problem: string): string | null {
  return problem.startsWith(ALERT_PREFIX) ? problem.slice(ALERT_PREFIX.length) : null;
}

/** Whether all problems of an object are alerts. */
export function hasOnlyAlerts(problems: readonly string[]): boolean {
  return problems.length > 0 && problems.every((problem) => alertName(problem) !== null);
}

export const RESTARTS_OFTEN = "restarts often";
export const MEMORY_NEARLY_FULL = "memory nearly full";
export const FILESYSTEM_NEARLY_FULL = "file system nearly full";

/** Problems of pods that follow from others, which say more. */
const GENERAL_PROBLEMS: ReadonlySet<string> = new Set(["Failed", "Pending", "not ready", RESTARTS_OFTEN]);

/** The problems of a pod without those that only follow from others. */
export function selectSpecificProblems(problems: readonly string[]): readonly string[] {
  const isGeneral = (problem: string) => GENERAL_PROBLEMS.has(problem);
  const hasSpecific = problems.some((problem) => !isGeneral(problem) && alertName(problem) === null);
  return hasSpecific ? problems.filter((problem) => !isGeneral(problem)) : problems;
}

/** The state of a cluster in a summary of clusters. */
export function stateOfCluster(clusters: Summary, name: string): ObjectState {
  const row = clusters.rowOf([name]);
  return row < 0 ? UNKNOWN_STATE : readState(clusters, row);
}

/** The state of a node; null until it has arrived. */
export function useNodeState(cluster: string, node: string): ObjectState | null {
  const filter = joinFilters(equals("name", node), equals("cluster", cluster));
  return readFirst(useSummary("nodes", { filter }).data);
}

interface PodNames {
  readonly cluster: string;
  /** "" for containers of Docker hosts. */
  readonly namespace: string;
  readonly pod: string;
}

/** The state of a pod; null until it has arrived. */
export function usePodState({ cluster, namespace, pod }: PodNames): ObjectState | null {
  const filter = joinFilters(equals("name", pod), ofNamespace(namespace), equals("cluster", cluster));
  return readFirst(useSummary("pods", { filter }).data);
}

/** The states of the containers of a pod by their names; null until they have arrived. */
export function useContainerStates({ cluster, namespace, pod }: PodNames): ReadonlyMap<string, ObjectState> | null {
  const filter = joinFilters(equals("pod", pod), ofNamespace(namespace), equals("cluster", cluster));
  const { data } = useSummary("containers", { filter });
  if (data === null) return null;
  const rows = Array.from({ length: data.count }, (_, row) => row);
  return new Map(rows.map((row) => [data.text("name", row), readState(data, row)]));
}

function ofNamespace(namespace: string): string {
  return namespace === "" ? "!namespace" : equals("namespace", namespace);
}

function readFirst(summary: Summary | null): ObjectState | null {
  if (summary === null) return null;
  return summary.count === 0 ? UNKNOWN_STATE : readState(summary, 0);
}
