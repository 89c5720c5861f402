/** How long turns are taken before the event loop has one. */
const SLICE_MS = 5;

/** Takes turns until they end, with the event loop served in between. @returns what they return */
export async function inSlices<T>(turns: Generator<void, T>): Promise<T> {
  for (;;) {
    const untilMs = performance.now() + SLICE_MS;
    do {
      const step = turns.next();
      if (step.done === true) return step.value;
    } while (performance.now() < untilMs);
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
}
