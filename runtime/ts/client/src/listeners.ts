/* Functions of the program, none of which can harm another, or the client. */

/** Gets what a function of the program has thrown. */
export type Report = (error: unknown) => void;

interface Listener {
  readonly call: (value: never) => void;
  readonly onError: ((error: never) => void) | undefined;
  readonly event: unknown;
  /** What it was last told. */
  told?: unknown;
}

export class Listeners extends Set<Listener> {
  readonly #report: Report;
  readonly #onChange: ((hasJoined: boolean) => void) | undefined;

  /** `onChange` is called when one has joined, and when one has left. */
  constructor(report: Report, onChange?: (hasJoined: boolean) => void) {
    super();
    this.#report = report;
    this.#onChange = onChange;
  }

  /** Adds a listener, also if it is there already; returns a function that removes it. */
  listen(call: (value: never) => void, onError?: (error: never) => void, event?: unknown): () => void {
    const listener = { call, onError, event };
    this.add(listener);
    this.#onChange?.(true);
    return () => {
      if (this.delete(listener)) this.#onChange?.(false);
    };
  }

  /** Does something with all that are there now, but those that another removes meanwhile. */
  #each(use: (listener: Listener) => void): void {
    for (const listener of [...this]) {
      try {
        if (this.has(listener)) use(listener);
      } catch (error) {
        this.#report(error);
      }
    }
  }

  tell(event: unknown, value: unknown): void {
    this.#each((listener) => listener.event === event && listener.call(value as never));
  }

  /**
   * Calls with the current value all that have not been told it. If one of them
   * changes the value, the others are told the new one alone.
   */
  show(current: () => unknown): void {
    this.#each((listener) => {
      const value = current();
      if (value === undefined || value === listener.told) return;
      listener.told = value;
      listener.call(value as never);
    });
  }

  /** Calls the error functions of all; false: there are none. */
  refuse(error: unknown): boolean {
    let isTold = false;
    this.#each(({ onError }) => {
      isTold ||= !!onError;
      onError?.(error as never);
    });
    return isTold;
  }
}
