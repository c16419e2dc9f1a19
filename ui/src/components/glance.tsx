import type { ComponentChildren } from "preact";
import type { Size } from "./view";

interface GlanceProps {
  /** In CSS pixels from the top left of the canvas. */
  readonly left: number;
  readonly top: number;
  /** The size of the canvas. */
  readonly canvas: Size;
  readonly children: ComponentChildren;
}

/** What is known of what is at a point of a canvas, beside that point. */
export function Glance({ left, top, canvas, children }: GlanceProps) {
  const x = left > canvas.width / 2 ? "calc(-100% - 14px)" : "16px";
  const y = top > canvas.height / 2 ? "calc(-100% - 8px)" : "16px";
  return (
    <div class="canvas-glance" style={{ left: `${left}px`, top: `${top}px`, translate: `${x} ${y}` }}>
      {children}
    </div>
  );
}
