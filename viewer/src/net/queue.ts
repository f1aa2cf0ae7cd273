/** A queue of fetches: few at one time, the most urgent first, none twice. */

export interface Task<T> {
  key: string;
  /** Lesser is more urgent. */
  priority: number;
  run: (signal: AbortSignal) => Promise<T>;
}

interface Waiting<T> extends Task<T> {
  promise: Promise<T>;
  resolve: (value: T) => void;
  reject: (reason: unknown) => void;
}

export class FetchQueue<T> {
  private readonly waiting = new Map<string, Waiting<T>>();
  private readonly running = new Map<string, Waiting<T>>();
  private readonly abort = new AbortController();

  constructor(private readonly limit: number) {}

  get size(): number {
    return this.waiting.size + this.running.size;
  }

  /** Add a task, or make the one of this key more urgent. */
  add(task: Task<T>): Promise<T> {
    const known = this.waiting.get(task.key) ?? this.running.get(task.key);
    if (known) {
      known.priority = Math.min(known.priority, task.priority);
      return known.promise;
    }
    const entry = deferred(task);
    this.waiting.set(task.key, entry);
    queueMicrotask(() => this.pump());
    return entry.promise;
  }

  /** Give each waiting task a new priority; those given none are dropped. */
  reprioritise(priorityOf: (key: string) => number | undefined): void {
    for (const [key, entry] of this.waiting) {
      const priority = priorityOf(key);
      if (priority === undefined) {
        this.waiting.delete(key);
        entry.reject(new DOMException("no longer wanted", "AbortError"));
      } else {
        entry.priority = priority;
      }
    }
  }

  close(): void {
    this.reprioritise(() => undefined);
    this.abort.abort();
  }

  private pump(): void {
    while (this.running.size < this.limit) {
      const next = this.mostUrgent();
      if (!next) return;
      this.waiting.delete(next.key);
      this.running.set(next.key, next);
      void this.run(next);
    }
  }

  private async run(entry: Waiting<T>): Promise<void> {
    try {
      entry.resolve(await entry.run(this.abort.signal));
    } catch (error) {
      entry.reject(error);
    } finally {
      this.running.delete(entry.key);
      this.pump();
    }
  }

  private mostUrgent(): Waiting<T> | undefined {
    let best: Waiting<T> | undefined;
    for (const entry of this.waiting.values()) if (!best || entry.priority < best.priority) best = entry;
    return best;
  }
}

function deferred<T>(task: Task<T>): Waiting<T> {
  const entry = { ...task } as Waiting<T>;
  entry.promise = new Promise<T>((resolve, reject) => Object.assign(entry, { resolve, reject }));
  entry.promise.catch(() => undefined);
  return entry;
}
