/** Modules that are called where interrupts are to be heard, too: a call that does not return is stopped. */
import { NS_PER_MS } from '../../base/time.ts';
import { formatDuration } from '../../base/units.ts';
import { withCalls } from '../../replay/watched-modules.ts';
import type { ProtocolModule } from '../../rewrite/module.ts';
import { StoppedScript } from '../captures/stopped-script.ts';

/** No module takes as long over one call: ms, by the wall clock. */
const CALL_MS_MAX = 10_000;

/**
 * The same modules; a call costs some 20 µs more. A call that is stopped has thrown, and so does each later one of
 * that module: its users end, one at a time would take them long, and those of other modules go on.
 * @param onStopped told which module, by its place, and what there is to say
 */
export function stoppedModules(
  modules: readonly ProtocolModule[],
  onStopped: (place: number, text: string) => void,
  callMsMax = CALL_MS_MAX,
): readonly ProtocolModule[] {
  const script = new StoppedScript();
  const text = `has not returned for ${formatDuration(callMsMax * NS_PER_MS)}`;
  const stopped = new Set<ProtocolModule>();
  return withCalls(modules, (call, module, place) => (a, b, c, d) => {
    if (stopped.has(module)) throw new Error(text);
    let returned: unknown;
    const hasReturned = script.endsWithin(callMsMax, () => {
      returned = call.call(module, a, b, c, d);
    });
    if (hasReturned) return returned;
    stopped.add(module);
    onStopped(place, text);
    throw new Error(text);
  });
}
