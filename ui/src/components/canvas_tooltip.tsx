import type { ComponentChildren } from "preact";
import type { Size } from "./view";

interface CanvasTooltipProps {
  /** In CSS pixels from the top left of the canvas. */
  readonly left: number;
  readonly top: number;
  /** The size of the canvas. */
  readonly canvas: Size;
  readonly children: ComponentChildren;
}

/** Facts about the object at a point of a canvas, beside that point. */
export function CanvasTooltip({ left, top, canvas, children }: CanvasTooltipProps) {
  const x = left > canvas.width / 2 ? "calc(-100% - 14px)" : "16px";
  const y = top > canvas.height / 2 ? "calc(-100% - 8px)" : "16px";
  return (
    <div class="canvas-tooltip" style={{ left: `${left}px`, top: `${top}px`, translate: `${x} ${y}` }}>
      {children}
    </div>
  );
}
