import { useMemo } from "preact/hooks";
import { useNow, useSummary } from "../../data/hooks";
import { formatQuantity } from "../../format";
import { hrefOf, type ObjectRef } from "../../router";
import { equals } from "../filters";
import { FindingList } from "../overview/finding_list";
import { findFindings } from "../overview/findings";
import { addUpClusters, describeCounts } from "../overview/totals";
import { NodeTable } from "../summary_tables";
import { UsedBar } from "../used_bar";
import type { JsonObject } from "./fields";
import { CauseList, Field, FieldSection, Fields, RestSection, Section } from "./parts";

const STATE_FIELDS = ["type", "isLinked", "lastSeenTime", "controllers"];
const ID_FIELDS = ["id", "agentId"];
const SHOWN = new Set([...STATE_FIELDS, ...ID_FIELDS, "name", "nodes", "pods"]);
const AGE_SECONDS = 5;

export type ClusterRef = Extract<ObjectRef, { kind: "cluster" }>;

export function ClusterDetail({ object, cluster }: { readonly object: ClusterRef; readonly cluster: JsonObject }) {
  const name = object.cluster;
  const clusters = useSummary("clusters");
  const nodes = useSummary("nodes", { filter: equals("cluster", name) });
  const pods = useSummary("pods", { filter: equals("cluster", name) });
  const now = useNow(AGE_SECONDS);
  const findings = useMemo(
    () => findFindings({ nodes: nodes.data, pods: pods.data, quality: null }, now),
    [nodes.data, pods.data, now],
  );
  const totals = clusters.data && addUpClusters(clusters.data, name);
  const isComplete = nodes.data !== null && pods.data !== null;
  const tableLink = (kind: "nodes" | "pods" | "containers") =>
    hrefOf({ screen: "table", kind }, { cluster: name, sort: "health,name" });
  return (
    <div class="detail-grid">
      <Section title="State" isWide>
        {findings.length === 0 && isComplete ? (
          <CauseList causes={[]} health="ok" text="Nothing is wrong" />
        ) : (
          <FindingList scope={name} findings={findings} isComparable={false} now={now} />
        )}
      </Section>
      <Section title="About">
        <Fields object={cluster} names={STATE_FIELDS} />
        {totals !== null && (
          <dl class="fields">
            <Field label="Nodes">
              <a href={tableLink("nodes")}>{formatQuantity(totals.nodes.all, "node")}</a> {describeCounts(totals.nodes)}
            </Field>
            <Field label="Pods">
              <a href={tableLink("pods")}>{formatQuantity(totals.pods.all, "pod")}</a> {describeCounts(totals.pods)}
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
              <UsedBar used={totals.cpuUsageCores} all={totals.cpuCores} what="cpu" hasCapacity />
            </Field>
            <Field label="Memory">
              <UsedBar
                used={totals.memoryBytes - totals.availableMemoryBytes}
                all={totals.memoryBytes}
                what="memory"
                hasCapacity
              />
            </Field>
          </dl>
        </Section>
      )}
      <FieldSection title="IDs" object={cluster} names={ID_FIELDS} />
      {nodes.data !== null && nodes.data.count > 0 && (
        <Section title="Nodes" isWide>
          <NodeTable summary={nodes.data} caption="Nodes of the cluster" href={tableLink("nodes")} />
        </Section>
      )}
      <RestSection object={cluster} shown={SHOWN} />
    </div>
  );
}
