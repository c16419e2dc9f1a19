/** What a search offers: screens by name, objects by anything known of them, and tables of what has the text in its name. */

import { type Health, toHealth } from "../../data/health";
import { hrefOf, hrefOfObject, type ObjectRef, type TableKind } from "../../router";
import { quoteValue } from "../filters";
import { groupBy } from "../group";
import { SCREENS } from "../list";

/** The response of /api/v1/search. */
export interface SearchResponse {
  readonly totalCount: number;
  readonly matches: readonly SearchMatch[];
}

export interface SearchMatch {
  readonly kind: string;
  readonly cluster: string;
  readonly namespace: string;
  readonly name: string;
  /** What matches, and its value. */
  readonly field: string;
  readonly value: string;
  readonly health: string;
}

export interface SearchItem {
  readonly href: string;
  readonly name: string;
  readonly health: Health | null;
  /** Where the object is. */
  readonly place: string;
  /** The field that matches; "" if it is the name. */
  readonly field: string;
  readonly value: string;
}

interface SearchGroup {
  readonly title: string;
  readonly items: readonly SearchItem[];
}

const TITLES: Readonly<Record<string, string>> = { cluster: "Clusters", node: "Nodes", pod: "Pods" };
const FILTERED_KINDS: readonly TableKind[] = ["nodes", "pods", "containers"];

/** All groups for a text, best first. `response` is null until there is one. */
export function buildGroups(text: string, response: SearchResponse | null): SearchGroup[] {
  const wanted = text.trim();
  const objects = [...groupBy(response?.matches ?? [], ({ kind }) => kind)].map(([kind, matches]) => ({
    title: TITLES[kind] ?? kind,
    items: matches.map(describeMatch),
  }));
  const tables = wanted === "" ? [] : FILTERED_KINDS.map((kind) => describeTable(kind, wanted));
  const groups = [{ title: "Screens", items: findScreens(wanted) }, ...objects, { title: "Tables", items: tables }];
  return groups.filter(({ items }) => items.length > 0);
}

/** Where the chosen item is now: answers move it. The first one is chosen if none is, or it is gone. */
export function placeOfChoice(items: readonly SearchItem[], href: string | null): number {
  return Math.max(
    0,
    items.findIndex((item) => item.href === href),
  );
}

function findScreens(text: string): SearchItem[] {
  const start = text.toLowerCase();
  return SCREENS.filter((screen) => screen.text.toLowerCase().startsWith(start)).map((screen) =>
    createItem(hrefOf(screen.route), screen.text),
  );
}

function describeMatch(match: SearchMatch): SearchItem {
  const place = match.kind === "cluster" ? [] : [match.cluster, match.namespace];
  return {
    href: hrefOfObject(objectOf(match)),
    name: match.name,
    health: toHealth(match.health),
    place: place.filter((name) => name !== "").join(" / "),
    field: match.field === "name" ? "" : match.field,
    value: match.value,
  };
}

function objectOf({ kind, cluster, namespace, name }: SearchMatch): ObjectRef {
  if (kind === "node") return { kind, cluster, node: name };
  if (kind === "pod") return { kind, cluster, namespace, pod: name };
  return { kind: "cluster", cluster: name };
}

function describeTable(kind: TableKind, text: string): SearchItem {
  const filter = `name~${quoteValue(text)}`;
  const title = `${kind.charAt(0).toUpperCase()}${kind.slice(1)}`;
  return createItem(hrefOf({ screen: "table", kind }, { filter }), `${title} with this in their name`);
}

function createItem(href: string, name: string): SearchItem {
  return { href, name, health: null, place: "", field: "", value: "" };
}

/** A text in three parts: before the first occurrence of `wanted`, in upper or lower case, itself, and what follows. */
export function splitMatch(text: string, wanted: string): readonly [string, string, string] {
  const start = wanted === "" ? -1 : text.toLowerCase().indexOf(wanted.toLowerCase());
  // In a few languages, lower case has another length.
  const isSame = text.toLowerCase().length === text.length;
  if (start < 0 || !isSame) return [text, "", ""];
  const end = start + wanted.length;
  return [text.slice(0, start), text.slice(start, end), text.slice(end)];
}
