const LONGEST_TIMER_MILLISECONDS = 2 ** 31 - 1;

/** Wait; resolve earlier if the signal is aborted. */
export function sleep(seconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) {
      resolve();
      return;
    }
    const end = () => {
      clearTimeout(timer);
      // The signal often lives longer than many pauses.
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, Math.min(seconds * 1000, LONGEST_TIMER_MILLISECONDS));
    signal.addEventListener("abort", end);
  });
}
