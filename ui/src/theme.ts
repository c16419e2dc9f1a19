/** Light, dark, or as the system has it. Together with the token, the only state that is not in the address. */

import { effect, signal } from "@preact/signals";

export type Theme = "auto" | "light" | "dark";
export const THEMES: readonly Theme[] = ["auto", "light", "dark"];

const STORAGE_KEY = "theme";

export const theme = signal<Theme>("auto");

export function startTheme(): void {
  theme.value = readTheme();
  effect(() => {
    document.documentElement.setAttribute("data-theme", theme.value);
  });
  // Another tab.
  window.addEventListener("storage", (event) => {
    if (event.key === STORAGE_KEY) theme.value = readTheme();
  });
}

export function setTheme(chosen: Theme): void {
  theme.value = chosen;
  try {
    localStorage.setItem(STORAGE_KEY, chosen);
  } catch {
    // Storage may be forbidden: the choice holds until the page is closed.
  }
}

function readTheme(): Theme {
  try {
    const stored = localStorage.getItem(STORAGE_KEY);
    return THEMES.find((known) => known === stored) ?? "auto";
  } catch {
    return "auto";
  }
}
