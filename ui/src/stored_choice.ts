/** Choices that are kept in the browser, for all of its tabs. Everything else is in the address. */

import { type Signal, signal } from "@preact/signals";

export class StoredChoice<T extends string> {
  readonly signal: Signal<T>;
  readonly #key: string;
  readonly #values: readonly T[];

  /** The first value is the default. */
  constructor(key: string, values: readonly [T, ...T[]]) {
    this.#key = key;
    this.#values = values;
    this.signal = signal(values[0]);
  }

  /** Use what is stored, also when another tab changes it. */
  start(): void {
    this.signal.value = this.#read();
    window.addEventListener("storage", (event) => {
      if (event.key === this.#key) this.signal.value = this.#read();
    });
  }

  set(value: T): void {
    this.signal.value = value;
    try {
      localStorage.setItem(this.#key, value);
    } catch {
      // Storage may be forbidden: the choice holds until the page is closed.
    }
  }

  #read(): T {
    const first = this.#values[0] as T;
    try {
      const stored = localStorage.getItem(this.#key);
      return this.#values.find((known) => known === stored) ?? first;
    } catch {
      return first;
    }
  }
}
