import { useSummary } from "../../data/hooks";
import { formatCount } from "../../format";
import { hrefOf, type ObjectRef } from "../../router";
import { equals, joinFilters } from "../filters";
import { useNodeState } from "../object_state";
import { PodTable } from "../summary_tables";
import { type JsonObject, textField } from "./fields";
import { explainNode } from "./node_explanations";
import { FieldSection, Fields, OtherFieldsSection, Section, StateView, ValueSection } from "./parts";
import { NodeUsage } from "./usage";

const STATE_FIELDS = ["lastSeenTime", "uptimeSeconds", "createdTime"];
const SYSTEM_FIELDS = [
  "hostname",
  "architecture",
  "operatingSystem",
  "osImage",
  "kernelVersion",
  "kubeletVersion",
  "engine",
  "type",
  "cpuModel",
  "cpuCores",
  "cpuFrequencyHertz",
  "cpuMaxFrequencyHertz",
];
const CAPACITY_FIELDS = [
  "availableCpuCores",
  "allocatableCpuCores",
  "requestedCpuCores",
  "memoryBytes",
  "hostMemoryBytes",
  "availableMemoryBytes",
  "freeMemoryBytes",
  "usedMemoryBytes",
  "allocatableMemoryBytes",
  "requestedMemoryBytes",
  "podCount",
  "allocatablePods",
  "podCapacity",
  "allocatableGpus",
];
const PHYSICAL_FIELDS = ["temperatureCelsius", "powerWatts", "energyJoules"];
const GPU_FIELDS = [
  "gpuCount",
  "gpuFrequencyHertz",
  "gpuMaxFrequencyHertz",
  "gpuMemoryBytes",
  "gpuTemperatureCelsius",
  "gpuEnergyJoules",
];
const LOCATION_FIELDS = ["city", "countryName", "country", "continent", "latitude", "longitude"];
const SECURITY_FIELDS = ["scaScore", "vulnerabilities"];
const ID_FIELDS = ["id", "hostId", "systemUuid", "providerId", "internalIp"];
/** Shown by the causes, the usage and the heading. */
const ELSEWHERE = [
  "name",
  "cluster",
  "goneSinceTime",
  "isReporting",
  "isUnschedulable",
  "cpuUsagePercent",
  "cpuUsagePredictedPercent",
  "memoryUsagePercent",
  "memoryUsagePredictedPercent",
];
const VALUE_FIELDS = [
  "conditions",
  "taints",
  "alerts",
  "interfaces",
  "filesystems",
  "gpus",
  "devices",
  "sensors",
  "labels",
  "annotations",
];
const SHOWN = new Set([
  ...STATE_FIELDS,
  ...SYSTEM_FIELDS,
  ...CAPACITY_FIELDS,
  ...PHYSICAL_FIELDS,
  ...GPU_FIELDS,
  ...LOCATION_FIELDS,
  ...SECURITY_FIELDS,
  ...ID_FIELDS,
  ...ELSEWHERE,
  ...VALUE_FIELDS,
]);

type NodeRef = Extract<ObjectRef, { kind: "node" }>;

export function NodeDetail({ object, node }: { readonly object: NodeRef; readonly node: JsonObject }) {
  const { cluster } = object;
  // The address may name the node by its label or its ID.
  const name = textField(node, "name");
  const filter = equals("node", name);
  const pods = useSummary("pods", { filter: joinFilters(filter, equals("cluster", cluster)) });
  return (
    <div class="detail-grid">
      <Section title="State">
        <NodeState cluster={cluster} node={node} />
        <Fields object={node} names={STATE_FIELDS} />
      </Section>
      <Section title="Usage">
        <NodeUsage node={node} />
      </Section>
      {pods.data !== null && pods.data.count > 0 && (
        <Section title={`Pods (${formatCount(pods.data.count)})`} isWide>
          <PodTable
            summary={pods.data}
            caption="Pods on the node, those with problems first"
            href={hrefOf({ screen: "table", kind: "pods" }, { cluster, filter, sort: "health,name" })}
          />
        </Section>
      )}
      <ValueSection object={node} name="conditions" />
      <ValueSection object={node} name="taints" />
      <ValueSection object={node} name="alerts" title="Firing alerts" />
      <FieldSection title="System" object={node} names={SYSTEM_FIELDS} />
      <FieldSection title="Capacity" object={node} names={CAPACITY_FIELDS} />
      <FieldSection title="Temperature and power" object={node} names={PHYSICAL_FIELDS} />
      <FieldSection title="GPU" object={node} names={GPU_FIELDS} />
      <ValueSection object={node} name="gpus" title="GPUs" isWide />
      <ValueSection object={node} name="filesystems" title="File systems" />
      <ValueSection object={node} name="interfaces" title="Network interfaces" isWide />
      <ValueSection object={node} name="devices" />
      <ValueSection object={node} name="sensors" />
      <FieldSection title="Security" object={node} names={SECURITY_FIELDS} />
      <FieldSection title="Location" object={node} names={LOCATION_FIELDS} />
      <ValueSection object={node} name="labels" />
      <ValueSection object={node} name="annotations" />
      <FieldSection title="IDs and addresses" object={node} names={ID_FIELDS} />
      <OtherFieldsSection object={node} shown={SHOWN} />
    </div>
  );
}

/** The state of a node, and what its problems mean. */
export function NodeState({ cluster, node }: { readonly cluster: string; readonly node: JsonObject }) {
  const state = useNodeState(cluster, textField(node, "name"));
  return <StateView state={state} explanations={explainNode(node, state?.problems ?? [])} text="No problems" />;
}
