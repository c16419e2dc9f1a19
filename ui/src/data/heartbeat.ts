/** So many beats in a row without an answer mean that the other side is dead. */
const MAXIMUM_UNANSWERED = 3;

/** Notices that a worker has died: browsers say nothing when that happens. */
export class Heartbeat {
  readonly #ping: () => void;
  readonly #onDeath: () => void;
  #unanswered = 0;

  constructor(ping: () => void, onDeath: () => void) {
    this.#ping = ping;
    this.#onDeath = onDeath;
  }

  /** Call it in regular intervals. */
  beat(): void {
    if (this.#unanswered >= MAXIMUM_UNANSWERED) {
      this.#unanswered = 0;
      this.#onDeath();
    }
    this.#unanswered += 1;
    this.#ping();
  }

  /** Call it for each message of the other side. */
  answer(): void {
    this.#unanswered = 0;
  }
}
