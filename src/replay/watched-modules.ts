/** Modules whose calls can be seen from another thread: which one has not returned. */
import type { ProtocolModule } from '../rewrite/module.ts';

/** No module is being called. */
export const NO_MODULE = 0;

/** No function of a module has more parameters; a rest would be an array each time. */
export type ModuleCall = (a: unknown, b: unknown, c: unknown, d: unknown) => unknown;
const FUNCTIONS = [
  ...(['survey', 'plan', 'client', 'connection', 'rewrite'] as const),
  ...(['answerEnd', 'onAnswer', 'onEnd', 'dialogue'] as const),
];

/**
 * The same modules, each of whose functions is called in another way.
 * @param change gives what stands for a function of a module, which is at `place` of the list, from 0
 */
export const withCalls = (
  modules: readonly ProtocolModule[],
  change: (call: ModuleCall, module: ProtocolModule, place: number) => ModuleCall,
): readonly ProtocolModule[] =>
  modules.map((module, place) => {
    const changed: Record<string, unknown> = { name: module.name };
    for (const name of FUNCTIONS) {
      const call = module[name] as ModuleCall | undefined;
      if (call !== undefined) changed[name] = change(call, module, place);
    }
    return changed as unknown as ProtocolModule;
  });

/**
 * Modules that say in shared memory which of them is being called: two stores a call.
 * @param called its word `at` is the module's place in the list, from 1, while that is called; else NO_MODULE
 */
export const watchedModules = (
  modules: readonly ProtocolModule[],
  called: Int32Array,
  at: number,
): readonly ProtocolModule[] =>
  withCalls(modules, (call, module, place) => (a, b, c, d) => {
    called[at] = place + 1;
    try {
      return call.call(module, a, b, c, d);
    } finally {
      called[at] = NO_MODULE;
    }
  });
