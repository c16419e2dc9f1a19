/** Keyboard shortcuts. Those that are active now are a signal, so that the help lists them. */

import { type ReadonlySignal, signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";

export interface Shortcut {
  /** The key as in KeyboardEvent.key: "/", "?", "Escape". */
  readonly key: string;
  readonly description: string;
}

interface ActiveShortcut extends Shortcut {
  readonly act: () => void;
}

const active = signal<readonly ActiveShortcut[]>([]);

export const shortcuts: ReadonlySignal<readonly Shortcut[]> = active;

/** Call `act` when the key is pressed outside of fields, as long as the component is on the screen. */
export function useShortcut(key: string, description: string, act: () => void): void {
  const latest = useRef(act);
  latest.current = act;
  useEffect(() => {
    const shortcut = { key, description, act: () => latest.current() };
    active.value = [...active.peek(), shortcut];
    return () => {
      active.value = active.peek().filter((other) => other !== shortcut);
    };
  }, [key, description]);
}

export function startKeyboard(): void {
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
    // Dialogs are modal for the keyboard, too.
    if (document.querySelector("dialog[open]") !== null) return;
    const shortcut = active.peek().findLast((other) => other.key === event.key);
    if (shortcut === undefined) return;
    event.preventDefault();
    shortcut.act();
  });
}

function isTyping(target: EventTarget | null): boolean {
  return target instanceof Element && target.closest("input, textarea, select, [contenteditable]") !== null;
}
