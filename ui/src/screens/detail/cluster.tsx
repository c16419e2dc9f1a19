import { useMemo } from "preact/hooks";
import { useShownNow, useSummary } from "../../data/hooks";
import { formatCount, formatQuantity } from "../../format";
import { hrefOf, type ObjectRef } from "../../router";
import { equals } from "../filters";
import { type ObjectState, stateOfCluster } from "../object_state";
import { FindingList } from "../overview/finding_list";
import { findFindings } from "../overview/findings";
import { addUpClusters, describeCounts } from "../overview/totals";
import { NodeTable } from "../summary_tables";
import { UsageBar } from "../usage_bar";
import type { JsonObject } from "./fields";
import { Field, FieldSection, Fields, OtherFieldsSection, Section, StateView } from "./parts";

const STATE_FIELDS = ["type", "isLinked", "lastSeenTime", "controllers"];
const ID_FIELDS = ["id", "agentId"];
const SHOWN = new Set([...STATE_FIELDS, ...ID_FIELDS, "name", "nodes", "pods"]);
const AGE_SECONDS = 5;

type ClusterRef = Extract<ObjectRef, { kind: "cluster" }>;

export function ClusterDetail({ object, cluster }: { readonly object: ClusterRef; readonly cluster: JsonObject }) {
  const name = object.cluster;
  const clusters = useSummary("clusters");
  const nodes = useSummary("nodes", { filter: equals("cluster", name) });
  const pods = useSummary("pods", { filter: equals("cluster", name) });
  const now = useShownNow(AGE_SECONDS);
  const findings = useMemo(
    () => findFindings({ nodes: nodes.data, pods: pods.data, quality: null }, now),
    [nodes.data, pods.data, now],
  );
  const totals = clusters.data && addUpClusters(clusters.data, name);
  const state = clusters.data && stateOfCluster(clusters.data, name);
  const tableLink = (kind: "nodes" | "pods" | "containers") =>
    hrefOf({ screen: "table", kind }, { cluster: name, sort: "health,name" });
  return (
    <div class="detail-grid">
      <Section title="State" isWide>
        <StateView state={state} explanations={[]} text={describeState(state, findings.length)} />
        {findings.length > 0 && <FindingList scope={name} findings={findings} isComparable={false} now={now} />}
      </Section>
      <Section title="About">
        <Fields object={cluster} names={STATE_FIELDS} />
        {totals !== null && (
          <dl class="fields">
            <Field label="Nodes">
              <a href={tableLink("nodes")}>{formatQuantity(totals.nodes.all, "node")}</a>
              {withComma(describeCounts(totals.nodes))}
            </Field>
            <Field label="Pods">
              <a href={tableLink("pods")}>{formatQuantity(totals.pods.all, "pod")}</a>
              {withComma(describeCounts(totals.pods))}
            </Field>
            <Field label="Containers">
              <a href={tableLink("containers")}>{formatQuantity(totals.containers, "container")}</a>
            </Field>
          </dl>
        )}
      </Section>
      {totals !== null && (
        <Section title="Usage">
          <dl class="gauges">
            <Field label="CPU">
              <UsageBar usage={totals.cpu} resource="cpu" hasCapacity />
            </Field>
            <Field label="Memory">
              <UsageBar usage={totals.memory} resource="memory" hasCapacity />
            </Field>
          </dl>
        </Section>
      )}
      <FieldSection title="IDs" object={cluster} names={ID_FIELDS} />
      {nodes.data !== null && nodes.data.count > 0 && (
        <Section title={`Nodes (${formatCount(nodes.data.count)})`} isWide>
          <NodeTable summary={nodes.data} caption="Nodes of the cluster" href={tableLink("nodes")} />
        </Section>
      )}
      <OtherFieldsSection object={cluster} shown={SHOWN} />
    </div>
  );
}

function withComma(text: string): string {
  return text && `, ${text}`;
}

/** What is said of a cluster that the API does not find fault with: warnings of its pods are no fault of the cluster. */
function describeState(state: ObjectState | null, findings: number): string {
  if (state?.health === "unknown") return "State unknown: no node of this cluster is known";
  return findings > 0 ? "OK" : "No problems";
}
