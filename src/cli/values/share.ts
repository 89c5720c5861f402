import type { StartAt } from '../../run/plan/options.ts';
import { parseTimeLimitNs } from './numbers.ts';
import { valueError } from './value-error.ts';

/** Machines that one run is divided among. */
const SHARES_MAX = 1_000;

/** Reads `I/N`: share I, from 1, of N. */
export function parseShare(text: string): { readonly index: number; readonly of: number } {
  const form = 'write I/N, for instance 2/5: the second of five shares';
  const match = /^(\d{1,4})\/(\d{1,4})$/.exec(text.trim());
  if (match === null) throw valueError(`'${text}' is not a share`, form);
  const [share, of] = [Number(match[1]), Number(match[2])];
  if (of > SHARES_MAX) throw valueError(`'${text}' are more than ${SHARES_MAX} shares`, form);
  if (share < 1 || share > of) throw valueError(`'${text}' is no share from 1 to ${of}`, form);
  return { index: share - 1, of };
}

/** A time of day needs its zone: shares lie on several machines. */
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)$/;

/** Reads `2026-12-01T10:00:00Z`, or `+5s`: so long after the command has begun. */
export function parseStartAt(text: string): StartAt {
  const trimmed = text.trim();
  if (trimmed.startsWith('+')) return { kind: 'after', ns: parseTimeLimitNs(trimmed.slice(1)) };
  const epochMs = TIME.test(trimmed) ? Date.parse(trimmed) : Number.NaN;
  if (Number.isFinite(epochMs)) return { kind: 'at', epochMs };
  throw valueError(
    `'${text}' is not a time`,
    'write 2026-12-01T10:00:00Z (with Z or +01:00), or +5s',
  );
}
