/** The panel beside a table: what matters of the selected object, and links to everything around it. */

import { HealthBadge, toHealth } from "../../components/health";
import { Name, ObjectLink } from "../../components/name";
import { Loading } from "../../components/states";
import { useJson, useSummary } from "../../data/hooks";
import { formatQuantity, safeText } from "../../format";
import { useShortcut } from "../../keyboard";
import { hrefOf, hrefOfObject, type ObjectRef, objectKey, objectName, setParameters } from "../../router";
import { hasValue, type JsonObject, listField, textField } from "../detail/fields";
import { findNodeCauses } from "../detail/node_causes";
import { CauseList, Field, Fields, GoneNotice } from "../detail/parts";
import { detailPath } from "../detail/path";
import { ContainerState } from "../detail/pod";
import { findContainerCauses, findPodCauses, healthyPod } from "../detail/pod_causes";
import { ContainerUse, NodeUsage } from "../detail/usage";
import { equals } from "../filters";
import { NoData } from "../no_data";
import { UsedBar } from "../used_bar";

const NODE_FIELDS = ["lastSeenTime", "architecture", "operatingSystem", "engine", "city", "temperatureCelsius"];
const POD_FIELDS = ["phase", "startTime", "controllerName", "ip"];
const CONTAINER_FIELDS = ["image", "state", "reason", "lastTerminationReason", "restartCount", "startTime"];
const CLUSTER_FIELDS = ["type", "controllers", "lastSeenTime"];

export function Glance({ object }: { readonly object: ObjectRef }) {
  const { data, failure } = useJson<JsonObject>(detailPath(object));
  const close = () => setParameters({ sel: undefined });
  useShortcut("Escape", "close the panel", close);
  return (
    <aside class="side-panel" aria-labelledby="side-panel-heading">
      <header>
        <h2 id="side-panel-heading">
          <span class="kind">{object.kind} </span>
          <a href={hrefOfObject(object, { sel: object.kind === "container" ? objectKey(object) : undefined })}>
            <Name text={objectName(object)} />
          </a>
        </h2>
        <button type="button" class="quiet" aria-label="Close the panel" onClick={close}>
          ✕
        </button>
      </header>
      {failure?.problem.kind === "missing" && data !== null && <GoneNotice since={failure.since} />}
      {data === null && (failure === null ? <Loading /> : <NoData problem={failure.problem} />)}
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
      return <ClusterGlance cluster={object.cluster} data={data} />;
    case "node":
      return <NodeGlance cluster={object.cluster} node={data} />;
    case "pod":
      return <PodGlance pod={data} />;
    case "container":
      return <ContainerGlance pod={data} name={object.container} />;
  }
}

function ClusterGlance({ cluster, data }: { readonly cluster: string; readonly data: JsonObject }) {
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
          <UsedBar used={number("cpuUsageCores")} all={number("cpuCores")} what="cpu" hasCapacity />
        </Field>
        <Field label="Memory">
          <UsedBar
            used={number("memoryBytes") - number("availableMemoryBytes")}
            all={number("memoryBytes")}
            what="memory"
            hasCapacity
          />
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

function NodeGlance({ cluster, node }: { readonly cluster: string; readonly node: JsonObject }) {
  const filter = equals("node", textField(node, "name"));
  return (
    <>
      <CauseList causes={findNodeCauses(node)} health="ok" text="Nothing is wrong" />
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

function PodGlance({ pod }: { readonly pod: JsonObject }) {
  return (
    <>
      <CauseList causes={findPodCauses(pod)} {...healthyPod(pod)} />
      <Fields object={pod} names={POD_FIELDS} />
      {listField(pod, "containers").map((container) => (
        <div key={textField(container, "name")} class="side-panel-container">
          <h3>
            <Name text={textField(container, "name")} />
          </h3>
          <ContainerState pod={pod} container={container} />
          <ContainerGauges container={container} />
        </div>
      ))}
      <Around pod={pod} />
    </>
  );
}

function ContainerGlance({ pod, name }: { readonly pod: JsonObject; readonly name: string }) {
  const container = listField(pod, "containers").find((other) => textField(other, "name") === name);
  if (container === undefined) return <p>The pod has no such container any longer.</p>;
  return (
    <>
      <CauseList
        causes={findContainerCauses(pod, container, false)}
        health={textField(container, "state") === "" ? "unknown" : "ok"}
        text={textField(container, "state") || "Its state is not known"}
      />
      <ContainerGauges container={container} />
      <Fields object={container} names={CONTAINER_FIELDS} />
      <Around pod={pod} />
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
function Around({ pod }: { readonly pod: JsonObject }) {
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
