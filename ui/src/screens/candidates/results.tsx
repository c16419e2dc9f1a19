/** The answer: nodes that fit, best first, and why the others do not. */

import { Bar } from "../../components/bar";
import { HealthBadge } from "../../components/health";
import { Name, ObjectLink } from "../../components/name";
import { EmptyState } from "../../components/states";
import { formatBytes, formatCores, formatCount, formatNumber, formatQuantity, safeText } from "../../format";
import { hrefWith, parameter, setParameters } from "../../router";
import { PlainTable } from "../plain_table";
import {
  type Candidate,
  type CandidatesResponse,
  CRITERION_TEXTS,
  type Criterion,
  candidateNotes,
  type Kept,
  type PlacedNode,
  type RejectedNode,
  reasonText,
  sourceText,
} from "./answer";
import { MAXIMUM_LIMIT, nextLimit } from "./question";

interface CandidateListProps {
  readonly candidates: Kept<Candidate>;
  readonly answer: CandidatesResponse;
  readonly weights: ReadonlyMap<Criterion, number>;
}

export function CandidateList({ candidates, answer, weights }: CandidateListProps) {
  const total = Number(answer.totals?.candidates ?? 0);
  const shown = answer.candidates?.length ?? 0;
  if (candidates.rows.length === 0) {
    return (
      <EmptyState title="The workload fits on no node">
        <p>The reasons are below.</p>
      </EmptyState>
    );
  }
  return (
    <PlainTable
      caption="Nodes on which the workload fits"
      columns={["Node", "Score", ...[...weights].map(describeCriterion), "Free CPU", "Free memory", "Notes"]}
      numbers={["Free CPU", "Free memory"]}
      all={
        total > shown && shown < MAXIMUM_LIMIT
          ? {
              href: hrefWith({ limit: nextLimit(shown) }),
              text: `Show more of the ${formatCount(total)} candidates`,
            }
          : null
      }
    >
      {candidates.rows.map(({ item, isThere }) => (
        <tr key={item.id} class={isThere ? undefined : "gone"}>
          <NodeCell node={item} />
          {isThere ? (
            <CandidateCells candidate={item} weights={weights} />
          ) : (
            <td colSpan={weights.size + 4}>{describeLoss(item, answer)}</td>
          )}
        </tr>
      ))}
    </PlainTable>
  );
}

function describeCriterion([name, weight]: readonly [Criterion, number]): string {
  return weight === 1 ? CRITERION_TEXTS[name] : `${CRITERION_TEXTS[name]} × ${formatNumber(weight)}`;
}

/** Why a node that was a candidate is none any longer. */
function describeLoss({ id }: Candidate, { rejected = [] }: CandidatesResponse): string {
  const reasons = rejected.find((node) => node.id === id)?.reasons ?? [];
  if (reasons.length === 0) return "no longer among the best";
  return `no longer fits: ${reasons.map(({ detail }) => detail).join("; ")}`;
}

function NodeCell({ node }: { readonly node: PlacedNode }) {
  return (
    <th scope="row">
      <ObjectLink object={{ kind: "node", cluster: node.cluster, node: node.node }} />
      <div class="detail cut" title={safeText(node.cluster)}>
        <Name text={node.cluster} maximum={60} />
      </div>
    </th>
  );
}

interface CandidateCellsProps {
  readonly candidate: Candidate;
  readonly weights: ReadonlyMap<Criterion, number>;
}

function CandidateCells({ candidate, weights }: CandidateCellsProps) {
  const { score = Number.NaN, scores = {} } = candidate;
  return (
    <>
      <td>
        <Bar ratio={score} text={score.toFixed(2)} warnFrom={null} />
      </td>
      {[...weights.keys()].map((name) => (
        <td key={name}>
          <Bar ratio={scores[name] ?? Number.NaN} text={scores[name]?.toFixed(2) ?? "unknown"} warnFrom={null} />
        </td>
      ))}
      <td class="number">
        {formatCores(candidate.freeCpuCores ?? Number.NaN)}
        <div class="detail">{sourceText(candidate.freeCpuSource)}</div>
      </td>
      <td class="number">
        {formatBytes(Number(candidate.freeMemoryBytes ?? Number.NaN))}
        <div class="detail">{sourceText(candidate.freeMemorySource)}</div>
      </td>
      <td>
        {candidate.distanceKm !== undefined && <div>{formatNumber(candidate.distanceKm)} km away</div>}
        {candidateNotes(candidate).map((note) => (
          <div key={note}>{note}</div>
        ))}
      </td>
    </>
  );
}

interface RejectedListProps {
  readonly rejected: Kept<RejectedNode>;
  readonly answer: CandidatesResponse;
}

export function RejectedList({ rejected, answer }: RejectedListProps) {
  const chosen = parameter("reason");
  const total = Number(answer.totals?.rejected ?? 0);
  const listed = answer.rejected?.length ?? 0;
  const rows = rejected.rows.filter(
    ({ item }) => chosen === "" || item.reasons?.some(({ reason }) => reasonText(reason) === chosen),
  );
  if (total === 0) return <HealthBadge health="ok" text="The workload fits on every node." />;
  return (
    <>
      <ReasonTotals answer={answer} chosen={chosen} />
      <PlainTable
        caption="Nodes on which the workload does not fit"
        columns={["Node", "Why"]}
        all={
          total > listed && listed < MAXIMUM_LIMIT
            ? {
                href: hrefWith({ rejected: nextLimit(listed) }),
                text: `Show more of the ${formatQuantity(total, "node")}`,
              }
            : null
        }
      >
        {rows.map(({ item, isThere }) => (
          <tr key={item.id} class={isThere ? undefined : "gone"}>
            <NodeCell node={item} />
            <td>{isThere ? <Reasons node={item} /> : "no longer in this list"}</td>
          </tr>
        ))}
      </PlainTable>
    </>
  );
}

function Reasons({ node }: { readonly node: RejectedNode }) {
  return (
    <ul class="reasons">
      {(node.reasons ?? []).map(({ reason, detail }) => (
        <li key={`${reason} ${detail}`}>
          <Name text={detail || reasonText(reason)} maximum={300} />
        </li>
      ))}
    </ul>
  );
}

/** How many nodes each reason excludes; one of them limits the list below. */
function ReasonTotals({ answer, chosen }: { readonly answer: CandidatesResponse; readonly chosen: string }) {
  const { reasons = [], nodes = "0" } = answer.totals ?? {};
  return (
    <ul class="reason-totals" aria-label="Nodes by reason">
      {reasons.map(({ reason, nodes: count = "0" }) => {
        const text = reasonText(reason);
        return (
          <li key={reason}>
            <button
              type="button"
              aria-pressed={text === chosen}
              onClick={() => setParameters({ reason: text === chosen ? undefined : text }, { replace: true })}
            >
              {text}
            </button>
            <Bar ratio={Number(count) / Number(nodes)} text={formatCount(Number(count))} warnFrom={null} />
          </li>
        );
      })}
    </ul>
  );
}
