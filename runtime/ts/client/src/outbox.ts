/*
 * Messages that are to be sent, in the order of the program. A subscription
 * waits until the program has done its work, or makes a call: what it begins
 * and ends in the same moment is not sent at all.
 */

export interface Entry {
  /** Sends what there is to send, if there is still something. */
  send(): void;
}

export class Outbox extends Set<Entry> {
  readonly #link: { isOpen: boolean };

  constructor(link: { isOpen: boolean }) {
    super();
    this.#link = link;
  }

  /** Adds an entry at the end, also if it waits already. */
  later(entry: Entry): void {
    this.delete(entry);
    this.add(entry);
    queueMicrotask(() => this.flush());
  }

  /** Puts entries in front of all that wait. */
  precede(entries: Entry[]): void {
    for (const entry of [...entries, ...this]) {
      this.delete(entry);
      this.add(entry);
    }
  }

  flush(): void {
    for (const entry of this) {
      if (!this.#link.isOpen) return;
      this.delete(entry);
      entry.send();
    }
  }
}
