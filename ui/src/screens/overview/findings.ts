/** All findings of a fleet, worst first. */

import type { Summary } from "../../data/summary";
import type { Quality } from "../quality/document";
import type { Finding } from "./finding";
import { findNodeFindings, scanNodes } from "./node_findings";
import { findAlertFindings, findPodFindings, scanPods } from "./pod_findings";
import { findQualityFindings } from "./quality_findings";

export interface Fleet {
  readonly nodes: Summary | null;
  readonly pods: Summary | null;
  readonly quality: Quality | null;
}

const NONE_AFFECTED: ReadonlyMap<string, number> = new Map();
const NONE_FAILED: ReadonlySet<string> = new Set();

/** `now` is in milliseconds, as of Date.now(); with `cluster`, only what concerns this cluster. */
export function findFindings({ nodes, pods, quality }: Fleet, now: number, cluster = ""): Finding[] {
  const nodeScan = nodes && scanNodes(nodes, cluster);
  const podScan = pods && scanPods(pods, nodeScan?.failed ?? NONE_FAILED, cluster);
  const findings = [
    ...(nodeScan === null ? [] : findNodeFindings(nodeScan, podScan?.affected ?? NONE_AFFECTED, now)),
    ...(podScan === null ? [] : findPodFindings(podScan, now)),
    ...findAlertFindings(nodeScan?.problems ?? [], podScan),
    ...(quality === null || cluster !== "" ? [] : findQualityFindings(quality)),
  ];
  return findings.sort(compareFindings);
}

function compareFindings(left: Finding, right: Finding): number {
  return (
    Number(right.health === "failed") - Number(left.health === "failed") ||
    left.rank - right.rank ||
    right.count - left.count ||
    (left.key < right.key ? -1 : 1)
  );
}

export interface Changes {
  readonly appeared: readonly Finding[];
  readonly resolved: readonly Finding[];
}

/** What differs from the findings before, null if nothing does. */
export function compareFindingLists(before: readonly Finding[], after: readonly Finding[]): Changes | null {
  const keysBefore = new Set(before.map(({ key }) => key));
  const keysAfter = new Set(after.map(({ key }) => key));
  const appeared = after.filter(({ key }) => !keysBefore.has(key));
  const resolved = before.filter(({ key }) => !keysAfter.has(key));
  return appeared.length + resolved.length === 0 ? null : { appeared, resolved };
}

interface PlacedFinding {
  readonly finding: Finding;
  readonly isResolved: boolean;
}

/** The findings at the places of those before: resolved ones stay, and new ones are last. */
export function keepPlaces(before: readonly Finding[], after: readonly Finding[]): PlacedFinding[] {
  const current = new Map(after.map((finding) => [finding.key, finding]));
  const keysBefore = new Set(before.map(({ key }) => key));
  return [
    ...before.map((finding) => {
      const found = current.get(finding.key);
      return { finding: found ?? finding, isResolved: found === undefined };
    }),
    ...after.filter(({ key }) => !keysBefore.has(key)).map((finding) => ({ finding, isResolved: false })),
  ];
}

/** For so long a finding is marked as new. */
const NEW_MILLISECONDS = 300_000;

/** When each finding was first seen. Those of the first look at a scope are not new. */
export class SeenFindings {
  private scope: string | null = null;
  private readonly firstSeen = new Map<string, number>();

  /** Remember what is there. Another scope starts over. */
  update(scope: string, findings: readonly Finding[], resolved: readonly Finding[], now: number): void {
    const isFirst = this.scope !== scope;
    if (isFirst) this.firstSeen.clear();
    this.scope = scope;
    for (const { key } of findings) if (!this.firstSeen.has(key)) this.firstSeen.set(key, isFirst ? 0 : now);
    // What comes back later is new again.
    for (const { key } of resolved) this.firstSeen.delete(key);
  }

  isNew({ key }: Finding, now: number): boolean {
    const seen = this.firstSeen.get(key) ?? 0;
    return seen > 0 && now - seen < NEW_MILLISECONDS;
  }
}
