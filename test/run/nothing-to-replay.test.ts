/** The error of captures of which nothing can be played: one session is not told as several. */
import { expect, test } from 'vitest';
import type { CaptureIndex } from '../../src/run/captures/index-captures.ts';
import { nothingToReplay } from '../../src/run/captures/nothing-to-replay.ts';

test.each([
  { skipped: {}, says: 'there is no TCP session in it' },
  { skipped: { ssh: 1 }, says: 'its session cannot be replayed (ssh)' },
  { skipped: { ssh: 2 }, says: 'none of 2 sessions can be replayed (2 ssh)' },
  { skipped: { ssh: 1, tls: 2 }, says: 'none of 3 sessions can be replayed (1 ssh, 2 tls)' },
  { skipped: { ssh: 1 }, why: 'before --from', says: 'its session is not selected: before --from' },
  {
    skipped: { ssh: 4 },
    why: 'before --from',
    says: 'none of 4 sessions is selected: before --from',
  },
])('$skipped: $says', ({ skipped, why = null, says }) => {
  const total = Object.values(skipped).reduce((sum, count) => sum + count, 0);
  const index = { sessions: { total, skipped }, whyNone: () => why } as unknown as CaptureIndex;
  expect(nothingToReplay(index, ['a.pcap']).message).toBe(`a.pcap: ${says}`);
});
