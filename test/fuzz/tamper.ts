/** Changes the tables of an index at random, and reads what the check of indexes lets pass. */
import type { Prng } from '../../src/base/prng.ts';
import type { Records } from '../../src/base/records.ts';
import { newEpoch } from '../../src/capture/capture-clock.ts';
import { areRecordsSound } from '../../src/session/reading/check-records.ts';
import { SessionCatalog } from '../../src/session/reading/session-catalog.ts';
import { SessionTracker } from '../../src/session/reading/session-tracker.ts';
import { findHints } from '../../src/session/script/protocol-hints.ts';
import { ScriptBuilder } from '../../src/session/script/script-builder.ts';
import type { ReadOctets } from '../../src/session/script/stream-view.ts';

const CHANGES_MAX = 4;
/** Links, counts and signs go wrong at these. */
const INTERESTING: readonly number[] = [0, 1, 2, 3, 0xff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff];

const tablesOf = ({ records, addresses }: SessionTracker): Records[] => [
  records.sessions,
  records.details,
  records.segments,
  records.lanes,
  addresses.rows,
];

/**
 * @param read fails on what lies outside the file
 * @returns whether the changed tables passed the check
 * @throws Error where what passed leads astray whoever reads it
 */
export function readTampered(
  tracker: SessionTracker,
  { fileBytes, read, prng }: { fileBytes: number; read: ReadOctets; prng: Prng },
): boolean {
  const below = (limit: number): number => prng.nextUint32() % limit;
  const copy = new SessionTracker(0);
  const copies = tablesOf(copy);
  for (const [i, table] of tablesOf(tracker).entries()) {
    copies[i].adopt(table.used.slice().buffer, table.count);
  }
  const filled = copies.filter(({ count }) => count > 0);
  if (filled.length === 0) return false;
  for (let changes = 1 + below(CHANGES_MAX); changes > 0; changes--) {
    const { u32 } = filled[below(filled.length)];
    const at = below(u32.length);
    const value = below(2) === 0 ? INTERESTING[below(INTERESTING.length)] : u32[at] + below(9) - 4;
    u32[at] = below(4) === 0 ? prng.nextUint32() : value;
  }
  const bounds = { addresses: copy.addresses.rows.count, captureBytes: fileBytes };
  if (!areRecordsSound(copy.records, bounds)) return false;
  const include = below(2) === 0 ? { include: ['mid-stream', 'holed'] as const } : {};
  const catalog = new SessionCatalog(copy, include, newEpoch());
  const scripts = new ScriptBuilder(catalog, read).build(
    [{ path: '', base: 0, bytes: fileBytes }],
    catalog.replayable,
  );
  findHints(scripts, read);
  for (const { extentOffset, extentBytes } of [scripts.client, scripts.server]) {
    for (const [row, offset] of extentOffset.entries()) {
      if (!(offset >= 0 && offset + extentBytes[row] <= fileBytes)) {
        throw new Error(`${extentBytes[row]} octets at ${offset} lie outside the file`);
      }
    }
  }
  return true;
}
