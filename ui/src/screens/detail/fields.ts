/** Fields of the API as people read them. The names say the units, so fields of later versions read well, too. */

import {
  formatBytes,
  formatBytesPerSecond,
  formatCelsius,
  formatCores,
  formatCount,
  formatDuration,
  formatNumber,
  formatTime,
} from "../../format";
import { shownNow } from "../../time/shown";

/** An object as the API returns it. */
export type JsonObject = Readonly<Record<string, unknown>>;

const LABELS: Readonly<Record<string, string>> = {
  cpuUsagePredictedPercent: "CPU usage, predicted",
  memoryUsagePredictedPercent: "Memory usage, predicted",
  scaScore: "Security assessment",
  rootAvailableBytes: "Available",
  mtuBytes: "MTU",
  fstype: "Type",
  qosClass: "QoS class",
  lastSeenTime: "Last seen",
  goneSinceTime: "Gone, last seen",
  createdTime: "Created",
  startTime: "Started",
  uptimeSeconds: "Running for",
  isLinked: "Linked by ClusterLink",
  isUnschedulable: "Cordoned",
  isReporting: "Reporting",
  isInit: "Init container",
};

const ACRONYMS: ReadonlySet<string> = new Set(["cpu", "gpu", "ip", "id", "os", "mac", "mig", "uuid", "uid", "oom"]);

interface Unit {
  readonly suffix: string;
  readonly format: (value: number) => string;
  /** The unit is a word of the label, too. */
  readonly isLabel?: boolean;
}

// The longest suffixes first.
const UNITS: readonly Unit[] = [
  { suffix: "BytesPerSecond", format: formatBytesPerSecond },
  { suffix: "Celsius", format: formatCelsius },
  { suffix: "Seconds", format: formatDuration },
  { suffix: "Percent", format: (value) => `${formatNumber(value)} %` },
  { suffix: "Joules", format: formatJoules },
  { suffix: "Watts", format: (value) => `${formatNumber(value)} W` },
  { suffix: "Hertz", format: formatHertz },
  { suffix: "Bytes", format: formatBytes },
  { suffix: "Cores", format: formatCores },
  { suffix: "Count", format: formatCount, isLabel: true },
  { suffix: "Km", format: (value) => `${formatNumber(value)} km` },
];

const ENUM_PREFIXES: Readonly<Record<string, string>> = { state: "DEVICE_STATE_" };
const TIMESTAMP = /^\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)$/;
const INTEGER = /^-?\d{1,19}$/;

/** "cpuMaxFrequencyHertz": "CPU max frequency". */
export function fieldLabel(name: string): string {
  const known = LABELS[name];
  if (known !== undefined) return known;
  const unit = UNITS.find(({ suffix, isLabel }) => !isLabel && name.endsWith(suffix) && name !== suffix);
  const stem = (unit === undefined ? name : name.slice(0, -unit.suffix.length)).replace(/^is(?=[A-Z])/, "");
  const words = stem.replace(/(?<=[a-z0-9])(?=[A-Z])/g, " ").split(" ");
  const text = words
    .map(labelWord)
    .join(" ")
    .replace(/ time$/, "");
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function labelWord(word: string): string {
  const lower = word.toLowerCase();
  if (ACRONYMS.has(lower)) return lower.toUpperCase();
  if (ACRONYMS.has(lower.slice(0, -1)) && lower.endsWith("s")) return `${lower.slice(0, -1).toUpperCase()}s`;
  return lower;
}

/** The text of a value that is not an object or a list; "" if it is unknown. */
export function formatField(name: string, value: unknown): string {
  if (value === null || value === undefined) return "";
  if (typeof value === "boolean") return value ? "yes" : "no";
  const number = numberOf(name, value);
  if (!Number.isNaN(number)) return formatNumberField(name, number);
  if (typeof value !== "string") return String(value);
  if (TIMESTAMP.test(value)) return formatMoment(Date.parse(value) / 1000);
  const prefix = ENUM_PREFIXES[name];
  return prefix !== undefined && value.startsWith(prefix) ? value.slice(prefix.length).toLowerCase() : value;
}

/** A number, also a 64-bit integer, which JSON has as text; NaN for everything else. */
function numberOf(name: string, value: unknown): number {
  if (typeof value === "number") return value;
  const isMeasured = UNITS.some(({ suffix }) => name.endsWith(suffix)) || name === "scaScore";
  return isMeasured && typeof value === "string" && INTEGER.test(value) ? Number(value) : Number.NaN;
}

function formatNumberField(name: string, value: number): string {
  if (name === "scaScore") return `${formatNumber(value)} %`;
  if (name === "latitude" || name === "longitude") return `${value.toFixed(4)}°`;
  const unit = UNITS.find(({ suffix }) => name.endsWith(suffix));
  return unit === undefined ? formatNumber(value) : unit.format(value);
}

/** A time, and how long ago it is. */
function formatMoment(time: number): string {
  const seconds = shownNow() / 1000 - time;
  return seconds < 0 ? formatTime(time) : `${formatTime(time)}, ${formatDuration(seconds)} ago`;
}

function formatJoules(value: number): string {
  const kilowattHours = value / 3.6e6;
  return kilowattHours >= 0.1 ? `${formatNumber(kilowattHours)} kWh` : `${formatNumber(value)} J`;
}

function formatHertz(value: number): string {
  if (value >= 1e9) return `${formatNumber(value / 1e9)} GHz`;
  return value >= 1e6 ? `${formatNumber(value / 1e6)} MHz` : `${formatNumber(value)} Hz`;
}

/** A number of an object, NaN if it is unknown. 64-bit integers are texts in JSON. */
export function numberField(object: JsonObject, name: string): number {
  const value = object[name];
  if (typeof value === "number") return value;
  return typeof value === "string" && value.trim() !== "" ? Number(value) : Number.NaN;
}

/** A text of an object, "" if it is unknown. */
export function textField(object: JsonObject, name: string): string {
  const value = object[name];
  return typeof value === "string" ? value : "";
}

/** A time of an object in Unix seconds, NaN if it is unknown. */
export function timeField(object: JsonObject, name: string): number {
  return Date.parse(textField(object, name)) / 1000;
}

/** The objects of a list, none if it is unknown. */
export function listField(object: JsonObject, name: string): readonly JsonObject[] {
  const value = object[name];
  return Array.isArray(value) ? value.filter(isObject) : [];
}

/** The entries of a map, by key, none if it is unknown. */
export function mapField(object: JsonObject, name: string): readonly (readonly [string, unknown])[] {
  const value = object[name];
  return isObject(value) ? Object.entries(value) : [];
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** An address of an interface: 10.0.0.12/24. */
export function formatAddress(address: JsonObject): string {
  const prefix = numberField(address, "prefixLength");
  return Number.isNaN(prefix) ? textField(address, "ip") : `${textField(address, "ip")}/${prefix}`;
}

/** Whether there is something to show. */
export function hasValue(value: unknown): boolean {
  if (Array.isArray(value)) return value.length > 0;
  if (isObject(value)) return Object.keys(value).length > 0;
  return value !== null && value !== undefined && value !== "";
}

/** The fields of an object that no section of the screen has shown: those of later versions. */
export function selectOtherFields(object: JsonObject, shown: ReadonlySet<string>): JsonObject {
  return Object.fromEntries(Object.entries(object).filter(([name, value]) => !shown.has(name) && hasValue(value)));
}
