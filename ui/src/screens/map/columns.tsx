/** The columns of the table beside the map. */
import { Name } from "../../components/name";
import type { TreeColumn } from "../../components/tree_table";
import type { Summary } from "../../data/summary";
import { formatBytes, formatCores, formatRatio, safeText } from "../../format";
import { SummaryHealth } from "../summary_tables";
import type { Picture, Target } from "./picture";
import { COLOUR_MODES, type ColourMode } from "./scales";
import type { MapRow } from "./tree";

/** Modes whose values no other column shows. */
const EXTRA_MODES: readonly ColourMode[] = [
  COLOUR_MODES.free,
  COLOUR_MODES.age,
  COLOUR_MODES.type,
  COLOUR_MODES.architecture,
  COLOUR_MODES.engine,
];

export function columnsOf(picture: Picture, mode: ColourMode): TreeColumn<MapRow>[] {
  const extra: TreeColumn<MapRow> = { title: mode.label, width: 7, render: ({ target }) => modeValue(picture, target) };
  return [
    {
      title: "Name",
      render: ({ target }) => <Name text={nameOf(picture, target)} />,
      titleOf: ({ target }) => safeText(nameOf(picture, target)),
    },
    { title: "Health", width: 8, render: ({ target }) => <Health found={find(picture, target)} /> },
    ...(EXTRA_MODES.includes(mode) ? [extra] : []),
    { title: "CPU", width: 6, isNumber: true, isOptional: true, render: ({ target }) => cpuOf(find(picture, target)) },
    {
      title: "Memory",
      width: 5.5,
      isNumber: true,
      isOptional: true,
      render: ({ target }) => memoryOf(find(picture, target)),
    },
  ];
}

/** A row of a summary. */
interface Found {
  readonly objects: Summary;
  readonly row: number;
}

function find({ fleet, grouping }: Picture, target: Target): Found | null {
  switch (target.kind) {
    case "group":
      return grouping === "cluster" ? found(fleet.clusters, fleet.clusters.rowOf([target.key])) : null;
    case "cell":
      return found(fleet.nodes, fleet.cells[target.cell]?.row ?? -1);
    case "pod":
      return found(fleet.pods, target.pod);
  }
}

function found(objects: Summary, row: number): Found | null {
  return row < 0 ? null : { objects, row };
}

function nameOf(picture: Picture, target: Target): string {
  switch (target.kind) {
    case "group":
      return picture.groups.find(({ key }) => key === target.key)?.label ?? target.key;
    case "cell":
      return picture.labelOfCell(target.cell);
    case "pod":
      return picture.fleet.pods.text("name", target.pod);
  }
}

function Health({ found }: { readonly found: Found | null }) {
  return found && <SummaryHealth summary={found.objects} row={found.row} />;
}

function cpuOf(found: Found | null): string {
  if (found === null) return "";
  const { objects, row } = found;
  const number = (column: string) => objects.number(column, row);
  switch (objects.kind) {
    case "clusters":
    case "nodes":
      return formatRatio(number("cpuUsagePercent") / 100);
    default:
      return formatCores(number("cpuUsageCores"));
  }
}

function memoryOf(found: Found | null): string {
  if (found === null) return "";
  const { objects, row } = found;
  const number = (column: string) => objects.number(column, row);
  switch (objects.kind) {
    case "clusters":
    case "nodes":
      return formatRatio(number("memoryUsagePercent") / 100);
    default:
      return formatBytes(number("memoryBytes"));
  }
}

function modeValue({ fleet, nodeScale, podScale }: Picture, target: Target): string {
  if (target.kind === "pod") return safeText(podScale?.textOf(target.pod) ?? "", 40);
  const row = target.kind === "cell" ? (fleet.cells[target.cell]?.row ?? -1) : -1;
  return row < 0 ? "" : safeText(nodeScale?.textOf(row) ?? "", 40);
}
