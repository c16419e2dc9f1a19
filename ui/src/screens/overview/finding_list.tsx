import { useEffect, useRef } from "preact/hooks";
import { announce } from "../../components/announcer";
import { HealthIcon } from "../../components/health";
import { formatCount, formatQuantity } from "../../format";
import { hrefOf } from "../../router";
import { SentenceView, sentenceText } from "../sentence";
import type { Finding } from "./finding";
import { type Changes, compareFindingLists, keepPlaces, SeenFindings } from "./findings";

const MAXIMUM_FINDINGS = 100;
/** Stays while other screens are shown. */
const seen = new SeenFindings();

/** Each scope has a list of its own: use the scope as `key`. */
interface FindingListProps {
  /** What the findings are about: a cluster, or all of them, now or at a past instant. */
  readonly scope: string;
  readonly findings: readonly Finding[];
  /** Whether all that findings are made of has arrived, so that a difference is a change. */
  readonly isComparable: boolean;
  readonly now: number;
}

export function FindingList({ scope, findings, isComparable, now }: FindingListProps) {
  const list = useRef<HTMLOListElement>(null);
  useChanges(scope, findings, isComparable, now);
  const placed = usePlaces(findings, list);
  const shown = placed.slice(0, MAXIMUM_FINDINGS);
  return (
    <>
      <ol class="findings" ref={list}>
        {shown.map(({ finding, isResolved }) => (
          <li key={finding.key} class={isResolved ? "resolved" : finding.health}>
            <HealthIcon
              health={isResolved ? "ok" : finding.health}
              label={isResolved ? "Resolved" : finding.health === "failed" ? "Failed" : "Warning"}
            />
            <div>
              <a href={finding.href}>
                <SentenceView sentence={finding.title} />
              </a>
              {seen.isNew(finding, now) && !isResolved && <span class="new-mark">new</span>}
              {isResolved && <span class="new-mark">resolved</span>}
              {finding.detail.length > 0 && (
                <p class="quiet-text">
                  <SentenceView sentence={finding.detail} />
                </p>
              )}
            </div>
          </li>
        ))}
      </ol>
      {placed.length > shown.length && (
        <p>
          And {formatCount(placed.length - shown.length)} more: see the tables of{" "}
          <a href={hrefOf({ screen: "table", kind: "nodes" }, { sort: "health,name" })}>nodes</a> and{" "}
          <a href={hrefOf({ screen: "table", kind: "pods" }, { sort: "health,name" })}>pods</a>.
        </p>
      )}
    </>
  );
}

/** Remember what is new, and announce what has changed. */
function useChanges(scope: string, findings: readonly Finding[], isComparable: boolean, now: number): void {
  const before = useRef<readonly Finding[] | null>(null);
  useEffect(() => {
    if (!isComparable) return;
    const changes = before.current && compareFindingLists(before.current, findings);
    seen.update(scope, findings, changes?.resolved ?? [], now);
    before.current = findings;
    if (changes) announce(describeChanges(changes));
  }, [scope, findings, isComparable, now]);
}

function describeChanges({ appeared, resolved }: Changes): string {
  return [describeSome("New", appeared), describeSome("Resolved", resolved)].filter((part) => part !== "").join(" ");
}

function describeSome(word: string, findings: readonly Finding[]): string {
  const [first] = findings;
  if (first === undefined) return "";
  if (findings.length === 1) return `${word}: ${sentenceText(first.title)}.`;
  return `${word}: ${formatQuantity(findings.length, "problem")}, the first is ${sentenceText(first.title)}.`;
}

/** Findings stay at their places while somebody points at them or has the focus among them. */
function usePlaces(findings: readonly Finding[], list: { readonly current: HTMLElement | null }) {
  const kept = useRef<readonly Finding[]>([]);
  const element = list.current;
  const isRead = element !== null && (element.matches(":hover") || element.contains(document.activeElement));
  const placed = isRead
    ? keepPlaces(kept.current, findings)
    : findings.map((finding) => ({ finding, isResolved: false }));
  kept.current = placed.map(({ finding }) => finding);
  return placed;
}
