/**
 * What `LogReader.wait` waits for. It is raised by what is new since the last wait, and by a take that left more to take; so a caller
 * who holds a partition back on purpose sleeps, and one who takes never does. Resolving takes one turn of the event loop, so that
 * sockets are read also under a caller that never runs dry.
 */
export class ReaderSignal {
  #raised = false;
  #closed = false;
  readonly #waiting = new Set<() => void>();

  raise(): void {
    this.#raised = this.#waiting.size === 0;
    for (const done of this.#waiting) done();
  }

  /** From here on nobody waits. */
  close(): void {
    this.#closed = true;
    this.raise();
  }

  wait(timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      if (this.#raised || this.#closed || !(timeoutMs > 0)) {
        this.#raised = false;
        setImmediate(resolve);
        return;
      }
      const done = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(done);
        setImmediate(resolve);
      };
      const timer = setTimeout(done, timeoutMs);
      this.#waiting.add(done);
    });
  }
}
