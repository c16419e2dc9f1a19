/** The panel beside a table: what matters of the selected object, and links to everything around it. */

import { HealthBadge } from "../../components/health";
import { Name, ObjectLink } from "../../components/name";
import { NoData } from "../../components/states";
import { toHealth } from "../../data/health";
import { useJson, useSummary } from "../../data/hooks";
import { capitalize, formatQuantity, safeText } from "../../format";
import { useShortcut } from "../../keyboard";
import { hrefOf, hrefOfObject, type ObjectRef, objectKey, objectName, setParameters } from "../../router";
import { hasValue, type JsonObject, listField, textField } from "../detail/fields";
import { NodeState } from "../detail/node";
import { Field, Fields, GoneNotice, StateView } from "../detail/parts";
import { detailPath } from "../detail/path";
import { ContainerState, type PodRef, PodState } from "../detail/pod";
import { describeWell, explainContainer } from "../detail/pod_explanations";
import { ContainerUse, NodeUsage } from "../detail/usage";
import { equals } from "../filters";
import { UNKNOWN_STATE, useContainerStates } from "../object_state";
import { UsageBar, usageOfCluster } from "../usage_bar";

type ContainerRef = Extract<ObjectRef, { kind: "container" }>;

const NODE_FIELDS = ["lastSeenTime", "architecture", "operatingSystem", "engine", "city", "temperatureCelsius"];
const POD_FIELDS = ["phase", "startTime", "controllerName", "ip"];
const CONTAINER_FIELDS = ["image", "state", "reason", "lastTerminationReason", "restartCount", "startTime"];
const CLUSTER_FIELDS = ["type", "controllers", "lastSeenTime"];

export function SidePanel({ object }: { readonly object: ObjectRef }) {
  const { data, failure } = useJson<JsonObject>(detailPath(object));
  const close = () => setParameters({ sel: undefined });
  useShortcut("Escape", "close the panel", close);
  return (
    <aside class="side-panel" aria-labelledby="side-panel-heading">
      <header>
        <h2 id="side-panel-heading">
          <span class="kind">{capitalize(object.kind)} </span>
          <a href={hrefOfObject(object, { sel: object.kind === "container" ? objectKey(object) : undefined })}>
            <Name text={objectName(object)} />
          </a>
        </h2>
        <button type="button" class="quiet" aria-label="Close the panel" onClick={close}>
          ✕
        </button>
      </header>
      {failure?.problem.kind === "missing" && data !== null && <GoneNotice since={failure.since} />}
      {data === null && <NoData problem={failure?.problem ?? null} />}
      {data !== null && <Content object={object} data={data} />}
    </aside>
  );
}

interface ContentProps {
  readonly object: ObjectRef;
  readonly data: JsonObject;
}

function Content({ object, data }: ContentProps) {
  switch (object.kind) {
    case "cluster":
      return <ClusterPanel cluster={object.cluster} data={data} />;
    case "node":
      return <NodePanel cluster={object.cluster} node={data} />;
    case "pod":
      return <PodPanel object={object} pod={data} />;
    case "container":
      return <ContainerPanel object={object} pod={data} />;
  }
}

function ClusterPanel({ cluster, data }: { readonly cluster: string; readonly data: JsonObject }) {
  const { data: clusters } = useSummary("clusters");
  const row = clusters?.rowOf([cluster]) ?? -1;
  if (clusters === null || row < 0) return null;
  const number = (column: string) => clusters.number(column, row);
  const link = (kind: "nodes" | "pods" | "containers", column: string) => (
    <a href={hrefOf({ screen: "table", kind }, { cluster, sort: "health,name" })}>
      {formatQuantity(number(column), kind.slice(0, -1))}
    </a>
  );
  return (
    <>
      <p>
        <HealthBadge
          health={toHealth(clusters.text("health", row))}
          text={safeText(clusters.text("problems", row), 200)}
        />
      </p>
      <dl class="gauges">
        <Field label="CPU">
          <UsageBar usage={usageOfCluster(clusters, row, "cpu")} resource="cpu" hasCapacity />
        </Field>
        <Field label="Memory">
          <UsageBar usage={usageOfCluster(clusters, row, "memory")} resource="memory" hasCapacity />
        </Field>
      </dl>
      <Fields object={data} names={CLUSTER_FIELDS} />
      <ul class="link-list">
        <li>{link("nodes", "nodeCount")}</li>
        <li>{link("pods", "podCount")}</li>
        <li>{link("containers", "containerCount")}</li>
      </ul>
    </>
  );
}

function NodePanel({ cluster, node }: { readonly cluster: string; readonly node: JsonObject }) {
  const filter = equals("node", textField(node, "name"));
  return (
    <>
      <NodeState cluster={cluster} node={node} />
      <NodeUsage node={node} />
      <Fields object={node} names={NODE_FIELDS} />
      <ul class="link-list">
        <li>
          Cluster <ObjectLink object={{ kind: "cluster", cluster }} />
        </li>
        <li>
          <a href={hrefOf({ screen: "table", kind: "pods" }, { cluster, filter, sort: "health,name" })}>Its pods</a>
        </li>
      </ul>
    </>
  );
}

function PodPanel({ object, pod }: { readonly object: PodRef; readonly pod: JsonObject }) {
  const states = useContainerStates(object);
  return (
    <>
      <PodState object={object} pod={pod} />
      <Fields object={pod} names={POD_FIELDS} />
      {listField(pod, "containers").map((container) => (
        <div key={textField(container, "name")} class="side-panel-container">
          <h3>
            <Name text={textField(container, "name")} />
          </h3>
          <ContainerState container={container} state={states?.get(textField(container, "name"))} />
          <ContainerGauges container={container} />
        </div>
      ))}
      <RelatedLinks pod={pod} />
    </>
  );
}

function ContainerPanel({ object, pod }: { readonly object: ContainerRef; readonly pod: JsonObject }) {
  const name = object.container;
  const states = useContainerStates(object);
  const container = listField(pod, "containers").find((other) => textField(other, "name") === name);
  if (container === undefined) return <p>The pod no longer has this container.</p>;
  const state = states && (states.get(name) ?? UNKNOWN_STATE);
  return (
    <>
      <StateView
        state={state}
        explanations={explainContainer(pod, container, state?.problems ?? [])}
        text={state === null ? "" : describeWell(state, textField(container, "state"))}
      />
      <ContainerGauges container={container} />
      <Fields object={container} names={CONTAINER_FIELDS} />
      <RelatedLinks pod={pod} />
    </>
  );
}

function ContainerGauges({ container }: { readonly container: JsonObject }) {
  const hasCpu = hasValue(container["cpuUsageCores"]);
  const hasMemory = hasValue(container["memoryBytes"]);
  if (!hasCpu && !hasMemory) return null;
  return (
    <dl class="gauges">
      {hasCpu && (
        <Field label="CPU">
          <ContainerUse container={container} what="cpu" />
        </Field>
      )}
      {hasMemory && (
        <Field label="Memory">
          <ContainerUse container={container} what="memory" />
        </Field>
      )}
    </dl>
  );
}

/** Links to what a pod is in. */
function RelatedLinks({ pod }: { readonly pod: JsonObject }) {
  const cluster = textField(pod, "cluster");
  const node = textField(pod, "node");
  return (
    <ul class="link-list">
      <li>
        Cluster <ObjectLink object={{ kind: "cluster", cluster }} />
      </li>
      {node !== "" && (
        <li>
          Node <ObjectLink object={{ kind: "node", cluster, node }} />
        </li>
      )}
      <li>
        Pod{" "}
        <ObjectLink
          object={{ kind: "pod", cluster, namespace: textField(pod, "namespace"), pod: textField(pod, "name") }}
        />
      </li>
    </ul>
  );
}
