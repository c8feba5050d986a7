/** Thrown out of a wait that may be long when its caller was told meanwhile that it is not needed any more. */
export class Stopped extends Error {
  override readonly name = "Stopped";

  constructor() {
    super("stopped while it was waiting");
  }
}

/** Whether a wait is to be given up. */
export type Interrupted = () => boolean;

export const notInterrupted: Interrupted = () => false;
