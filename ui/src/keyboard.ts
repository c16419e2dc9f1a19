/** Keyboard shortcuts. Those that are active now are a signal, so that the help lists them. */

import { type ReadonlySignal, signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";

export interface Shortcut {
  /** The key as in KeyboardEvent.key: "/", "?", "Escape". One with Ctrl, "Ctrl+k", works in fields, too. */
  readonly key: string;
  readonly description: string;
}

interface ActiveShortcut extends Shortcut {
  readonly act: () => void;
}

const active = signal<readonly ActiveShortcut[]>([]);

export const shortcuts: ReadonlySignal<readonly Shortcut[]> = active;

/** Call `act` when the key is pressed outside of fields, as long as the component is on the screen. Null is no key. */
export function useShortcut(key: string | null, description: string, act: () => void): void {
  const latest = useRef(act);
  latest.current = act;
  useEffect(() => {
    if (key === null) return;
    const shortcut = { key, description, act: () => latest.current() };
    active.value = [...active.peek(), shortcut];
    return () => {
      active.value = active.peek().filter((other) => other !== shortcut);
    };
  }, [key, description]);
}

export function startKeyboard(): void {
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.isComposing) return;
    const key = keyOf(event);
    // Dialogs are modal for the keyboard, too.
    if (key === null || document.querySelector("dialog[open]") !== null) return;
    const shortcut = active.peek().findLast((other) => other.key === key);
    if (shortcut === undefined) return;
    event.preventDefault();
    shortcut.act();
  });
}

/** The key as shortcuts name it, null if it is none of theirs. Command is the Ctrl of a Mac. */
function keyOf(event: KeyboardEvent): string | null {
  if (event.altKey) return null;
  if (event.ctrlKey || event.metaKey) return event.shiftKey ? null : `Ctrl+${event.key.toLowerCase()}`;
  return isTyping(event.target) ? null : event.key;
}

function isTyping(target: EventTarget | null): boolean {
  return target instanceof Element && target.closest("input, textarea, select, [contenteditable]") !== null;
}
