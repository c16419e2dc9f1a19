/** The map: clusters as boxes, nodes as cells, pods within them, and the same as a table. */
import { useMemo } from "preact/hooks";
import { FilterBar } from "../../components/filter_bar";
import { Screen } from "../../components/screen";
import { EmptyState, NoData } from "../../components/states";
import { useSummary } from "../../data/hooks";
import { hrefOf, parameter, setParameters } from "../../router";
import { useFilterCompletion } from "../completion/hooks";
import { emptySummary, Fleet, GROUPINGS } from "./fleet";
import { MapView } from "./map_view";
import { EVERYTHING, findMatches, LEVELS } from "./matches";
import { COLOUR_MODES, colourModeOf } from "./scales";

const COLOUR_TEXTS = mapValues(COLOUR_MODES, ({ label }) => label);
const PLACEHOLDERS = {
  nodes: "is_reporting=false, available_memory_bytes<1Gi",
  pods: "phase!=Running, container.reason=CrashLoopBackOff",
} as const;

export function MapScreen() {
  const clusters = useSummary("clusters");
  const nodes = useSummary("nodes");
  const pods = useSummary("pods");
  const level = choose(LEVELS, parameter("level"), "nodes");
  const grouping = choose(GROUPINGS, parameter("group"), "cluster");
  const colour = choose(COLOUR_TEXTS, parameter("colour"), "health");
  const filter = parameter("filter");
  const labels = level === "nodes" ? parameter("labels") : "";
  const isFiltered = filter !== "" || labels !== "";
  const matching = useSummary(isFiltered ? level : null, { filter, labels });
  const complete = useFilterCompletion(level, { clusters, nodes, pods }[level].data);
  const fleet = useMemo(() => {
    if (nodes.data === null) return null;
    return new Fleet({
      clusters: clusters.data ?? emptySummary("clusters"),
      nodes: nodes.data,
      pods: pods.data ?? emptySummary("pods"),
    });
  }, [clusters.data, nodes.data, pods.data]);
  const matches = useMemo(() => (fleet ? findMatches(fleet, matching.data) : EVERYTHING), [fleet, matching.data]);
  return (
    <Screen title="Map" isFilling>
      <div class="map-controls">
        <Choice name="level" label="Find" texts={LEVELS} value={level} />
        <FilterBar placeholder={PLACEHOLDERS[level]} problem={matching.failure?.problem ?? null} complete={complete} />
        <Choice name="colour" label="Colour" texts={COLOUR_TEXTS} value={colour} />
        <Choice name="group" label="Group" texts={GROUPINGS} value={grouping} />
      </div>
      {fleet === null ? (
        <NoData problem={nodes.failure?.problem ?? null} />
      ) : fleet.nodes.count + fleet.pods.count + fleet.clusters.count === 0 ? (
        <EmptyState title="No clusters, nodes or pods">
          <a href={hrefOf({ screen: "quality" })}>See what is missing</a>
        </EmptyState>
      ) : (
        <MapView
          fleet={fleet}
          matches={matches}
          matching={matching.data && { kind: level, count: matching.data.count }}
          grouping={grouping}
          mode={colourModeOf(colour)}
          queriedAt={nodes.freshness?.queriedAt ?? 0}
        />
      )}
    </Screen>
  );
}

interface ChoiceProps {
  /** The parameter of the address. */
  readonly name: string;
  readonly label: string;
  readonly texts: Readonly<Record<string, string>>;
  readonly value: string;
}

function Choice({ name, label, texts, value }: ChoiceProps) {
  const [first] = Object.keys(texts);
  return (
    <label class="choice">
      {label}
      <select
        value={value}
        onChange={({ currentTarget }) => {
          setParameters({ [name]: currentTarget.value === first ? undefined : currentTarget.value }, { replace: true });
        }}
      >
        {Object.entries(texts).map(([key, text]) => (
          <option key={key} value={key}>
            {text}
          </option>
        ))}
      </select>
    </label>
  );
}

/** Return the value of a parameter, or the default if it is none of the values: addresses can contain anything. */
function choose<Value extends string>(values: Readonly<Record<Value, unknown>>, text: string, otherwise: Value): Value {
  return Object.hasOwn(values, text) ? (text as Value) : otherwise;
}

function mapValues<Key extends string, From, To>(record: Readonly<Record<Key, From>>, change: (value: From) => To) {
  return Object.fromEntries(Object.entries<From>(record).map(([key, value]) => [key, change(value)])) as Record<
    Key,
    To
  >;
}
