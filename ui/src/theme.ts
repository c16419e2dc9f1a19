/** Light, dark, or as the system has it. */

import { effect, type ReadonlySignal } from "@preact/signals";
import { StoredChoice } from "./stored_choice";

export type Theme = "auto" | "light" | "dark";
export const THEMES = ["auto", "light", "dark"] as const;

const choice = new StoredChoice<Theme>("theme", THEMES);

export const theme: ReadonlySignal<Theme> = choice.signal;

export function startTheme(): void {
  choice.start();
  effect(() => {
    document.documentElement.setAttribute("data-theme", theme.value);
  });
}

export function setTheme(chosen: Theme): void {
  choice.set(chosen);
}
