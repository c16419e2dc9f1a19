/** A canvas that is moved and zoomed by pointer, wheel, fingers, keys and buttons, and drawn once per frame. */
import { effect } from "@preact/signals";
import { select } from "d3-selection";
import { type D3ZoomEvent, type ZoomBehavior, zoom, zoomIdentity, zoomTransform } from "d3-zoom";
import type { ComponentChildren, RefObject } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { theme } from "../theme";

import { type Palette, readPalette } from "./palette";
import { type AreaOf, fit, type Rect, rescale, reveal, type Size, type Transform } from "./view";

/** What is on the canvas: a point of the drawing is at `point * k + x`, `point * k + y`, in CSS pixels. */
export interface View extends Transform, Size {
  /** Device pixels per CSS pixel. */
  readonly ratio: number;
}

export type Paint = (context: CanvasRenderingContext2D, view: View, palette: Palette) => void;

/** A point, in the drawing and in CSS pixels from the top left of the canvas. */
export interface CanvasPoint {
  readonly x: number;
  readonly y: number;
  readonly left: number;
  readonly top: number;
  readonly scale: number;
}

export interface CanvasControl {
  /** Move and zoom so that a rectangle of the drawing is visible and its smaller side has at least this many pixels. */
  reveal(rect: Rect, side: number): void;
  /** Move and zoom so that a rectangle of the drawing is as large as possible, up to a scale. */
  fit(rect: Rect, maximumScale: number): void;
  readonly scale: number;
  /** The size of the canvas. */
  readonly size: Size;
  /** Return where a point of the drawing is, in CSS pixels from the top left of the canvas. */
  toCanvas(x: number, y: number): { left: number; top: number };
  /** Draw before the browser shows the next frame. */
  invalidate(): void;
}

interface ZoomCanvasProps {
  readonly label: string;
  readonly maximumScale: number;
  /** Where the drawing is on a canvas, everywhere by default. */
  readonly areaOf?: AreaOf;
  /** Draws a frame. The canvas is drawn again when this is another function. */
  readonly paint: Paint;
  readonly control: RefObject<CanvasControl | null>;
  readonly onSize: (size: Size) => void;
  readonly onView?: (view: Transform) => void;
  /** Whether something is at the point. */
  readonly onHover: (point: CanvasPoint | null) => boolean;
  readonly onSelect: (point: CanvasPoint) => void;
  /** Open what is at the point, or, from the keyboard, what is selected. */
  readonly onOpen: (point: CanvasPoint | null) => void;
  readonly onEscape: () => void;
  readonly children?: ComponentChildren;
}

const STEP_PIXELS = 80;
const STEP_FACTOR = 1.5;
/** So much may be moved beyond the edges, in CSS pixels. */
const OVERSCROLL = 40;
const KEYS_TEXT = "Arrows move, plus and minus zoom, 0 shows everything, Enter opens what is selected.";

export function ZoomCanvas(props: ZoomCanvasProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const latest = useRef(props);
  latest.current = props;
  const [surface, setSurface] = useState<Surface | null>(null);

  useLayoutEffect(() => {
    const element = canvas.current;
    const created = element && new Surface(element, latest);
    setSurface(created);
    props.control.current = created;
    return () => created?.close();
  }, []);
  useEffect(() => surface?.limit(props.maximumScale), [surface, props.maximumScale]);
  // Another `paint` draws something else.
  useLayoutEffect(() => surface?.invalidate(), [surface, props.paint]);

  return (
    <div class="zoom-canvas">
      <div
        role="application"
        // biome-ignore lint/a11y/noNoninteractiveTabindex: It takes keys.
        tabIndex={0}
        aria-label={`${props.label}. ${KEYS_TEXT} The table has the same content.`}
        onKeyDown={(event) => surface?.onKeyDown(event)}
      >
        <canvas ref={canvas} />
      </div>
      <div class="zoom-buttons">
        <button type="button" aria-label="Zoom in" title="Zoom in (+)" onClick={() => surface?.zoomBy(STEP_FACTOR)}>
          +
        </button>
        <button
          type="button"
          aria-label="Zoom out"
          title="Zoom out (−)"
          onClick={() => surface?.zoomBy(1 / STEP_FACTOR)}
        >
          −
        </button>
        <button type="button" aria-label="Show everything" title="Show everything (0)" onClick={() => surface?.reset()}>
          ⤢
        </button>
      </div>
      {props.children}
    </div>
  );
}

/** The canvas element with its size, transform and frames. */
class Surface implements CanvasControl {
  readonly #canvas: HTMLCanvasElement;
  readonly #context: CanvasRenderingContext2D | null;
  readonly #props: RefObject<ZoomCanvasProps>;
  readonly #behavior: ZoomBehavior<HTMLCanvasElement, unknown>;
  readonly #stops: (() => void)[] = [];
  #size: Size = { width: 0, height: 0 };
  #palette: Palette | null = null;
  #frame = 0;

  constructor(canvas: HTMLCanvasElement, props: RefObject<ZoomCanvasProps>) {
    this.#canvas = canvas;
    this.#context = canvas.getContext("2d", { alpha: false });
    this.#props = props;
    this.#behavior = zoom<HTMLCanvasElement, unknown>().on(
      "zoom",
      ({ transform }: D3ZoomEvent<HTMLCanvasElement, unknown>) => {
        const { k, x, y } = transform;
        this.#props.current.onView?.({ k, x, y });
        this.invalidate();
      },
    );
    this.limit(props.current.maximumScale);
    select(canvas).call(this.#behavior).on("dblclick.zoom", null);
    this.#listen();
  }

  get scale(): number {
    return zoomTransform(this.#canvas).k;
  }

  get size(): Size {
    return this.#size;
  }

  limit(maximumScale: number): void {
    this.#behavior.scaleExtent([1, maximumScale]);
  }

  toCanvas(x: number, y: number): { left: number; top: number } {
    const [left, top] = zoomTransform(this.#canvas).apply([x, y]);
    return { left, top };
  }

  invalidate(): void {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      this.#draw();
    });
  }

  zoomBy(factor: number): void {
    this.#behavior.scaleBy(select(this.#canvas), factor);
  }

  reset(): void {
    this.#behavior.transform(select(this.#canvas), zoomIdentity);
  }

  reveal(rect: Rect, side: number): void {
    const current = zoomTransform(this.#canvas);
    const [, maximumScale] = this.#behavior.scaleExtent();
    const { k, x, y } = reveal(current, rect, this.#size, side, maximumScale);
    if (k === current.k && x === current.x && y === current.y) return;
    this.#moveTo({ k, x, y });
  }

  fit(rect: Rect, maximumScale: number): void {
    this.#moveTo(fit(rect, this.#size, maximumScale));
  }

  onKeyDown(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey || !this.#act(event.key)) return;
    event.preventDefault();
    event.stopPropagation();
  }

  close(): void {
    cancelAnimationFrame(this.#frame);
    select(this.#canvas).on(".zoom", null);
    for (const stop of this.#stops) stop();
  }

  #act(key: string): boolean {
    switch (key) {
      case "ArrowLeft":
        return this.#moveBy(STEP_PIXELS, 0);
      case "ArrowRight":
        return this.#moveBy(-STEP_PIXELS, 0);
      case "ArrowUp":
        return this.#moveBy(0, STEP_PIXELS);
      case "ArrowDown":
        return this.#moveBy(0, -STEP_PIXELS);
      case "+":
      case "=":
        this.zoomBy(STEP_FACTOR);
        return true;
      case "-":
        this.zoomBy(1 / STEP_FACTOR);
        return true;
      case "0":
        this.reset();
        return true;
      case "Enter":
        this.#props.current.onOpen(null);
        return true;
      case "Escape":
        this.#props.current.onEscape();
        return true;
      default:
        return false;
    }
  }

  #moveBy(x: number, y: number): true {
    const { k } = zoomTransform(this.#canvas);
    this.#behavior.translateBy(select(this.#canvas), x / k, y / k);
    return true;
  }

  #moveTo({ k, x, y }: Transform): void {
    this.#behavior.transform(select(this.#canvas), zoomIdentity.translate(x, y).scale(k));
  }

  #listen(): void {
    const observer = new ResizeObserver(() => this.#resize());
    observer.observe(this.#canvas);
    const colours = matchMedia("(prefers-color-scheme: dark)");
    const contrast = matchMedia("(forced-colors: active)");
    const recolour = () => {
      this.#palette = null;
      this.invalidate();
    };
    const stopTheme = effect(() => {
      theme.value;
      recolour();
    });
    for (const query of [colours, contrast]) query.addEventListener("change", recolour);
    this.#stops.push(
      () => observer.disconnect(),
      () => colours.removeEventListener("change", recolour),
      () => contrast.removeEventListener("change", recolour),
      stopTheme,
    );
    this.#listenToPointer();
  }

  #listenToPointer(): void {
    const canvas = this.#canvas;
    const on = <K extends keyof HTMLElementEventMap>(name: K, act: (event: HTMLElementEventMap[K]) => void) => {
      canvas.addEventListener(name, act);
      this.#stops.push(() => canvas.removeEventListener(name, act));
    };
    on("pointermove", (event) => {
      const isMoving = event.buttons !== 0;
      const isAtSomething = this.#props.current.onHover(isMoving ? null : this.#toPoint(event));
      canvas.style.cursor = isMoving ? "grabbing" : isAtSomething ? "pointer" : "grab";
    });
    on("pointerleave", () => this.#props.current.onHover(null));
    // After a drag, d3-zoom suppresses the click.
    on("click", (event) => this.#props.current.onSelect(this.#toPoint(event)));
    on("dblclick", (event) => this.#props.current.onOpen(this.#toPoint(event)));
  }

  #toPoint(event: MouseEvent): CanvasPoint {
    const bounds = this.#canvas.getBoundingClientRect();
    const left = event.clientX - bounds.left;
    const top = event.clientY - bounds.top;
    const { k, x, y } = zoomTransform(this.#canvas);
    return { x: (left - x) / k, y: (top - y) / k, left, top, scale: k };
  }

  #resize(): void {
    const size = { width: this.#canvas.clientWidth, height: this.#canvas.clientHeight };
    if (size.width === 0 || size.height === 0) return;
    const former = this.#size;
    const transform = rescale(zoomTransform(this.#canvas), former, size, this.#props.current.areaOf);
    this.#size = size;
    this.#behavior
      .extent([
        [0, 0],
        [size.width, size.height],
      ])
      .translateExtent([
        [-OVERSCROLL, -OVERSCROLL],
        [size.width + OVERSCROLL, size.height + OVERSCROLL],
      ]);
    this.#props.current.onSize(size);
    this.#moveTo(transform);
    this.invalidate();
  }

  #draw(): void {
    const context = this.#context;
    const { width, height } = this.#size;
    if (context === null || width === 0 || height === 0) return;
    const ratio = window.devicePixelRatio;
    const [columns, rows] = [Math.round(width * ratio), Math.round(height * ratio)];
    // Setting the size clears the canvas, even to the same size.
    if (this.#canvas.width !== columns) this.#canvas.width = columns;
    if (this.#canvas.height !== rows) this.#canvas.height = rows;
    this.#palette ??= readPalette(this.#canvas.parentElement ?? this.#canvas);
    const { k, x, y } = zoomTransform(this.#canvas);
    this.#props.current.paint(context, { k, x, y, width, height, ratio }, this.#palette);
  }
}
