/** Events in the order of time, and in the order of adding within a cycle. */

export interface Event {
  readonly time: number;
  readonly order: number;
  readonly run: (time: number) => void;
}

const before = (a: Event, b: Event): boolean => a.time < b.time || (a.time === b.time && a.order < b.order);

/** A binary heap. */
export class EventQueue {
  readonly #heap: Event[] = [];
  #added = 0;

  add(time: number, run: (time: number) => void): void {
    const heap = this.#heap;
    const event = { time, order: this.#added++, run };
    let at = heap.length;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!before(event, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = event;
  }

  /** The earliest event, removed; undefined where there is none. */
  take(): Event | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child++;
      if (!before(heap[child]!, last)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
    return first;
  }
}
