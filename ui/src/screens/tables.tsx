/** Tables of clusters, nodes, pods and containers. */

import { useEffect, useMemo, useState } from "preact/hooks";
import { FilterBar } from "../components/filter_bar";
import { Screen } from "../components/screen";
import { EmptyState } from "../components/states";
import { Table } from "../components/table";
import { useSummary } from "../data/hooks";
import type { SummaryKind } from "../data/protocol";
import type { Summary } from "../data/summary";
import {
  hrefOf,
  hrefOfObject,
  hrefWith,
  type ObjectRef,
  objectKey,
  parameter,
  parseObjectKey,
  setParameters,
} from "../router";
import { ClusterSelect } from "./cluster_select";
import { useFilterCompletion, useSelectorCompletion } from "./completion/hooks";
import { equals, joinFilters, problemWithFieldOf, problemWithoutPrefix } from "./filters";
import { objectOfRow, rowOfObject } from "./objects";
import { COLUMNS } from "./tables/columns";
import { SidePanel } from "./tables/side_panel";
import { describeTotals } from "./tables/totals";

const TITLES: Readonly<Record<SummaryKind, string>> = {
  clusters: "Clusters",
  nodes: "Nodes",
  pods: "Pods",
  containers: "Containers",
};

const PLACEHOLDERS: Readonly<Record<SummaryKind, string>> = {
  clusters: "type=ocm, node.architecture=aarch64",
  nodes: "available_memory_bytes>=4Gi, condition.Ready!=true",
  pods: "phase=Running, image~nginx",
  containers: "restart_count>3, image~nginx",
};

/** From this width on there is room for a panel beside the table. */
const WIDE = "(min-width: 75rem)";

export function TableScreen({ kind }: { readonly kind: SummaryKind }) {
  const cluster = kind === "clusters" ? "" : parameter("cluster");
  const typed = parameter("filter");
  // First, so that an error in what was typed quotes nothing else.
  const filter = joinFilters(cluster === "" ? "" : equals("cluster", cluster), typed);
  const query = { filter, labels: kind === "nodes" ? parameter("labels") : "" };
  const resource = useSummary(kind, query);
  const { data: summary, failure } = resource;
  const problem = failure && problemWithFieldOf(problemWithoutPrefix(failure.problem, filter, typed), COLUMNS[kind]);
  const completeFilter = useFilterCompletion(kind, summary);
  const completeLabels = useSelectorCompletion();
  const isWide = useMediaQuery(WIDE);
  const selected = parseObjectKey(parameter("sel"));
  const totals = useMemo(() => (summary === null ? [] : describeTotals(kind, summary)), [kind, summary]);
  const selection = isWide
    ? { row: summary !== null && selected !== null ? rowOfObject(summary, selected) : -1, select }
    : undefined;
  return (
    <Screen title={TITLES[kind]} isFilling actions={kind === "clusters" ? undefined : <ClusterSelect />}>
      <div class="filter-bars">
        <FilterBar problem={problem} placeholder={PLACEHOLDERS[kind]} complete={completeFilter} />
        {kind === "nodes" && (
          <FilterBar
            name="labels"
            label="Labels"
            placeholder="zone in (north,south),!gpu"
            problem={problem}
            complete={completeLabels}
          />
        )}
      </div>
      <div class="beside">
        <div class="beside-main">
          <Table
            kind={kind}
            query={query}
            resource={resource}
            columns={COLUMNS[kind]}
            hrefOf={(found, row) => hrefOfObject(pageOf(objectOfRow(found, row)))}
            defaultSort="health,name"
            label={TITLES[kind]}
            totals={totals.map((text) => <span key={text}>{text}</span>)}
            empty={<NoRows kind={kind} isFiltered={filter !== "" || query.labels !== ""} />}
            selection={selection}
          />
        </div>
        {isWide && selected !== null && <SidePanel key={parameter("sel")} object={selected} />}
      </div>
    </Screen>
  );

  function select(found: Summary, row: number): void {
    setParameters({ sel: objectKey(objectOfRow(found, row)) }, { replace: selected !== null });
  }
}

function NoRows({ kind, isFiltered }: { readonly kind: SummaryKind; readonly isFiltered: boolean }) {
  const noun = TITLES[kind].toLowerCase();
  if (!isFiltered) {
    return (
      <EmptyState title={`No ${noun}`}>
        <p>The topology has none, or your token gives access to none.</p>
        <a href={hrefOf({ screen: "quality" })}>See what is missing</a>
      </EmptyState>
    );
  }
  return (
    <EmptyState title={`No ${noun} match`}>
      <a href={hrefWith({ filter: undefined, labels: undefined, cluster: undefined })}>Show all {noun}</a>
    </EmptyState>
  );
}

/** A container is on the page of its pod. */
function pageOf(object: ObjectRef): ObjectRef {
  return object.kind === "container" ? { ...object, kind: "pod" } : object;
}

function useMediaQuery(query: string): boolean {
  const [matches, setMatches] = useState(() => matchMedia(query).matches);
  useEffect(() => {
    const list = matchMedia(query);
    const follow = () => setMatches(list.matches);
    list.addEventListener("change", follow);
    return () => list.removeEventListener("change", follow);
  }, [query]);
  return matches;
}
