/** One version of the world, as a drawing and as a table, with one selection. */
import { type Signal, useSignal } from "@preact/signals";
import type { ComponentChildren, RefObject } from "preact";
import { useCallback, useEffect, useMemo, useRef, useState } from "preact/hooks";
import { announce } from "../../components/announcer";
import { CanvasTooltip } from "../../components/canvas_tooltip";
import { HealthBadge, HealthIcon, healthText } from "../../components/health";
import { Name } from "../../components/name";
import { EmptyState } from "../../components/states";
import { type TreeColumn, TreeTable } from "../../components/tree_table";
import type { Rect, Size } from "../../components/view";
import { type CanvasControl, type CanvasPoint, type Paint, ZoomCanvas } from "../../components/zoom_canvas";
import { HEALTHS } from "../../data/health";
import { useShownNow } from "../../data/hooks";
import type { Summary } from "../../data/summary";
import { formatCount, formatQuantity, safeText } from "../../format";
import { hrefOf, hrefOfObject, navigate, parameter, setParameters } from "../../router";
import { shownNow } from "../../time/shown";
import { FactsView, nodeFacts } from "../map/facts";
import { objectOfRow } from "../objects";
import { SummaryHealth } from "../summary_tables";
import { areaOfEarth, drawEarth } from "./earth";
import { type Gathering, GatheringLevels, type Point } from "./gather";
import { paintWorld, type Spot, spotAt } from "./painter";
import { countHealths, type HealthCounts, type Place, placeKeyOf, worstOf } from "./places";
import { findSelected, hostKey, listRows, type WorldRow } from "./rows";

/** Marks whose centers are nearer than this, in CSS pixels, are gathered. */
const GATHER_PIXELS = 40;
const MAXIMUM_SCALE = 400;
/** At first, all hosts are as large as possible, but no larger than this. */
const FIRST_SCALE = 12;
/** A click on gathered hosts zooms at least by this. */
const SPLIT_FACTOR = 2;

interface WorldViewProps {
  readonly nodes: Summary;
  readonly places: readonly Place[];
  /** 1 for each node that matches the filter, null without a filter. */
  readonly matches: Uint8Array | null;
  /** Beside the number of hosts. */
  readonly children: ComponentChildren;
}

export function WorldView({ nodes, places, matches, children }: WorldViewProps) {
  const control = useRef<CanvasControl>(null);
  const hovered = useSignal<Spot | null>(null);
  const located = useMemo(() => places.flatMap(({ hosts }) => hosts), [places]);
  const [size, setSize] = useState<Size>({ width: 0, height: 0 });
  const world = useWorld({ nodes, located, matches, size });
  const selected = useMemo(() => findSelected(nodes, places, parameter("sel")), [nodes, places, parameter("sel")]);
  const shown = matches === null ? located.length : located.filter((row) => matches[row] === 1).length;
  const all = `${formatQuantity(located.length, "node")} at ${formatQuantity(places.length, "place")}`;
  const count = matches === null ? all : `${formatCount(shown)} of ${all} match`;
  useEffect(() => {
    if (matches !== null) announce(`${count}.`);
  }, [matches === null, shown]);
  useFirstView(world, control, selected?.host ?? selected?.place.hosts[0] ?? null);
  return (
    <div class="map-view">
      <div class="map-drawing">
        <WorldCanvas {...{ nodes, world, hovered, control, selected }} label={`World map of ${all}`} onSize={setSize} />
        <WorldLegend counts={countHealths(nodes, located)} />
      </div>
      <div class="map-side">
        <p class="map-count">
          {count}
          {children}
        </p>
        <WorldTree {...{ nodes, places, matches, world, hovered, control }} />
        {selected && <SelectionView nodes={nodes} {...selected} />}
      </div>
    </div>
  );
}

/** What the canvas shows: where hosts are on it, and gathered as marks. */
interface World {
  readonly earth: ReturnType<typeof drawEarth> | null;
  readonly points: ReadonlyMap<number, Point>;
  spotsAt(scale: number): readonly Spot[];
}

interface WorldInput {
  readonly nodes: Summary;
  readonly located: readonly number[];
  readonly matches: Uint8Array | null;
  readonly size: Size;
}

function useWorld({ nodes, located, matches, size }: WorldInput): World {
  const earth = useMemo(() => (size.width > 0 ? drawEarth(size) : null), [size]);
  return useMemo(() => {
    const points = new Map<number, Point>();
    for (const row of located) {
      const position = earth?.project(nodes.number("longitude", row), nodes.number("latitude", row));
      if (position) points.set(row, { ...position, rows: [row] });
    }
    const levels = new GatheringLevels([...points.values()], GATHER_PIXELS);
    const spots = new WeakMap<readonly Gathering[], readonly Spot[]>();
    const spotsAt = (scale: number) => {
      const gatherings = levels.at(scale);
      const known = spots.get(gatherings) ?? gatherings.map((gathering) => makeSpot(nodes, gathering, matches));
      spots.set(gatherings, known);
      return known;
    };
    return { earth, points, spotsAt };
  }, [earth, nodes, located, matches]);
}

function makeSpot(nodes: Summary, gathering: Gathering, matches: Uint8Array | null): Spot {
  const rows = matches === null ? gathering.rows : gathering.rows.filter((row) => matches[row] === 1);
  const healths = countHealths(nodes, rows.length > 0 ? rows : gathering.rows);
  return { gathering, count: rows.length, healths };
}

/** At first, all hosts are in sight, or what is selected. */
function useFirstView(world: World, control: RefObject<CanvasControl | null>, selectedHost: number | null): void {
  const isDone = useRef(false);
  useEffect(() => {
    if (isDone.current || world.earth === null || control.current === null) return;
    isDone.current = true;
    const point = selectedHost === null ? undefined : world.points.get(selectedHost);
    control.current.fit(boundsOf(point ? [point] : [...world.points.values()]), FIRST_SCALE);
  });
}

function boundsOf(points: readonly Point[]): Rect {
  const [xs, ys] = [points.map(({ x }) => x), points.map(({ y }) => y)];
  const [x, y] = [Math.min(...xs), Math.min(...ys)];
  return { x, y, width: Math.max(...xs) - x, height: Math.max(...ys) - y };
}

interface WorldCanvasProps {
  readonly nodes: Summary;
  readonly world: World;
  readonly hovered: Signal<Spot | null>;
  readonly control: RefObject<CanvasControl | null>;
  readonly selected: Selected | null;
  readonly label: string;
  readonly onSize: (size: Size) => void;
}

type Selected = NonNullable<ReturnType<typeof findSelected>>;

function WorldCanvas({ nodes, world, hovered, control, selected, label, onSize }: WorldCanvasProps) {
  const selectedHost = selected?.host ?? selected?.place.hosts[0] ?? null;
  const paint = useCallback<Paint>(
    (context, view, palette) => {
      if (world.earth === null) return;
      const spots = world.spotsAt(view.k);
      const marks = { selected: findSpot(spots, selectedHost), hovered: hovered.peek() };
      paintWorld(context, view, palette, world.earth, spots, marks);
    },
    [world, selectedHost, hovered],
  );
  useEffect(() => hovered.subscribe(() => control.current?.invalidate()), [hovered, control]);
  const find = ({ left, top, x, y, scale }: CanvasPoint) =>
    spotAt(world.spotsAt(scale), { k: scale, x: left - x * scale, y: top - y * scale }, left, top);
  const open = (spot: Spot | null) => {
    if (spot === null) {
      setParameters({ sel: "" });
    } else if (spot.gathering.points.length > 1 && control.current && control.current.scale < MAXIMUM_SCALE) {
      split(spot, control.current);
    } else {
      setParameters({ sel: keyOfSpot(nodes, spot) });
    }
  };
  return (
    <ZoomCanvas
      label={label}
      maximumScale={MAXIMUM_SCALE}
      areaOf={areaOfEarth}
      paint={paint}
      control={control}
      onSize={onSize}
      onView={() => {
        hovered.value = null;
      }}
      onHover={(point) => {
        const spot = point && find(point);
        hovered.value = spot;
        return spot !== null;
      }}
      onSelect={(point) => open(find(point))}
      onOpen={(point) => {
        if (point === null && selected) openRow(nodes, selected);
      }}
      onEscape={() => setParameters({ sel: "" })}
    >
      <SpotTooltip nodes={nodes} hovered={hovered} control={control} selected={selected} />
    </ZoomCanvas>
  );
}

function findSpot(spots: readonly Spot[], host: number | null): Spot | null {
  return (host !== null && spots.find(({ gathering }) => gathering.rows.includes(host))) || null;
}

/** Zoom until what is gathered is apart. */
function split({ gathering }: Spot, control: CanvasControl): void {
  const before = control.scale;
  control.fit(boundsOf(gathering.points), Math.min(MAXIMUM_SCALE, before * 8));
  if (control.scale < before * SPLIT_FACTOR) {
    control.fit(
      { x: gathering.x, y: gathering.y, width: 0, height: 0 },
      Math.min(MAXIMUM_SCALE, before * SPLIT_FACTOR),
    );
  }
}

function keyOfSpot(nodes: Summary, { gathering }: Spot): string {
  const [first = 0, second] = gathering.rows;
  return second === undefined ? hostKey(nodes, first) : placeKeyOf(nodes, first);
}

interface SpotTooltipProps {
  readonly nodes: Summary;
  readonly hovered: Signal<Spot | null>;
  readonly control: RefObject<CanvasControl | null>;
  readonly selected: Selected | null;
}

/** What is known of the hosts that the pointer is at. What is selected is described elsewhere. */
function SpotTooltip({ nodes, hovered, control, selected }: SpotTooltipProps) {
  const spot = hovered.value;
  if (spot === null || control.current === null) return null;
  const { gathering } = spot;
  const { left, top } = control.current.toCanvas(gathering.x, gathering.y);
  const [first = 0] = gathering.rows;
  if (gathering.rows.length === 1 && first === selected?.host) return null;
  return (
    <CanvasTooltip left={left} top={top} canvas={control.current.size}>
      {gathering.rows.length === 1 ? (
        <FactsView facts={{ ...nodeFacts(nodes, first, shownNow()), object: null }} />
      ) : (
        <>
          <p class="fact-title">{formatQuantity(gathering.rows.length, "node")}</p>
          <HealthCountsView counts={spot.healths} />
          <p class="quiet-text">
            {gathering.points.length > 1 ? "Click to zoom." : safeText(nodes.text("city", first), 80)}
          </p>
        </>
      )}
    </CanvasTooltip>
  );
}

/** "2 failed, 1 warning, 12 OK", with marks. */
function HealthCountsView({ counts }: { readonly counts: HealthCounts }) {
  return (
    <span class="health-counts">
      {HEALTHS.map(
        (health, code) =>
          (counts[code] ?? 0) > 0 && (
            <span key={health} class="legend-item">
              <HealthIcon health={health} /> {formatCount(counts[code] ?? 0)} {healthText(health)}
            </span>
          ),
      )}
    </span>
  );
}

function WorldLegend({ counts }: { readonly counts: HealthCounts }) {
  return (
    <div class="legend">
      <p>
        Nodes:
        {HEALTHS.map((health, code) => (
          <span key={health} class={counts[code] ? "legend-item" : "legend-item none"}>
            <HealthIcon health={health} /> {healthText(health)}{" "}
            <span class="count">{formatCount(counts[code] ?? 0)}</span>
          </span>
        ))}
      </p>
      <p>
        A mark with a number is a group of nearby nodes. “3 of 20” means that 3 of the 20 nodes have the health that the
        mark shows.
      </p>
    </div>
  );
}

interface WorldTreeProps {
  readonly nodes: Summary;
  readonly places: readonly Place[];
  readonly matches: Uint8Array | null;
  readonly world: World;
  readonly hovered: Signal<Spot | null>;
  readonly control: RefObject<CanvasControl | null>;
}

function WorldTree({ nodes, places, matches, world, hovered, control }: WorldTreeProps) {
  const [openings, setOpenings] = useState<ReadonlyMap<string, boolean>>(new Map());
  const sel = parameter("sel");
  // What is selected is in the table, also if its place is closed.
  useEffect(() => {
    const selected = findSelected(nodes, places, sel);
    if (selected?.host != null) setOpenings((before) => new Map(before).set(selected.place.key, true));
  }, [sel]);
  const rows = useMemo(() => listRows(nodes, places, matches, openings), [nodes, places, matches, openings]);
  const columns = useMemo(() => columnsOf(nodes), [nodes]);
  if (rows.length === 0) return <EmptyState title="No node with a position matches the filter" />;
  const show = ({ host, hosts }: WorldRow) => {
    const points = (host === null ? hosts : [host]).flatMap((row) => world.points.get(row) ?? []);
    if (points.length > 0) control.current?.reveal(boundsOf(points), 0);
  };
  return (
    <TreeTable
      label="Places and their nodes"
      rows={rows}
      columns={columns}
      selected={sel || null}
      onSelect={(row) => {
        setParameters({ sel: row.key });
        show(row);
      }}
      onOpen={(row) => openRow(nodes, row)}
      onToggle={(row, isExpanded) => setOpenings((before) => new Map(before).set(row.key, isExpanded))}
      onFocus={(row) => {
        if (row !== null) show(row);
        hovered.value = row && findSpot(world.spotsAt(control.current?.scale ?? 1), row.host ?? row.hosts[0] ?? null);
      }}
    />
  );
}

function columnsOf(nodes: Summary): TreeColumn<WorldRow>[] {
  return [
    {
      title: "Place",
      render: (row) => <Name text={labelOf(nodes, row)} />,
      titleOf: (row) => safeText(labelOf(nodes, row)),
    },
    { title: "Health", width: 9, render: (row) => <RowHealth nodes={nodes} row={row} /> },
    {
      title: "Nodes",
      width: 4.5,
      isNumber: true,
      render: ({ host, hosts }) => (host === null ? formatCount(hosts.length) : ""),
    },
  ];
}

function labelOf(nodes: Summary, { place, host }: WorldRow): string {
  return host === null ? place.label : nodes.text("name", host);
}

function RowHealth({ nodes, row: { host, hosts } }: { readonly nodes: Summary; readonly row: WorldRow }) {
  if (host !== null) return <SummaryHealth summary={nodes} row={host} />;
  const counts = countHealths(nodes, hosts);
  const worst = worstOf(counts);
  const health = HEALTHS[worst] ?? "unknown";
  const text = `${formatCount(counts[worst] ?? 0)} ${healthText(health).toLowerCase()}`;
  return <HealthBadge health={health} text={health === "ok" ? "" : text} />;
}

/** Go to the node, or to the nodes of the place. */
function openRow(nodes: Summary, { place, host }: Selected): void {
  if (host !== null) navigate(hrefOfObject(objectOfRow(nodes, host)));
  else if (place.filter) navigate(hrefOfPlace(place));
}

function hrefOfPlace({ filter }: Place): string {
  return hrefOf({ screen: "table", kind: "nodes" }, { filter });
}

function SelectionView({ nodes, place, host }: Selected & { readonly nodes: Summary }) {
  const now = useShownNow(5);
  return (
    <section class="map-selection" aria-label="Selected">
      <button type="button" class="quiet" aria-label="Clear selection" onClick={() => setParameters({ sel: "" })}>
        ✕
      </button>
      {host !== null ? (
        <FactsView facts={{ ...nodeFacts(nodes, host, now), object: objectOfRow(nodes, host) }} isLink />
      ) : (
        <>
          <p class="fact-title">
            <span class="kind">Place </span>
            {place.filter ? <a href={hrefOfPlace(place)}>{place.label}</a> : place.label}
          </p>
          <p>{formatQuantity(place.hosts.length, "node")}</p>
          <HealthCountsView counts={countHealths(nodes, place.hosts)} />
        </>
      )}
    </section>
  );
}
