/** Modules whose calls can be seen from another thread: which one has not returned. */
import type { ProtocolModule } from '../rewrite/module.ts';

/** No module is being called. */
export const NO_MODULE = 0;

type Call = (...given: readonly unknown[]) => unknown;
const FUNCTIONS = [
  ...(['survey', 'plan', 'client', 'connection', 'rewrite'] as const),
  ...(['answerEnd', 'onAnswer', 'onEnd', 'dialogue'] as const),
];

/**
 * Modules that say in shared memory which of them is being called: two stores a call.
 * @param called its word `at` is the module's place in the list, from 1, while that is called; else NO_MODULE
 */
export const watchedModules = (
  modules: readonly ProtocolModule[],
  called: Int32Array,
  at: number,
): readonly ProtocolModule[] =>
  modules.map((module, i) => {
    const watched: Record<string, unknown> = { name: module.name };
    for (const name of FUNCTIONS) {
      const call = module[name] as Call | undefined;
      if (call === undefined) continue;
      // No function has more parameters; a rest would be an array each time.
      watched[name] = (a: unknown, b: unknown, c: unknown, d: unknown): unknown => {
        called[at] = i + 1;
        try {
          return call.call(module, a, b, c, d);
        } finally {
          called[at] = NO_MODULE;
        }
      };
    }
    return watched as unknown as ProtocolModule;
  });
