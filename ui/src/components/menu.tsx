import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";

/** A button that opens a list; Escape and a click elsewhere close it. */
export function Menu({ label, children }: { readonly label: string; readonly children: ComponentChildren }) {
  const details = useRef<HTMLDetailsElement>(null);
  const items = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const close = (event: Event) => {
      const menu = details.current;
      const target = event.target as Node;
      // A click on a text gives the focus to what is around the menu.
      if (!menu?.open || menu.contains(target) || target.contains(menu)) return;
      // Chromium 156 crashes if an element disappears while it gets the focus.
      setTimeout(() => {
        menu.open = false;
      });
    };
    document.addEventListener("pointerdown", close);
    document.addEventListener("focusin", close);
    return () => {
      document.removeEventListener("pointerdown", close);
      document.removeEventListener("focusin", close);
    };
  }, []);
  return (
    <details
      class="menu"
      ref={details}
      onToggle={() => items.current && keepInWindow(items.current)}
      onKeyDown={(event) => {
        if (event.key !== "Escape" || !details.current?.open) return;
        details.current.open = false;
        details.current.querySelector("summary")?.focus();
      }}
    >
      <summary>{label}</summary>
      <div class="menu-items" ref={items}>
        {children}
      </div>
    </details>
  );
}

/** The list begins at the right edge of its button, unless it would leave the window on the left; a long one scrolls. */
function keepInWindow(list: HTMLElement): void {
  list.style.right = "0";
  const { left, top } = list.getBoundingClientRect();
  list.style.maxHeight = `${Math.max(MINIMUM_HEIGHT, innerHeight - top - EDGE_PIXELS)}px`;
  if (left < EDGE_PIXELS) list.style.right = `${left - EDGE_PIXELS}px`;
}

const EDGE_PIXELS = 8;
/** Lower ones could not be used: the page scrolls to them. */
const MINIMUM_HEIGHT = 120;
