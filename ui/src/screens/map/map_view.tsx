/** One version of the map, as a drawing and as a table, with one selection. */
import { type Signal, useSignal } from "@preact/signals";
import type { RefObject } from "preact";
import { useCallback, useEffect, useMemo, useRef, useState } from "preact/hooks";
import { announce } from "../../components/announcer";
import { CanvasTooltip } from "../../components/canvas_tooltip";
import { EmptyState } from "../../components/states";
import { TreeTable } from "../../components/tree_table";
import type { Size } from "../../components/view";
import { type CanvasControl, type CanvasPoint, type Paint, ZoomCanvas } from "../../components/zoom_canvas";
import { useShownNow } from "../../data/hooks";
import { formatCount, formatQuantity } from "../../format";
import { hrefOfObject, navigate, parameter, setParameters } from "../../router";
import { shownNow } from "../../time/shown";
import { columnsOf } from "./columns";
import { FactsView, factsOf } from "./facts";
import { EMPTY_FLEET, type Fleet, type Grouping } from "./fleet";
import { Legend } from "./legend";
import { EVERYTHING, type Level } from "./matches";
import { Painter } from "./painter";
import { isSameTarget, type Matches, type Picture, PictureMaker, rectOf, type Target, targetAt } from "./picture";
import type { ColourMode } from "./scales";
import { listRows, objectOf, parentKeysOf, rowKeyOf, targetOf } from "./tree";

/** What the table goes to is zoomed until its smaller side has so many CSS pixels. */
const REVEALED_SIDE = 14;
/** At the largest scale, the smaller side of a cell has so many CSS pixels: room for the names of its pods. */
const LARGEST_CELL_SIDE = 900;

interface MapViewProps {
  readonly fleet: Fleet;
  readonly matches: Matches;
  /** What the filter found, null without a filter. */
  readonly matching: { readonly kind: Level; readonly count: number } | null;
  readonly grouping: Grouping;
  readonly mode: ColourMode;
  /** In milliseconds, as of Date.now(). */
  readonly queriedAt: number;
}

/** What the pointer or the focus of the keyboard is at, and where on the canvas. */
interface Hovered {
  readonly target: Target;
  readonly left: number;
  readonly top: number;
}

export function MapView({ fleet, matches, matching, grouping, mode, queriedAt }: MapViewProps) {
  const [maker] = useState(() => new PictureMaker());
  const [size, setSize] = useState<Size>({ width: 0, height: 0 });
  const now = Math.floor(queriedAt / 1000);
  const picture = useMemo(() => {
    // Nothing is placed before the size of the canvas is known, which is in the next task of the browser.
    const [placed, found] = size.width > 0 ? [fleet, matches] : [EMPTY_FLEET, EVERYTHING];
    return maker.make({ fleet: placed, grouping, mode, matches: found, now, size });
  }, [maker, fleet, grouping, mode, matches, now, size]);
  const control = useRef<CanvasControl>(null);
  const hovered = useSignal<Hovered | null>(null);
  const selection = useSelection(picture, control);
  const count = matching
    ? `${formatCount(matching.count)} of ${formatQuantity(fleet[matching.kind].count, matching.kind.slice(0, -1))} match`
    : `${formatQuantity(fleet.nodes.count, "node")}, ${formatQuantity(fleet.pods.count, "pod")}`;
  const found = matching?.count ?? null;
  useEffect(() => {
    if (found !== null) announce(`${count}.`);
  }, [found]);
  return (
    <div class="map-view">
      <div class="map-drawing">
        <MapCanvas picture={picture} selection={selection} hovered={hovered} control={control} onSize={setSize} />
        <Legend picture={picture} />
      </div>
      <div class="map-side">
        <p class="map-count">{count}</p>
        <MapTree picture={picture} mode={mode} selection={selection} hovered={hovered} control={control} />
        {selection.target && <SelectionView picture={picture} target={selection.target} onClose={selection.clear} />}
      </div>
    </div>
  );
}

interface Selection {
  readonly key: string;
  /** null if nothing is selected, or if it is not there. */
  readonly target: Target | null;
  select(target: Target | null): void;
  clear(): void;
  open(target: Target | null): void;
}

/** What `sel` of the address selects. What is selected anywhere but on the canvas comes into sight there. */
function useSelection(picture: Picture, control: RefObject<CanvasControl | null>): Selection {
  const key = parameter("sel");
  const target = useMemo(() => (key ? targetOf(picture, key) : null), [picture, key]);
  const shownKey = useRef("");
  const hasSize = picture.width > 0;
  useEffect(() => {
    if (key === shownKey.current || target === null || !hasSize) return;
    shownKey.current = key;
    revealTarget(picture, target, control.current);
  }, [key, target, hasSize]);
  return {
    key,
    target,
    select: (wanted) => {
      const sel = wanted ? rowKeyOf(picture, wanted) : "";
      shownKey.current = sel;
      setParameters({ sel });
    },
    clear: () => setParameters({ sel: "" }),
    open: (wanted) => {
      const object = wanted && objectOf(picture, wanted);
      if (object) navigate(hrefOfObject(object));
    },
  };
}

function revealTarget(picture: Picture, target: Target, control: CanvasControl | null): void {
  const rect = control && rectOf(picture, target, control.scale, false);
  if (rect) control.reveal(rect, REVEALED_SIDE);
}

interface MapCanvasProps {
  readonly picture: Picture;
  readonly selection: Selection;
  readonly hovered: Signal<Hovered | null>;
  readonly control: RefObject<CanvasControl | null>;
  readonly onSize: (size: Size) => void;
}

function MapCanvas({ picture, selection, hovered, control, onSize }: MapCanvasProps) {
  const [painter] = useState(() => new Painter());
  const { target: selected } = selection;
  const paint = useCallback<Paint>(
    (context, view, palette) => {
      painter.paint(context, view, palette, picture, { selected, hovered: hovered.peek()?.target ?? null });
    },
    [painter, picture, selected, hovered],
  );
  useEffect(() => hovered.subscribe(() => control.current?.invalidate()), [hovered, control]);
  const find = ({ x, y, scale }: CanvasPoint) => targetAt(picture, x, y, scale);
  const onHover = (point: CanvasPoint | null) => {
    const target = point && find(point);
    const before = hovered.peek();
    if (!isSameTarget(target, before?.target ?? null)) {
      hovered.value = point && target ? { target, left: point.left, top: point.top } : null;
    }
    return target !== null;
  };
  return (
    <ZoomCanvas
      label={`Map of ${formatQuantity(picture.fleet.nodes.count, "node")} and ${formatQuantity(picture.fleet.pods.count, "pod")}`}
      maximumScale={maximumScale(picture)}
      paint={paint}
      control={control}
      onSize={onSize}
      onHover={onHover}
      onSelect={(point) => selection.select(find(point))}
      onOpen={(point) => selection.open(point ? find(point) : selected)}
      onEscape={() => {
        if (hovered.peek()) hovered.value = null;
        else selection.clear();
      }}
    >
      <TargetTooltip picture={picture} hovered={hovered} selected={selected} />
    </ZoomCanvas>
  );
}

function maximumScale({ arrangement }: Picture): number {
  const sides = arrangement.boxes
    .map(({ grid }) => Math.min(grid.cellWidth, grid.cellHeight))
    .filter((side) => side > 0);
  return Math.max(4, Math.min(80, LARGEST_CELL_SIDE / Math.min(LARGEST_CELL_SIDE, ...sides)));
}

interface TargetTooltipProps extends Pick<MapCanvasProps, "picture" | "hovered"> {
  readonly selected: Target | null;
}

/** What is known of what the pointer is at. What is selected is described elsewhere. */
function TargetTooltip({ picture, hovered, selected }: TargetTooltipProps) {
  const found = hovered.value;
  if (found === null || isSameTarget(found.target, selected) || !isThere(picture, found.target)) return null;
  return (
    <CanvasTooltip left={found.left} top={found.top} canvas={picture}>
      <FactsView facts={factsOf(picture, found.target, shownNow())} />
    </CanvasTooltip>
  );
}

/** Targets are of one version; a later one may have fewer objects. */
function isThere({ fleet }: Picture, target: Target): boolean {
  if (target.kind === "group") return true;
  return target.cell < fleet.cells.length && (target.kind === "cell" || fleet.cellOfPod[target.pod] === target.cell);
}

interface SelectionViewProps {
  readonly picture: Picture;
  readonly target: Target;
  readonly onClose: () => void;
}

function SelectionView({ picture, target, onClose }: SelectionViewProps) {
  const now = useShownNow(5);
  return (
    <section class="map-selection" aria-label="Selected">
      <button type="button" class="quiet" aria-label="Clear selection" onClick={onClose}>
        ✕
      </button>
      <FactsView facts={factsOf(picture, target, now)} isLink />
    </section>
  );
}

interface MapTreeProps {
  readonly picture: Picture;
  readonly mode: ColourMode;
  readonly selection: Selection;
  readonly hovered: Signal<Hovered | null>;
  readonly control: RefObject<CanvasControl | null>;
}

function MapTree({ picture, mode, selection, hovered, control }: MapTreeProps) {
  const { fleet, grouping, groups, matches } = picture;
  const [openings, setOpenings] = useState<ReadonlyMap<string, boolean>>(new Map());
  const { key: selectedKey, target } = selection;
  // What is selected is in the table, also if it is in rows that are closed.
  useEffect(() => {
    if (target === null) return;
    setOpenings((before) => new Map([...before, ...parentKeysOf(picture, target).map((key) => [key, true] as const)]));
  }, [selectedKey, target === null]);
  const rows = useMemo(
    () => listRows({ fleet, grouping, groups, matches }, openings),
    [fleet, grouping, groups, matches, openings],
  );
  const columns = useMemo(() => columnsOf(picture, mode), [picture, mode]);
  if (rows.length === 0 && matches.cells !== null) return <EmptyState title="Nothing matches the filter" />;
  return (
    <TreeTable
      label="Clusters, nodes and pods"
      rows={rows}
      columns={columns}
      selected={selectedKey || null}
      onSelect={(row) => {
        selection.select(row.target);
        revealTarget(picture, row.target, control.current);
      }}
      onOpen={(row) => selection.open(row.target)}
      onToggle={(row, isExpanded) => setOpenings((before) => new Map(before).set(row.key, isExpanded))}
      onFocus={(row) => {
        if (row === null) {
          hovered.value = null;
          return;
        }
        revealTarget(picture, row.target, control.current);
        hovered.value = { target: row.target, ...placeOf(picture, row.target, control.current) };
      }}
    />
  );
}

/** Return where on the canvas something is, in CSS pixels. */
function placeOf(picture: Picture, target: Target, control: CanvasControl | null): { left: number; top: number } {
  const rect = control && rectOf(picture, target, control.scale);
  if (!rect) return { left: 0, top: 0 };
  return control.toCanvas(rect.x + rect.width / 2, rect.y + rect.height / 2);
}
