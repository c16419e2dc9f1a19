/** What is wrong in the fleet, worst first, and how many of everything there are. */

import { useMemo } from "preact/hooks";
import { HealthIcon } from "../components/health";
import { Screen } from "../components/screen";
import { EmptyState, Loading, NoData } from "../components/states";
import { type Freshness, freshness } from "../data/client";
import type { Health } from "../data/health";
import { useShownNow, useSummary } from "../data/hooks";
import { formatCount, formatDuration, formatQuantity, safeText } from "../format";
import { hrefOf, parameter, shownTime } from "../router";
import { ClusterSelect } from "./cluster_select";
import { ClusterTable } from "./overview/clusters";
import { FindingList } from "./overview/finding_list";
import { findFindings } from "./overview/findings";
import { addUpClusters, describeCounts, type HealthCounts, type Totals } from "./overview/totals";
import { useQuality } from "./quality/document";
import { UsageBar } from "./usage_bar";

/** How often the ages in sentences are written anew. */
const AGE_SECONDS = 5;

export function OverviewScreen() {
  const clusters = useSummary("clusters");
  const nodes = useSummary("nodes");
  const pods = useSummary("pods");
  const { quality, problem: qualityProblem } = useQuality();
  const now = useShownNow(AGE_SECONDS);
  const cluster = parameter("cluster");
  const findings = useMemo(
    () => findFindings({ nodes: nodes.data, pods: pods.data, quality }, now, cluster),
    [nodes.data, pods.data, quality, now, cluster],
  );
  const problem = (clusters.failure ?? nodes.failure ?? pods.failure)?.problem ?? null;
  if (clusters.data === null) {
    return (
      <Screen title="Overview">
        <NoData problem={problem}>{problem?.kind === "unavailable" && <NextSteps />}</NoData>
      </Screen>
    );
  }
  if (clusters.data.count === 0) {
    return (
      <Screen title="Overview">
        <EmptyFleet />
      </Screen>
    );
  }
  if (cluster !== "" && clusters.data.rowOf([cluster]) < 0) {
    return (
      <Screen title="Overview" actions={<ClusterSelect />}>
        <NoCluster cluster={cluster} />
      </Screen>
    );
  }
  const totals = addUpClusters(clusters.data, cluster);
  const hasObjects = nodes.data !== null && pods.data !== null && !nodes.isPending && !pods.isPending;
  const isComplete = hasObjects && (quality !== null || qualityProblem !== null);
  // What is missing during a failure is neither resolved nor, afterwards, new.
  const isComparable = hasObjects && (quality !== null || qualityProblem?.kind === "forbidden");
  const scope = `${cluster} ${shownTime.value}`;
  return (
    <Screen title="Overview" actions={clusters.data.count > 1 || cluster !== "" ? <ClusterSelect /> : undefined}>
      <TotalList totals={totals} cluster={cluster} />
      <div class="overview">
        <section class="overview-findings" aria-labelledby="findings-heading">
          <h2 id="findings-heading">
            Problems {findings.length > 0 && <span class="quiet-text">({formatCount(findings.length)})</span>}
          </h2>
          {findings.length === 0 && (isComplete ? <NoProblems totals={totals} now={now} /> : <Loading />)}
          <FindingList key={scope} scope={scope} findings={findings} isComparable={isComparable} now={now} />
        </section>
        {cluster === "" && <ClusterTable clusters={clusters.data} />}
      </div>
    </Screen>
  );
}

function EmptyFleet() {
  return (
    <EmptyState title="The topology is empty">
      <p>The gateway works, but Prometheus has no series that describe a cluster or a node.</p>
      <NextSteps />
    </EmptyState>
  );
}

function NoCluster({ cluster }: { readonly cluster: string }) {
  return (
    <EmptyState title={`There is no cluster ${safeText(cluster, 100)}`}>
      <p>It may be gone or renamed, or you may not have access to it.</p>
      <a href={hrefOf({ screen: "overview" })}>All clusters</a>
    </EmptyState>
  );
}

function NextSteps() {
  return (
    <ol class="next-steps">
      <li>
        Run <code>aggregator doctor --url {location.origin}</code>: it reports which series are missing and what to do.
      </li>
      <li>
        Configure Prometheus to scrape node_exporter, kube-state-metrics, the kubelet, or the agents of Docker hosts,
        with the labels <code>cluster</code> and <code>node</code>.
      </li>
      <li>
        The screen <a href={hrefOf({ screen: "quality" })}>Quality</a> lists which exporter fills which field. The{" "}
        <a href="/docs">documentation</a> describes what the API returns.
      </li>
    </ol>
  );
}

function NoProblems({ totals, now }: { readonly totals: Totals; readonly now: number }) {
  const found = freshness.value;
  const [health, title] = describeState(totals, found?.isComplete ?? true);
  return (
    <div class="no-problems">
      <HealthIcon health={health} />
      <div>
        <p class="empty-title">{title}</p>
        <p class="quiet-text">
          {formatQuantity(totals.nodes.all, "node")} and {formatQuantity(totals.pods.all, "pod")} in{" "}
          {formatQuantity(totals.clusters, "cluster")}.{found !== null && ` ${describeFreshness(found, now)}`}
        </p>
      </div>
    </div>
  );
}

/** Without problems: nothing is wrong only where something is known. */
function describeState({ nodes }: Totals, isComplete: boolean): [Health, string] {
  if (nodes.all === 0) return ["unknown", "No nodes are known"];
  return isComplete ? ["ok", "No problems"] : ["warning", "No problems in the data that are available"];
}

function describeFreshness({ queriedAt, isComplete }: Freshness, now: number): string {
  const age = `The data is ${formatDuration((now - queriedAt) / 1000)} old`;
  return isComplete ? `${age} and complete.` : `${age} and incomplete: some of it is missing or old.`;
}

function TotalList({ totals, cluster }: { readonly totals: Totals; readonly cluster: string }) {
  const parameters = { cluster, sort: "health,name" };
  return (
    <dl class="totals">
      {cluster === "" && (
        <Total label="Clusters" href={hrefOf({ screen: "table", kind: "clusters" })}>
          {formatCount(totals.clusters)}
        </Total>
      )}
      <Total label="Nodes" href={hrefOf({ screen: "table", kind: "nodes" }, parameters)} counts={totals.nodes}>
        {formatCount(totals.nodes.all)}
      </Total>
      <Total label="Pods" href={hrefOf({ screen: "table", kind: "pods" }, parameters)} counts={totals.pods}>
        {formatCount(totals.pods.all)}
      </Total>
      <Total label="Containers" href={hrefOf({ screen: "table", kind: "containers" }, parameters)}>
        {formatCount(totals.containers)}
      </Total>
      <div>
        <dt>CPU</dt>
        <dd>
          <UsageBar usage={totals.cpu} resource="cpu" />
        </dd>
      </div>
      <div>
        <dt>Memory</dt>
        <dd>
          <UsageBar usage={totals.memory} resource="memory" />
        </dd>
      </div>
    </dl>
  );
}

interface TotalProps {
  readonly label: string;
  readonly href: string;
  readonly counts?: HealthCounts;
  readonly children: string;
}

function Total({ label, href, counts, children }: TotalProps) {
  const problems = counts === undefined ? "" : describeCounts(counts);
  return (
    <div>
      <dt>{label}</dt>
      <dd>
        <a href={href}>{children}</a>
        {problems !== "" && (
          <span class={counts?.failed ? "failed-text" : "warning-text"}>
            <HealthIcon health={counts?.failed ? "failed" : "warning"} /> {problems}
          </span>
        )}
      </dd>
    </div>
  );
}
