import { HealthBadge } from "../../components/health";
import { Name, ObjectLink } from "../../components/name";
import { useSummary } from "../../data/hooks";
import { formatCount, formatQuantity, safeText } from "../../format";
import { hrefOf, type ObjectRef, parameter, parseObjectKey } from "../../router";
import { equals, joinFilters } from "../filters";
import { type ObjectState, useContainerStates, usePodState } from "../object_state";
import { PlainTable } from "../plain_table";
import { PodTable, SummaryHealth } from "../summary_tables";
import { PercentBar } from "../usage_bar";
import { hasValue, type JsonObject, listField, numberField, textField } from "./fields";
import { Field, FieldSection, Fields, OtherFieldsSection, Section, StateView, ValueSection } from "./parts";
import { describeWell, explainPod } from "./pod_explanations";
import { ContainerUse } from "./usage";

const STATE_FIELDS = ["phase", "isReady", "reason", "startTime", "createdTime", "lastSeenTime"];
const SCHEDULING_FIELDS = ["qosClass", "priorityClass"];
const NETWORK_FIELDS = [
  "ip",
  "hostIp",
  "usesHostNetwork",
  "receiveBytesPerSecond",
  "transmitBytesPerSecond",
  "services",
];
const ELSEWHERE = [
  "name",
  "namespace",
  "cluster",
  "node",
  "ownerKind",
  "ownerName",
  "controllerKind",
  "controllerName",
  "containers",
];
const VALUE_FIELDS = ["alerts", "workloads", "volumes", "labels", "annotations"];
const SHOWN = new Set([...STATE_FIELDS, ...SCHEDULING_FIELDS, ...NETWORK_FIELDS, ...ELSEWHERE, ...VALUE_FIELDS, "id"]);
const CONTAINER_FIELDS_ABOVE = new Set(["name", "cluster", "namespace", "pod", "node"]);

export type PodRef = Extract<ObjectRef, { kind: "pod" }>;

export function PodDetail({ object, pod }: { readonly object: PodRef; readonly pod: JsonObject }) {
  const containers = listField(pod, "containers");
  return (
    <div class="detail-grid">
      <Section title="State">
        <PodState object={object} pod={pod} />
        <Fields object={pod} names={STATE_FIELDS} />
      </Section>
      <Section title="Runs on">
        <PodNode pod={pod} />
        <Fields object={pod} names={SCHEDULING_FIELDS} />
      </Section>
      {containers.length > 0 && <ContainerSection object={object} containers={containers} />}
      <WorkloadSection object={object} pod={pod} />
      <ValueSection object={pod} name="alerts" title="Firing alerts" />
      <FieldSection title="Network" object={pod} names={NETWORK_FIELDS} />
      <ValueSection object={pod} name="workloads" />
      <ValueSection object={pod} name="volumes" title="Persistent volume claims" />
      <ValueSection object={pod} name="labels" />
      <ValueSection object={pod} name="annotations" />
      <FieldSection title="IDs" object={pod} names={["id"]} />
      <OtherFieldsSection object={pod} shown={SHOWN} />
    </div>
  );
}

/** The node of a pod with its health: the cause may be there. */
function PodNode({ pod }: { readonly pod: JsonObject }) {
  const cluster = textField(pod, "cluster");
  const node = textField(pod, "node");
  const nodes = useSummary(node === "" ? null : "nodes", {
    filter: joinFilters(equals("name", node), equals("cluster", cluster)),
  });
  if (node === "") return <p>No node: the pod is not scheduled.</p>;
  const { data } = nodes;
  return (
    <dl class="fields">
      <Field label="Node">
        <ObjectLink object={{ kind: "node", cluster, node }} />
      </Field>
      {data !== null && data.count > 0 && (
        <>
          <Field label="Health">
            <SummaryHealth summary={data} row={0} />
          </Field>
          <Field label="CPU">
            <PercentBar percent={data.number("cpuUsagePercent", 0)} resource="cpu" />
          </Field>
          <Field label="Memory">
            <PercentBar percent={data.number("memoryUsagePercent", 0)} resource="memory" />
          </Field>
        </>
      )}
    </dl>
  );
}

interface ContainersProps {
  readonly object: PodRef;
  readonly containers: readonly JsonObject[];
}

function ContainerSection({ object, containers }: ContainersProps) {
  const states = useContainerStates(object);
  const chosen = parseObjectKey(parameter("sel"));
  const isChosen = (container: JsonObject) =>
    chosen?.kind === "container" && chosen.container === textField(container, "name");
  return (
    <Section title={`Containers (${formatCount(containers.length)})`} isWide>
      <PlainTable
        caption="Containers of the pod"
        columns={["Name", "State", "Restarts", "CPU", "Memory", "Image"]}
        numbers={["Restarts"]}
      >
        {containers.map((container) => (
          <tr key={textField(container, "name")} class={isChosen(container) ? "selected" : undefined}>
            <th scope="row">
              <Name text={textField(container, "name")} />
              {container["isInit"] === true && <span class="quiet-text"> init</span>}
            </th>
            <td>
              <ContainerState container={container} state={states?.get(textField(container, "name"))} />
            </td>
            <td class="number">{formatCount(numberField(container, "restartCount"))}</td>
            <td>
              <ContainerUse container={container} what="cpu" />
            </td>
            <td>
              <ContainerUse container={container} what="memory" />
            </td>
            <td>
              <Name text={textField(container, "image")} />
            </td>
          </tr>
        ))}
      </PlainTable>
      {containers.map((container) => (
        <details key={textField(container, "name")} open={containers.length === 1 || isChosen(container)}>
          <summary>
            All fields of <Name text={textField(container, "name")} />
          </summary>
          <Fields
            object={container}
            names={Object.keys(container).filter((name) => !CONTAINER_FIELDS_ABOVE.has(name))}
          />
        </details>
      ))}
    </Section>
  );
}

/** The state of a pod, and what its problems mean. */
export function PodState({ object, pod }: { readonly object: PodRef; readonly pod: JsonObject }) {
  const state = usePodState(object);
  const text = state === null ? "" : describeWell(state, textField(pod, "phase"));
  return <StateView state={state} explanations={explainPod(pod, state?.problems ?? [])} text={text} />;
}

interface ContainerStateProps {
  readonly container: JsonObject;
  /** As the API judges it; undefined if it is not known. */
  readonly state: ObjectState | undefined;
}

export function ContainerState({ container, state }: ContainerStateProps) {
  const words = ["state", "reason", "health"].map((name) => textField(container, name)).filter((word) => word !== "");
  return <HealthBadge health={state?.health ?? "unknown"} text={safeText(words.join(", "), 80)} />;
}

/** The other pods of the same workload: whether all of them fail, or this one. */
function WorkloadSection({ object, pod }: { readonly object: PodRef; readonly pod: JsonObject }) {
  const controller = textField(pod, "controllerName");
  const { cluster, namespace } = object;
  const filter = joinFilters(
    equals("controller_name", controller),
    namespace === "" ? "" : equals("namespace", namespace),
  );
  const pods = useSummary(controller === "" ? null : "pods", {
    filter: joinFilters(filter, equals("cluster", cluster)),
  });
  if (controller === "") return null;
  const kind = textField(pod, "controllerKind");
  const href = hrefOf({ screen: "table", kind: "pods" }, { cluster, filter, sort: "health,name" });
  return (
    <Section title="Workload" isWide>
      <p>
        {kind && <span class="quiet-text">{safeText(kind, 60)} </span>}
        <a href={href}>
          <Name text={controller} />
        </a>
        {hasValue(pod["ownerName"]) && pod["ownerName"] !== controller && (
          <span class="quiet-text">
            {" "}
            by {safeText(textField(pod, "ownerKind"), 60)} <Name text={textField(pod, "ownerName")} />
          </span>
        )}
        {pods.data !== null && `: ${formatQuantity(pods.data.count, "pod")}`}
      </p>
      {pods.data !== null && pods.data.count > 1 && (
        <PodTable summary={pods.data} caption="Pods of the workload, those with problems first" href={href} hasNode />
      )}
    </Section>
  );
}
