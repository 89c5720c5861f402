/** How ports are written: `1024-65535`, or one. */
import { ReplayError } from '../../base/errors.ts';
import type { PortSpan } from '../../base/port-range.ts';

/**
 * Reads a span of ports, `1024-65535`, or one port.
 * @throws ReplayError ERR_POOL_PORTS (usage)
 */
export function parsePorts(text: string): PortSpan {
  const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text.trim());
  if (match !== null) {
    const first = Number(match[1]);
    const last = Number(match[2] ?? match[1]);
    if (first >= 1 && last <= 65_535 && first <= last) return { first, last };
  }
  throw new ReplayError({
    code: 'ERR_POOL_PORTS',
    kind: 'usage',
    message: `'${text}' is not a span of ports`,
    hint: 'write two ports from 1 to 65535, the lower one first: 1024-65535',
  });
}
