import { HealthIcon } from "../../components/health";
import { ObjectLink } from "../../components/name";
import type { Summary } from "../../data/summary";
import { formatCount } from "../../format";
import { hrefOf } from "../../router";
import { PlainTable } from "../plain_table";
import { SummaryHealth, worstRows } from "../summary_tables";
import { UsageBar, usageOfCluster } from "../usage_bar";
import { describeCounts } from "./totals";

/** The table shows so many clusters; the screen of clusters shows all. */
const MAXIMUM_CLUSTERS = 20;

/** The clusters with their numbers of nodes and pods, those with problems first. */
export function ClusterTable({ clusters }: { readonly clusters: Summary }) {
  const rows = worstRows(clusters).slice(0, MAXIMUM_CLUSTERS);
  return (
    <section class="overview-clusters" aria-labelledby="clusters-heading">
      <h2 id="clusters-heading">Clusters</h2>
      <PlainTable
        caption="Clusters, those with problems first"
        columns={["Name", "Health", "Nodes", "Pods", "CPU", "Memory"]}
        all={
          clusters.count > rows.length
            ? {
                href: hrefOf({ screen: "table", kind: "clusters" }, { sort: "health,name" }),
                text: `All ${formatCount(clusters.count)} clusters`,
              }
            : null
        }
      >
        {rows.map((row) => (
          <ClusterRow key={clusters.ids[row]} clusters={clusters} row={row} />
        ))}
      </PlainTable>
    </section>
  );
}

function ClusterRow({ clusters, row }: { readonly clusters: Summary; readonly row: number }) {
  const cluster = clusters.text("name", row);
  return (
    <tr>
      <th scope="row">
        <ObjectLink object={{ kind: "cluster", cluster }} />
      </th>
      <td>
        <SummaryHealth summary={clusters} row={row} />
      </td>
      <CountCell clusters={clusters} row={row} kind="nodes" />
      <CountCell clusters={clusters} row={row} kind="pods" />
      <td>
        <UsageBar usage={usageOfCluster(clusters, row, "cpu")} resource="cpu" />
      </td>
      <td>
        <UsageBar usage={usageOfCluster(clusters, row, "memory")} resource="memory" />
      </td>
    </tr>
  );
}

interface CellProps {
  readonly clusters: Summary;
  readonly row: number;
}

function CountCell({ clusters, row, kind }: CellProps & { readonly kind: "nodes" | "pods" }) {
  const [all, failed, warning] =
    kind === "nodes"
      ? ["nodeCount", "failedNodeCount", "warningNodeCount"]
      : ["podCount", "failedPodCount", "warningPodCount"];
  const counts = {
    all: clusters.number(all ?? "", row),
    failed: clusters.number(failed ?? "", row),
    warning: clusters.number(warning ?? "", row),
  };
  const problems = describeCounts(counts);
  return (
    <td class="count">
      <a href={hrefOf({ screen: "table", kind }, { cluster: clusters.text("name", row), sort: "health,name" })}>
        {formatCount(counts.all)}
      </a>
      {problems !== "" && (
        <span class={counts.failed > 0 ? "failed-text" : "warning-text"} title={problems}>
          {" "}
          <HealthIcon health={counts.failed > 0 ? "failed" : "warning"} label={problems} />{" "}
          <span aria-hidden="true">{formatCount(counts.failed || counts.warning)}</span>
        </span>
      )}
    </td>
  );
}
