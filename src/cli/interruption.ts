/** Signals that ask a command to end: the first one to end in order, the second one at once. */
import { ReplayError } from '../base/errors.ts';
import type { Context } from './context.ts';
import { ExitCode } from './exit-codes.ts';

/** What a command hands on to whatever may take long. */
export interface Interruption {
  /** Aborted by the first signal; its reason is a ReplayError ERR_CLI_INTERRUPTED (interrupted). */
  readonly signal: AbortSignal;
  /** From now on signals are nobody's again; harmless when called again. */
  stop(): void;
}

/**
 * Watches the signals that end a command.
 * @param on.first says what happens now, on stderr
 * @param on.second what must be done even when the process ends at once; must not wait
 */
export function watchInterrupts(
  context: Pick<Context, 'onInterrupt' | 'exitNow'>,
  on: { readonly first?: () => void; readonly second?: () => void } = {},
): Interruption {
  const controller = new AbortController();
  const stop = context.onInterrupt(() => {
    if (controller.signal.aborted) {
      on.second?.();
      context.exitNow(ExitCode.INTERRUPTED);
      return;
    }
    controller.abort(interruptedEarly());
    on.first?.();
  });
  return { signal: controller.signal, stop };
}

/** What a command throws that was interrupted while there was nothing to report yet. */
const interruptedEarly = (): ReplayError =>
  new ReplayError({
    code: 'ERR_CLI_INTERRUPTED',
    kind: 'interrupted',
    message: 'interrupted before anything was sent',
  });
