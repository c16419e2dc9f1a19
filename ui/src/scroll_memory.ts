/** Back and forward find a screen as it was scrolled, and the focus on the same link, also if the content comes later. */

import type { RefObject } from "preact";
import { useLayoutEffect } from "preact/hooks";
import { entry, recallScroll, rememberScroll } from "./router";

const NAME = "main";
/** Content that comes later than this is shown from where it is. */
const PATIENCE_MILLISECONDS = 3000;

export function useScrollMemory(scroller: RefObject<HTMLElement | null>): void {
  const here = entry.value;
  useLayoutEffect(() => {
    const element = scroller.current;
    if (element === null) return;
    const wanted = recallScroll(NAME);
    const isThere = () => {
      element.scrollTop = wanted;
      return Math.abs(element.scrollTop - wanted) < 1;
    };
    const stop = isThere() ? null : retryWhileGrowing(element, isThere);
    const remember = () => rememberScroll(NAME, element.scrollTop);
    element.addEventListener("scroll", remember, { passive: true });
    return () => {
      stop?.();
      element.removeEventListener("scroll", remember);
    };
  }, [here, scroller]);
}

const focusedLinks = new Map<string, string>();
const MAXIMUM_REMEMBERED = 200;

/** Who follows a link with the keyboard and goes back is at that link again. A pointer leaves nothing behind. */
export function useFocusMemory(element: RefObject<HTMLElement | null>): void {
  const here = entry.value;
  useLayoutEffect(() => {
    const { current } = element;
    if (current === null) return;
    const wanted = focusedLinks.get(here);
    const isThere = () => {
      const link = current.querySelector<HTMLElement>(`a[href="${CSS.escape(wanted ?? "")}"]`);
      link?.focus({ preventScroll: true });
      return link !== null;
    };
    const stop = wanted === undefined || isThere() ? null : retryWhileGrowing(current, isThere);
    const remember = ({ target }: FocusEvent) => {
      const href = target instanceof HTMLElement ? target.getAttribute("href") : null;
      // The heading of the next screen gets the focus before this entry is left.
      if (href === null) return;
      focusedLinks.delete(here);
      if ((target as HTMLElement).matches(":focus-visible")) focusedLinks.set(here, href);
      const oldest = focusedLinks.keys().next().value;
      if (focusedLinks.size > MAXIMUM_REMEMBERED && oldest !== undefined) focusedLinks.delete(oldest);
    };
    current.addEventListener("focusin", remember);
    return () => {
      stop?.();
      current.removeEventListener("focusin", remember);
    };
  }, [here, element]);
}

/** Try again whenever the content changes, until it works, somebody scrolls, or the time is up. */
function retryWhileGrowing(element: HTMLElement, attempt: () => boolean): () => void {
  const observer = new MutationObserver(() => {
    if (attempt()) stop();
  });
  const timer = setTimeout(() => stop(), PATIENCE_MILLISECONDS);
  const stop = () => {
    observer.disconnect();
    clearTimeout(timer);
    for (const type of USER_INPUT) element.removeEventListener(type, stop);
  };
  observer.observe(element, { childList: true, subtree: true });
  for (const type of USER_INPUT) element.addEventListener(type, stop, { passive: true, once: true });
  return stop;
}

const USER_INPUT = ["wheel", "touchstart", "keydown", "pointerdown"] as const;
