import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { safeText } from "../format";
import { arrivals } from "../router";

interface ScreenProps {
  /** The heading and the title of the document. */
  readonly title: string;
  /** Before the title in the heading: the kind of an object. */
  readonly kind?: string;
  /** Beside the heading. */
  readonly actions?: ComponentChildren;
  /** The content fills the height of the window and scrolls within itself, as tables and maps do. */
  readonly isFilling?: boolean;
  readonly children: ComponentChildren;
}

/** The frame of a screen: its heading, which gets the focus when somebody arrives by a link. */
export function Screen({ title, kind, actions, isFilling = false, children }: ScreenProps) {
  const heading = useRef<HTMLHeadingElement>(null);
  const shown = safeText(title, 200);
  useEffect(() => {
    document.title = `${shown} · Aggregator`;
  }, [shown]);
  const arrival = arrivals.value;
  useLayoutEffect(() => {
    if (arrival > 0) heading.current?.focus({ preventScroll: true });
  }, [arrival]);
  return (
    <div class={isFilling ? "screen filling" : "screen"}>
      <header class="screen-header">
        <h1 ref={heading} tabIndex={-1}>
          {kind && <span class="kind">{kind} </span>}
          <bdi>{shown}</bdi>
        </h1>
        {actions}
      </header>
      {children}
    </div>
  );
}
