/** How a recording is told what to keep. */

import { NS_PER_MS } from '../../base/time.ts';
import { parseSizeBytes } from '../../base/units.ts';
import { parseTimeLimitNs, parseWhole } from './numbers.ts';
import { valueError } from './value-error.ts';

/** When a file is followed by another one; Infinity: not for that reason. */
export interface Rotation {
  readonly bytes: number;
  readonly ms: number;
}

/** The least that a file has room for: one packet of the longest. */
const FILE_BYTES_MIN = 1 << 20;

/** Reads `1GB,10m`, `1GB` or `10m`. */
export function parseRotation(text: string): Rotation {
  const parts = text.split(',').map((part) => part.trim());
  const form = 'write 1GB,10m, or one of the two';
  if (parts.length > 2) throw valueError(`'${text}' is not a size and a time`, form);
  let rotation: Rotation = { bytes: Number.POSITIVE_INFINITY, ms: Number.POSITIVE_INFINITY };
  for (const part of parts) {
    if (/b$/i.test(part)) {
      const bytes = parseSizeBytes(part);
      if (bytes < FILE_BYTES_MIN) throw valueError(`'${part}' is less than 1 MiB`, form);
      rotation = { ...rotation, bytes };
    } else rotation = { ...rotation, ms: parseTimeLimitNs(part) / NS_PER_MS };
  }
  return rotation;
}

/** Octets of payload kept of an answer's packet: `headers`, a number, `full` (Infinity). */
export function parseAnswers(text: string): number {
  if (text === 'headers') return 0;
  if (text === 'full') return Number.POSITIVE_INFINITY;
  if (/^\d+$/.test(text)) return parseWhole(text, { min: 0, max: 65_535 });
  throw valueError(
    `'${text}' is no amount of an answer`,
    'write headers, full, or how many octets',
  );
}
