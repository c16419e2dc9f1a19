import { FilterBar } from "../components/filter_bar";
import { Screen } from "../components/screen";
import { Table } from "../components/table";
import { barColumn, healthColumn, numberColumn, type TableColumn, textColumn } from "../components/table_columns";
import { useSummary } from "../data/hooks";
import type { SummaryKind } from "../data/protocol";
import type { Summary } from "../data/summary";
import { formatBytes, formatCount, formatRatio } from "../format";
import { hrefOfObject, type ObjectRef, parameter } from "../router";

const TITLES: Readonly<Record<SummaryKind, string>> = {
  clusters: "Clusters",
  nodes: "Nodes",
  pods: "Pods",
  containers: "Containers",
};

const COLUMNS: Readonly<Record<SummaryKind, readonly TableColumn[]>> = {
  clusters: [textColumn("name", "Name"), healthColumn(), numberColumn("nodeCount", "Nodes", formatCount)],
  nodes: [
    textColumn("name", "Name"),
    textColumn("cluster", "Cluster"),
    healthColumn(),
    barColumn("cpuUsageRatio", "CPU", (summary, row) => {
      const ratio = summary.number("cpuUsageRatio", row);
      return { ratio, text: formatRatio(ratio) };
    }),
    numberColumn("memoryBytes", "Memory", formatBytes),
  ],
  pods: [
    textColumn("name", "Name"),
    textColumn("namespace", "Namespace"),
    textColumn("cluster", "Cluster"),
    healthColumn(),
  ],
  containers: [textColumn("name", "Name"), textColumn("pod", "Pod"), textColumn("cluster", "Cluster"), healthColumn()],
};

export function TableScreen({ kind }: { readonly kind: SummaryKind }) {
  const query = { filter: parameter("filter"), labels: parameter("labels") };
  const resource = useSummary(kind, query);
  return (
    <Screen title={TITLES[kind]} isFilling>
      <FilterBar problem={resource.failure?.problem ?? null} />
      <Table
        kind={kind}
        query={query}
        resource={resource}
        columns={COLUMNS[kind]}
        hrefOf={(summary, row) => hrefOfObject(objectOf(kind, summary, row))}
        defaultSort="health,name"
        label={TITLES[kind]}
      />
    </Screen>
  );
}

function objectOf(kind: SummaryKind, summary: Summary, row: number): ObjectRef {
  const [cluster = "", first = "", second = ""] = summary.names(row);
  switch (kind) {
    case "clusters":
      return { kind: "cluster", cluster };
    case "nodes":
      return { kind: "node", cluster, node: first };
    default:
      return { kind: "pod", cluster, namespace: first, pod: second };
  }
}
