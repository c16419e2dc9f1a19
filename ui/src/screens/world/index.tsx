/** The world: hosts where they are, near ones gathered, and their places as a table. */
import { useMemo } from "preact/hooks";
import { FilterBar } from "../../components/filter_bar";
import { Screen } from "../../components/screen";
import { EmptyState, NoData } from "../../components/states";
import { useSummary } from "../../data/hooks";
import { formatQuantity } from "../../format";
import { hrefOf, parameter } from "../../router";
import { useFilterCompletion } from "../completion/hooks";
import { findLocated, listPlaces } from "./places";
import { matchNodes } from "./rows";
import { WorldView } from "./world_view";

export function WorldScreen() {
  const nodes = useSummary("nodes");
  const filter = parameter("filter");
  const labels = parameter("labels");
  const matching = useSummary(filter || labels ? "nodes" : null, { filter, labels });
  const complete = useFilterCompletion("nodes", nodes.data);
  const places = useMemo(() => nodes.data && listPlaces(nodes.data, findLocated(nodes.data)), [nodes.data]);
  const matches = useMemo(() => nodes.data && matchNodes(nodes.data, matching.data), [nodes.data, matching.data]);
  if (nodes.data === null || places === null) {
    return (
      <Screen title="World" isFilling>
        <NoData problem={nodes.failure?.problem ?? null} />
      </Screen>
    );
  }
  const locatedCount = places.reduce((sum, { hosts }) => sum + hosts.length, 0);
  return (
    <Screen title="World" isFilling>
      {locatedCount === 0 ? (
        <NoPositions count={nodes.data.count} />
      ) : (
        <>
          <FilterBar
            placeholder="country=GR, is_reporting=false"
            problem={matching.failure?.problem ?? null}
            complete={complete}
          />
          <WorldView nodes={nodes.data} places={places} matches={matches}>
            {nodes.data.count > locatedCount && (
              <>
                {" · "}
                <a href={hrefOf({ screen: "table", kind: "nodes" }, { filter: "!latitude" })}>
                  {formatQuantity(nodes.data.count - locatedCount, "node")} without a position
                </a>
              </>
            )}
          </WorldView>
        </>
      )}
    </Screen>
  );
}

function NoPositions({ count }: { readonly count: number }) {
  return (
    <EmptyState title={count === 0 ? "No nodes" : "No node has a position"}>
      <p>A node is shown here if its telemetry has a latitude and a longitude. They are read from these labels:</p>
      <ul class="next-steps">
        <li>
          <code>icos_alpha_latitude</code> and <code>icos_alpha_longitude</code> of <code>node_uname_info</code>, the
          metric of node_exporter
        </li>
        <li>
          <code>latitude</code> and <code>longitude</code> of <code>tlum_host_info</code>, the metric of the ICOS
          telemetry agent
        </li>
      </ul>
      <p>
        Add them to the targets of the host in the configuration of Prometheus, as <code>labels</code> or with{" "}
        <code>relabel_configs</code>. Values are decimal degrees. Values of 0 or out of range are ignored.
      </p>
    </EmptyState>
  );
}
