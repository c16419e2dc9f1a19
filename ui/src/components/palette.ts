/** The colours of a canvas: those of the style sheet, as they are in the current theme. */

import { HEALTHS } from "../data/health";

/** What a colour means. Those of health come first, in the order of HEALTHS. */
export const COLOURS = [
  ...HEALTHS,
  "step-0",
  "step-1",
  "step-2",
  "step-3",
  "step-4",
  "category-0",
  "category-1",
  "category-2",
  "category-3",
  "category-4",
  "category-5",
  "category-6",
  "category-7",
  "other",
] as const;
export type Colour = (typeof COLOURS)[number];

export interface Palette {
  /** Fills in the order of COLOURS. */
  readonly fills: readonly string[];
  /** What is readable on these fills. */
  readonly inks: readonly string[];
  readonly background: string;
  readonly surface: string;
  readonly frame: string;
  readonly border: string;
  readonly text: string;
  readonly muted: string;
  readonly accent: string;
  readonly land: string;
  readonly font: string;
}

const DARK_INK = "#000000";
const LIGHT_INK = "#ffffff";

/** Read the variables `--map-…` of an element. `light-dark()` is resolved by the browser when it is used as a colour. */
export function readPalette(element: HTMLElement): Palette {
  const probe = document.createElement("span");
  probe.hidden = true;
  // Colours mean something here, and the legend keeps them, too.
  probe.style.setProperty("forced-color-adjust", "none");
  element.append(probe);
  const read = (name: string) => {
    probe.style.color = `var(--map-${name})`;
    return getComputedStyle(probe).color;
  };
  const fills = COLOURS.map(read);
  const [background = "", surface = "", frame = "", border = ""] = ["background", "surface", "frame", "border"].map(
    read,
  );
  const [text = "", muted = "", accent = "", land = ""] = ["text", "muted", "accent", "land"].map(read);
  probe.remove();
  const font = getComputedStyle(element).fontFamily;
  return { fills, inks: fills.map(inkOn), background, surface, frame, border, text, muted, accent, land, font };
}

/** Return black or white, whichever contrasts more with a colour. */
function inkOn(fill: string): string {
  const context = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  if (!context) return DARK_INK;
  context.fillStyle = fill;
  context.fillRect(0, 0, 1, 1);
  const [red = 0, green = 0, blue = 0] = context.getImageData(0, 0, 1, 1).data;
  return luminance(red, green, blue) > 0.179 ? DARK_INK : LIGHT_INK;
}

/** The relative luminance of WCAG 2. */
export function luminance(red: number, green: number, blue: number): number {
  const linear = (channel: number) => {
    const value = channel / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  };
  return 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue);
}
