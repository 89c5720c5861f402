/** Values of options that are one of a few words: for reading them, and for completing them. */
import type { SourceMode } from '../io/intercept/intercept-source.ts';
import type { CheckName, CloseName, PaceName, PerName, SenderName } from '../run/plan/options.ts';
import type { Incomplete } from '../session/reading/session-selection.ts';

/** `--order`. */
export const ORDERS = ['ip', 'port'] as const;
/** `--per`. */
export const PERS: readonly PerName[] = ['connection', 'client'];
/** `--pace`. */
export const PACES: readonly PaceName[] = ['think', 'schedule', 'none'];
/** `--close`. */
export const CLOSES: readonly CloseName[] = ['recorded', 'server', 'reset'];
/** `--check`. */
export const CHECKS: readonly CheckName[] = ['status', 'length', 'body', 'off'];
/** `--sender`. */
export const SENDERS: readonly SenderName[] = ['packet', 'xdp', 'ip', 'raw-socket'];
/** `--include`. */
export const INCOMPLETE: readonly Incomplete[] = ['mid-stream', 'holed', 'one-sided'];
/** `--mode` of an intercept. */
export const MODES: readonly SourceMode[] = ['advanced', 'nfqueue', 'sink'];

/** The environment variable that holds the secret between replay and intercept; no option. */
export const TOKEN_VARIABLE = 'GRYPHON_TOKEN';
