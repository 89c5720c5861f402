/** Values of options that are one of a few words: for reading them, and for completing them. */
import type { SourceMode } from '../io/intercept/intercept-source.ts';
import type { CloseName, PaceName, SenderName } from '../run/plan/options.ts';
import type { Incomplete } from '../session/reading/session-selection.ts';

export const ORDERS = ['ip', 'port'] as const;
export const PACES: readonly PaceName[] = ['think', 'schedule', 'none'];
export const CLOSES: readonly CloseName[] = ['recorded', 'server', 'reset'];
export const SENDERS: readonly SenderName[] = ['packet', 'ip', 'raw-socket'];
export const INCOMPLETE: readonly Incomplete[] = ['mid-stream', 'holed', 'one-sided'];
export const MODES: readonly SourceMode[] = ['advanced', 'nfqueue', 'sink'];

/** The environment variable that holds the secret between replay and intercept; no option. */
export const TOKEN_VARIABLE = 'GRYPHON_TOKEN';
