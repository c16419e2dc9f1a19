/** Keyboard shortcuts. Those that are active now are a signal, so that the help lists them. */

import { computed, type ReadonlySignal, signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { StoredChoice } from "./stored_choice";

export interface Shortcut {
  /** The key as in KeyboardEvent.key: "/", "?", "Escape". One with Ctrl, "Ctrl+k", works in fields, too. */
  readonly key: string;
  readonly description: string;
}

interface ActiveShortcut extends Shortcut {
  readonly act: () => void;
}

const singleKeys = new StoredChoice<"on" | "off">("single-keys", ["on", "off"]);

/**
 * Whether shortcuts of a single character work. WCAG 2.1.4: speech input and unsteady hands press them by mistake, so
 * that they can be turned off.
 */
export const areSingleKeysOn: ReadonlySignal<boolean> = computed(() => singleKeys.signal.value === "on");

export function setSingleKeys(isOn: boolean): void {
  singleKeys.set(isOn ? "on" : "off");
}

/** Whether a key is a single character: a letter, digit or sign, without Ctrl. */
export function isSingleKey(key: string): boolean {
  return key.length === 1;
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
  singleKeys.start();
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.isComposing) return;
    const key = keyOf(event);
    // Dialogs are modal for the keyboard, too.
    if (key === null || document.querySelector("dialog[open]") !== null) return;
    const shortcut = active.peek().findLast((other) => other.key === key);
    if (shortcut === undefined || (isSingleKey(key) && !areSingleKeysOn.peek())) return;
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
