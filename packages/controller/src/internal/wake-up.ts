/** A sleep that others can end. */
export class WakeUp {
  #wake: (() => void) | undefined;
  #missed = false;

  /** Ends the present wait, or the next one at once. */
  wake(): void {
    if (this.#wake === undefined) this.#missed = true;
    else this.#wake();
  }

  wait(timeoutMs: number): Promise<void> {
    if (this.#missed) {
      this.#missed = false;
      return Promise.resolve();
    }
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#wake?.(), timeoutMs);
      this.#wake = () => {
        clearTimeout(timer);
        this.#wake = undefined;
        resolve();
      };
    });
  }
}
