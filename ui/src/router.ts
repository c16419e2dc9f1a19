/** The address: the only place of the state of the page. Parsing and building are pure; the signals follow the browser. */

import { batch, computed, type ReadonlySignal, signal } from "@preact/signals";
import type { SummaryKind } from "./data/protocol";
import { randomId } from "./random_id";
import { canonicalInstant } from "./time/instant";

export const BASE_PATH = "/ui";
/** Where the issuer sends the browser back to, with the parameter `state`. */
export const LOGIN_PATH = `${BASE_PATH}/`;
/** The namespace of Docker containers in paths, as in the API. */
const NO_NAMESPACE = "-";

export type TableKind = SummaryKind;
export type SimpleScreen = "overview" | "map" | "world" | "compare" | "candidates" | "quality";

export type Route =
  | { readonly screen: SimpleScreen }
  | { readonly screen: "table"; readonly kind: TableKind }
  | { readonly screen: "detail"; readonly object: ObjectRef }
  | { readonly screen: "unknown"; readonly path: string };

/** An object by the names that identify it. A container belongs to a pod and has no address of its own. */
export type ObjectRef =
  | { readonly kind: "cluster"; readonly cluster: string }
  | { readonly kind: "node"; readonly cluster: string; readonly node: string }
  | { readonly kind: "pod"; readonly cluster: string; readonly namespace: string; readonly pod: string }
  | {
      readonly kind: "container";
      readonly cluster: string;
      readonly namespace: string;
      readonly pod: string;
      readonly container: string;
    };

type Parameter =
  | "filter"
  | "labels"
  | "cluster"
  | "sort"
  | "columns"
  | "colour"
  | "group"
  | "sel"
  | "q"
  | "time"
  | "span"
  | (string & {});
export type Parameters = Readonly<Record<string, string>>;

interface Address {
  readonly route: Route;
  readonly parameters: Parameters;
}

const SIMPLE_SCREENS: ReadonlySet<string> = new Set(["overview", "map", "world", "compare", "candidates", "quality"]);
const TABLE_KINDS: ReadonlySet<string> = new Set(["clusters", "nodes", "pods", "containers"]);

export function parseRoute(pathname: string): Route {
  const unknown: Route = { screen: "unknown", path: pathname };
  if (pathname === BASE_PATH || pathname === `${BASE_PATH}/`) return { screen: "overview" };
  if (!pathname.startsWith(`${BASE_PATH}/`)) return unknown;
  const segments = decodeSegments(pathname.slice(BASE_PATH.length + 1).replace(/\/$/, ""));
  const [first = "", cluster = "", part, ...names] = segments ?? [];
  if (segments?.length === 1) {
    if (SIMPLE_SCREENS.has(first)) return { screen: first as SimpleScreen };
    if (TABLE_KINDS.has(first)) return { screen: "table", kind: first as TableKind };
  }
  if (first !== "clusters" || cluster === "") return unknown;
  const object = parseObject(cluster, part, names);
  return object === null ? unknown : { screen: "detail", object };
}

function parseObject(cluster: string, part: string | undefined, names: readonly string[]): ObjectRef | null {
  const [first = "", second = ""] = names;
  if (part === undefined) return { kind: "cluster", cluster };
  if (part === "nodes" && names.length === 1 && first !== "") return { kind: "node", cluster, node: first };
  if (part === "pods" && names.length === 2 && first !== "" && second !== "") {
    return { kind: "pod", cluster, namespace: first === NO_NAMESPACE ? "" : first, pod: second };
  }
  return null;
}

function decodeSegments(path: string): string[] | null {
  try {
    return path.split("/").map(decodeURIComponent);
  } catch {
    return null;
  }
}

/** The path of an object below `/ui` and `/api/v1`: both have the same. */
export function objectPath(object: ObjectRef): string {
  const cluster = `/clusters/${encodeName(object.cluster)}`;
  switch (object.kind) {
    case "cluster":
      return cluster;
    case "node":
      return `${cluster}/nodes/${encodeName(object.node)}`;
    default:
      return `${cluster}/pods/${encodeName(object.namespace || NO_NAMESPACE)}/${encodeName(object.pod)}`;
  }
}

// Browsers normalize the segments "." and "..", also percent-encoded. These names have no address that works; the API
// finds them by a filter.
function encodeName(name: string): string {
  return encodeURIComponent(name);
}

/** An object as one text, for `sel`: node/cluster/name. */
export function objectKey(object: ObjectRef): string {
  switch (object.kind) {
    case "cluster":
      return joinKey("cluster", object.cluster);
    case "node":
      return joinKey("node", object.cluster, object.node);
    case "pod":
      return joinKey("pod", object.cluster, object.namespace, object.pod);
    case "container":
      return joinKey("container", object.cluster, object.namespace, object.pod, object.container);
  }
}

/** Names as one text: percent-encoded, joined by slashes, an empty one as `-`. */
export function joinKey(...names: readonly string[]): string {
  return names.map((name) => encodeURIComponent(name) || NO_NAMESPACE).join("/");
}

export function parseObjectKey(key: string): ObjectRef | null {
  const [kind, cluster = "", ...names] = decodeSegments(key) ?? [];
  const [first = "", second = "", third = ""] = names;
  const namespace = first === NO_NAMESPACE ? "" : first;
  if (cluster === "") return null;
  if (kind === "cluster" && names.length === 0) return { kind, cluster };
  if (kind === "node" && names.length === 1) return { kind, cluster, node: first };
  if (kind === "pod" && names.length === 2) return { kind, cluster, namespace, pod: second };
  if (kind === "container" && names.length === 3) {
    return { kind, cluster, namespace, pod: second, container: third };
  }
  return null;
}

export function objectName(object: ObjectRef): string {
  switch (object.kind) {
    case "cluster":
      return object.cluster;
    case "node":
      return object.node;
    case "pod":
      return object.pod;
    case "container":
      return object.container;
  }
}

function routePath(route: Route): string {
  switch (route.screen) {
    case "table":
      return `${BASE_PATH}/${route.kind}`;
    case "detail":
      return BASE_PATH + objectPath(route.object);
    case "unknown":
      return route.path;
    default:
      return `${BASE_PATH}/${route.screen}`;
  }
}

/** Parameters that links take along: a page that shows a past instant shows it on all screens. */
const CARRIED = ["time", "span"] as const;

/**
 * The address of a route, for `href`. Empty parameters are left out. The instant that is shown is taken along, unless
 * the parameters say another one.
 */
export function hrefOf(route: Route, parameters: Readonly<Record<string, string | undefined>> = {}): string {
  // The comparison has two instants of its own.
  if (route.screen === "compare") return formatHref(route, parameters);
  return formatHref(route, { ...parameters, ...carriedParameters(parameters) });
}

function carriedParameters(parameters: Readonly<Record<string, string | undefined>>) {
  return Object.fromEntries(CARRIED.filter((name) => !(name in parameters)).map((name) => [name, carried[name].value]));
}

function formatHref(route: Route, parameters: Readonly<Record<string, string | undefined>>): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) if (value) query.set(name, value);
  // Filters are for people to read: these characters need no encoding in a query.
  const text = query.toString().replace(/%(?:2C|2F|3A|3D|21|7E|28|29|40)/gi, decodeURIComponent);
  return routePath(route) + (text && `?${text}`);
}

export function hrefOfObject(object: ObjectRef, parameters?: Readonly<Record<string, string | undefined>>): string {
  return hrefOf({ screen: "detail", object }, parameters);
}

export function parseAddress(url: URL): Address {
  return { route: parseRoute(url.pathname), parameters: Object.fromEntries(url.searchParams) };
}

// The browser.

const INSTANTS = ["time", "from", "to"] as const;

/** The URL of the browser, in which relative times, such as `-1h`, become the instants that they are now. */
function readUrl(): URL {
  const url = new URL(location.href);
  for (const name of INSTANTS) {
    const text = url.searchParams.get(name);
    const instant = text === null ? null : canonicalInstant(text, Date.now() / 1000);
    if (instant !== null) url.searchParams.set(name, instant);
  }
  if (url.href !== location.href) {
    const { route: found, parameters } = parseAddress(url);
    history.replaceState(history.state, "", formatHref(found, parameters));
  }
  return url;
}

const hasBrowser = typeof window !== "undefined";
const current = signal<Address>(
  hasBrowser ? parseAddress(readUrl()) : { route: { screen: "overview" }, parameters: {} },
);

export const address: ReadonlySignal<Address> = current;
export const route = computed(() => current.value.route);
/** The instant that the page shows, in RFC 3339; "" is now. The comparison has two of its own. */
export const shownTime = computed(() =>
  current.value.route.screen === "compare" ? "" : (current.value.parameters["time"] ?? ""),
);
const carried = { time: shownTime, span: computed(() => current.value.parameters["span"] ?? "") };

/** The value of a parameter of the address, "" if there is none. Components that call it follow the address. */
export function parameter(name: Parameter): string {
  return current.value.parameters[name] ?? "";
}

interface NavigateOptions {
  /** Replace the entry of the history instead of adding one. */
  readonly replace?: boolean;
}

/** Go to an address of the page. */
export function navigate(href: string, { replace = false }: NavigateOptions = {}): void {
  const url = new URL(href, location.href);
  if (url.href === location.href) return;
  const isNewScreen = url.pathname !== location.pathname;
  if (replace) history.replaceState(history.state, "", url);
  else history.pushState({ entry: randomId() }, "", url);
  followBrowser();
  if (isNewScreen && !replace) arrivals.value += 1;
}

/** Change parameters of the current address. An empty text or undefined removes one. */
export function setParameters(changes: Readonly<Record<string, string | undefined>>, options?: NavigateOptions): void {
  navigate(hrefWith(changes), options);
}

/** The current address with changed parameters, for links. */
export function hrefWith(changes: Readonly<Record<string, string | undefined>>): string {
  const { route: here, parameters } = current.value;
  return hrefOf(here, { ...parameters, ...changes });
}

/** Identifies the entry of the history that is shown. */
export const entry = signal("");

/** Counts the screens that were opened by a link. The frame moves the focus to their heading. */
export const arrivals = signal(0);

function followBrowser(): void {
  batch(() => {
    current.value = parseAddress(readUrl());
    entry.value = entryId();
  });
}

/** Identifies the entry of the history, to restore what was scrolled. */
function entryId(): string {
  return (history.state as { entry?: string } | null)?.entry ?? "";
}

const scrolled = new Map<string, number>();
const MAXIMUM_REMEMBERED = 200;

/** Remember how far an element is scrolled in this entry of the history. */
export function rememberScroll(element: string, offset: number): void {
  const key = `${entryId()} ${element}`;
  scrolled.delete(key);
  scrolled.set(key, offset);
  const oldest = scrolled.keys().next().value;
  if (scrolled.size > MAXIMUM_REMEMBERED && oldest !== undefined) scrolled.delete(oldest);
}

export function recallScroll(element: string): number {
  return scrolled.get(`${entryId()} ${element}`) ?? 0;
}

/** Follow links and the history. `<a href>` within the page is a change of the address, not a request. */
export function startRouter(): void {
  history.scrollRestoration = "manual";
  if (entryId() === "") history.replaceState({ entry: randomId() }, "");
  entry.value = entryId();
  const { parameters } = current.value;
  const isStart = location.pathname === BASE_PATH || location.pathname === `${BASE_PATH}/`;
  if (isStart && !isLoginAnswer(new URL(location.href))) {
    navigate(hrefOf({ screen: "overview" }, parameters), { replace: true });
  }
  window.addEventListener("popstate", followBrowser);
  document.addEventListener("click", followLink);
}

/** Whether an address is an answer of the issuer, to a login or a logout. */
export function isLoginAnswer(url: URL): boolean {
  return url.pathname === LOGIN_PATH && url.searchParams.has("state");
}

function followLink(event: MouseEvent): void {
  if (event.defaultPrevented || event.button !== 0) return;
  if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  const link = (event.target as Element | null)?.closest?.("a");
  if (!link?.href || link.target || link.hasAttribute("download")) return;
  const url = new URL(link.href);
  if (url.origin !== location.origin || !isOwnPath(url.pathname)) return;
  // A fragment within the same document, such as the skip link, is the browser's.
  if (url.hash && url.pathname === location.pathname && url.search === location.search) return;
  event.preventDefault();
  navigate(url.href);
}

function isOwnPath(pathname: string): boolean {
  return pathname === BASE_PATH || pathname.startsWith(`${BASE_PATH}/`);
}
