/** What changed, in one sentence for those who listen. */

import { signal } from "@preact/signals";

const SHORTEST_PAUSE_MILLISECONDS = 10_000;

const sentence = signal("");
let waiting: string | null = null;
let timer: ReturnType<typeof setTimeout> | null = null;
let last = Number.NEGATIVE_INFINITY;

/** Announce a sentence politely. At most one every 10 seconds is read; of those in between, the last one. */
export function announce(text: string): void {
  waiting = text;
  if (timer === null) timer = setTimeout(say, Math.max(0, last + SHORTEST_PAUSE_MILLISECONDS - performance.now()));
}

function say(): void {
  timer = null;
  last = performance.now();
  if (waiting !== null) sentence.value = waiting;
  waiting = null;
}

export function Announcer() {
  return (
    <div class="visually-hidden" role="status" aria-live="polite">
      {sentence.value}
    </div>
  );
}
