/** The answer of `/api/v1/diff`, as rows of a tree: clusters, kinds, objects, and the fields that changed. */

import type { TreeRow } from "../../components/tree_table";
import { safeText } from "../../format";
import type { ObjectRef } from "../../router";
import { fieldLabel, formatField, isObject, type JsonObject } from "../detail/fields";

export type ChangeType = "ADDED" | "MODIFIED" | "REMOVED";
export type ChangeKind = "clusters" | "nodes" | "pods";

export interface Change {
  readonly type: ChangeType;
  readonly kind: ChangeKind;
  readonly id: string;
  readonly cluster?: string;
  readonly namespace?: string;
  readonly name?: string;
  /** The fields of a modified object that have another value, the fields that have none any longer, and what was. */
  readonly set?: JsonObject;
  readonly unset?: readonly string[];
  readonly before?: JsonObject;
}

export interface ComparedInstant {
  readonly version: string;
  readonly time: string;
  readonly complete: boolean;
}

export interface Delta {
  readonly from: ComparedInstant;
  readonly to: ComparedInstant;
  /** The number of all changes, of which `changes` are the first. */
  readonly totalCount: number;
  readonly changes: readonly Change[];
}

/** A value that differs; "" is unknown. */
export interface FieldChange {
  readonly path: string;
  readonly label: string;
  readonly before: string;
  readonly after: string;
}

export interface Counts {
  readonly added: number;
  readonly removed: number;
  readonly modified: number;
}

export type DeltaRow = TreeRow &
  (
    | { readonly type: "group"; readonly title: string; readonly isName: boolean; readonly counts: Counts }
    | { readonly type: "object"; readonly change: Change }
    | { readonly type: "field"; readonly field: FieldChange }
  );

const KINDS: readonly (readonly [ChangeKind, string])[] = [
  ["clusters", "Cluster"],
  ["nodes", "Nodes"],
  ["pods", "Pods"],
];
const COLLATOR = new Intl.Collator("en", { numeric: true });

export function countChanges(changes: readonly Change[]): Counts {
  const count = (type: ChangeType) => changes.filter((change) => change.type === type).length;
  return { added: count("ADDED"), removed: count("REMOVED"), modified: count("MODIFIED") };
}

/** "2 added, 1 removed, 3 changed". */
export function describeCounts({ added, removed, modified }: Counts): string {
  const parts = [added > 0 && `${added} added`, removed > 0 && `${removed} removed`];
  return [...parts, modified > 0 && `${modified} changed`].filter(Boolean).join(", ");
}

/** Changes whose names or changed fields contain a text, without regard to case. */
export function findChanges(changes: readonly Change[], text: string): readonly Change[] {
  const wanted = text.trim().toLowerCase();
  if (wanted === "") return changes;
  return changes.filter((change) => {
    const { cluster = "", namespace = "", name = "" } = change;
    const fields = [...Object.keys(change.set ?? {}), ...(change.unset ?? [])];
    return [cluster, namespace, name, ...fields, ...fields.map(fieldLabel)].some((part) =>
      part.toLowerCase().includes(wanted),
    );
  });
}

export function objectOf({ kind, cluster = "", namespace = "", name = "" }: Change): ObjectRef {
  switch (kind) {
    case "clusters":
      return { kind: "cluster", cluster: name };
    case "nodes":
      return { kind: "node", cluster, node: name };
    case "pods":
      return { kind: "pod", cluster, namespace, pod: name };
  }
}

/** The rows that are in sight. Rows whose keys are in `toggled` are not as they are at first. */
export function buildRows(
  changes: readonly Change[],
  toggled: ReadonlySet<string>,
  areFieldsShown: boolean,
): readonly DeltaRow[] {
  const rows: DeltaRow[] = [];
  const byCluster = groupSorted(changes, (change) => (change.kind === "clusters" ? change.name : change.cluster) ?? "");
  const isExpanded = (key: string, isAtFirst: boolean) => toggled.has(key) !== isAtFirst;
  for (const [place, [cluster, inCluster]] of byCluster.entries()) {
    const key = JSON.stringify([cluster]);
    const isClusterExpanded = isExpanded(key, true);
    rows.push({
      type: "group",
      title: cluster,
      isName: true,
      counts: countChanges(inCluster),
      key,
      level: 1,
      position: place + 1,
      siblingCount: byCluster.length,
      isExpanded: isClusterExpanded,
    });
    if (isClusterExpanded) rows.push(...buildKindRows(cluster, inCluster, isExpanded, areFieldsShown));
  }
  return rows;
}

type IsExpanded = (key: string, isAtFirst: boolean) => boolean;

function buildKindRows(
  cluster: string,
  changes: readonly Change[],
  isExpanded: IsExpanded,
  areFieldsShown: boolean,
): readonly DeltaRow[] {
  const rows: DeltaRow[] = [];
  const kinds = KINDS.filter(([kind]) => changes.some((change) => change.kind === kind));
  for (const [place, [kind, title]] of kinds.entries()) {
    const ofKind = changes.filter((change) => change.kind === kind);
    const key = JSON.stringify([cluster, kind]);
    const isKindExpanded = isExpanded(key, true);
    rows.push({
      type: "group",
      title,
      isName: false,
      counts: countChanges(ofKind),
      key,
      level: 2,
      position: place + 1,
      siblingCount: kinds.length,
      isExpanded: isKindExpanded,
    });
    if (isKindExpanded) rows.push(...buildObjectRows(ofKind, isExpanded, areFieldsShown));
  }
  return rows;
}

function buildObjectRows(
  changes: readonly Change[],
  isExpanded: IsExpanded,
  areFieldsShown: boolean,
): readonly DeltaRow[] {
  const rows: DeltaRow[] = [];
  const sorted = [...changes].sort((left, right) => COLLATOR.compare(sortKey(left), sortKey(right)));
  for (const [place, change] of sorted.entries()) {
    // Pods of two clusters may share an ID.
    const key = JSON.stringify([change.cluster ?? "", change.kind, change.id]);
    const isOpen = change.type === "MODIFIED" ? isExpanded(key, areFieldsShown) : null;
    rows.push({
      type: "object",
      change,
      key,
      level: 3,
      position: place + 1,
      siblingCount: sorted.length,
      isExpanded: isOpen,
    });
    if (isOpen === true) rows.push(...buildFieldRows(key, change));
  }
  return rows;
}

function sortKey({ namespace = "", name = "" }: Change): string {
  return `${namespace}/${name}`;
}

function buildFieldRows(object: string, change: Change): readonly DeltaRow[] {
  const fields = compareFields(change);
  return fields.map((field, place) => ({
    type: "field",
    field,
    key: `${object} ${field.path}`,
    level: 4,
    position: place + 1,
    siblingCount: fields.length,
    isExpanded: null,
  }));
}

/** The values that differ, also within lists and objects: the restart count of one container, for example. */
export function compareFields({ set = {}, unset = [], before = {} }: Change): readonly FieldChange[] {
  const names = [...new Set([...Object.keys(set), ...unset])].sort(COLLATOR.compare);
  return names.flatMap((name) => compareValues([name], fieldLabel(name), name, before[name], set[name]));
}

function compareValues(
  path: readonly string[],
  label: string,
  name: string,
  before: unknown,
  after: unknown,
): readonly FieldChange[] {
  const [left, right] = [partsOf(before), partsOf(after)];
  if (left === null || right === null) {
    const [old, current] = [textOf(name, before), textOf(name, after)];
    return old === current ? [] : [{ path: path.join("\0"), label, before: old, after: current }];
  }
  const names = [...new Set([...left.keys(), ...right.keys()])];
  return names.flatMap((part) => {
    const partLabel = `${label} › ${isList(before) || isList(after) ? part : fieldLabelOf(name, part)}`;
    return compareValues([...path, part], partLabel, part, left.get(part), right.get(part));
  });
}

/** Labels and annotations have names of others. */
function fieldLabelOf(parent: string, name: string): string {
  return parent === "labels" || parent === "annotations" ? name : fieldLabel(name);
}

function isList(value: unknown): boolean {
  return Array.isArray(value);
}

/** The parts of an object, or of a list of named objects; null if the value is compared as a whole. */
function partsOf(value: unknown): ReadonlyMap<string, unknown> | null {
  if (value === undefined) return new Map();
  if (isObject(value)) return new Map(Object.entries(value));
  if (!Array.isArray(value) || value.length === 0) return Array.isArray(value) ? new Map() : null;
  const named = value.map((item) => (isObject(item) ? item["name"] : undefined));
  const isNamed = named.every((name) => typeof name === "string") && new Set(named).size === value.length;
  return isNamed ? new Map(value.map((item, index) => [String(named[index]), item])) : null;
}

function textOf(name: string, value: unknown): string {
  if (value === undefined || value === null) return "";
  if (Array.isArray(value) && !value.some((item) => isObject(item))) {
    return value.map((item) => formatField(name, item)).join(", ");
  }
  return typeof value === "object" ? JSON.stringify(value) : formatField(name, value);
}

function groupSorted(changes: readonly Change[], nameOf: (change: Change) => string) {
  const groups = new Map<string, Change[]>();
  for (const change of changes) {
    const name = nameOf(change);
    const group = groups.get(name);
    if (group === undefined) groups.set(name, [change]);
    else group.push(change);
  }
  return [...groups].sort(([left], [right]) => COLLATOR.compare(left, right));
}

/** A title for a cluster, also if it has no name. */
export function clusterTitle(name: string): string {
  return name === "" ? "without a cluster" : safeText(name, 120);
}
