/** Why a selection leaves nothing. */
import { expect, test } from 'vitest';
import { newEpoch } from '../../src/capture/capture-clock.ts';
import { readerOf } from '../../src/capture/format.ts';
import { OctetWindow } from '../../src/capture/octet-window.ts';
import { CaptureIngest, IngestResult } from '../../src/session/reading/capture-ingest.ts';
import { emptySelection } from '../../src/session/reading/selection-findings.ts';
import { SessionCatalog } from '../../src/session/reading/session-catalog.ts';
import type { SessionSelection } from '../../src/session/reading/session-selection.ts';
import { SessionTracker } from '../../src/session/reading/session-tracker.ts';
import { PCAP_NANOSECONDS, pcap } from '../helpers/packets.ts';
import { frameOf, handshake } from '../helpers/recording.ts';

/** Sessions of 10.0.0.2 with 10.0.0.1:80, a second and a half apart, with 3, 6, 9… octets. */
function why(sessions: number, selection: SessionSelection): string | null {
  const frames = Array.from({ length: sessions }, (_, i) => i).flatMap((i) =>
    [
      ...handshake(),
      { from: 'client' as const, atMs: 30, at: 0, acked: 0, payload: 'ask'.repeat(i + 1) },
    ].map((segment) =>
      frameOf({ ...segment, clientPort: 50_000 + i, atMs: segment.atMs + 1500 * i }),
    ),
  );
  const file = pcap(frames, { magic: PCAP_NANOSECONDS });
  const window = new OctetWindow();
  window.room().set(file);
  window.added(file.length);
  const epoch = newEpoch();
  const tracker = new SessionTracker(1);
  const ingest = new CaptureIngest(readerOf(window), tracker, { epoch, fileBase: 0 });
  ingest.reader.end();
  while (ingest.run(Number.POSITIVE_INFINITY, 0) !== IngestResult.END);
  const chosen = new SessionCatalog(tracker, selection, epoch);
  return emptySelection(chosen, selection, { tracker, epoch });
}

const address = (low: number) => ({ family: 4 as const, prefix: new Uint8Array(0), low });
const BEGIN =
  'sessions begin from 0 s to 3 s into the capture (2023-11-14T22:13:20.000Z to 2023-11-14T22:13:23.000Z)';

test.each<[string, SessionSelection, string]>([
  [
    'a server that is not there',
    { servers: [{ address: null, port: 443 }] },
    '--server leaves none: the capture has 10.0.0.1:80',
  ],
  [
    'a client that is not there',
    { clients: [{ address: address(1), prefixBits: 32 }] },
    '--client leaves none: the clients are 10.0.0.2',
  ],
  ['a time after the end', { fromAfterNs: 3600e9 }, `--from leaves none: ${BEGIN}`],
  ['a date before the beginning', { untilSeconds: 1e9 }, `--until leaves none: ${BEGIN}`],
  [
    'a number that is not there',
    { indices: [{ first: 99, last: 99 }] },
    '--session-index leaves none: the sessions are 0-2',
  ],
  [
    'more than any has',
    { bytesMin: 1e6 },
    '--min-bytes leaves none: sessions have from 3 B to 9 B of payload',
  ],
  [
    'less than any has',
    { bytesMax: 2 },
    '--max-bytes leaves none: sessions have from 3 B to 9 B of payload',
  ],
  ['a share of nothing', { fraction: 0 }, '--fraction leaves none: the capture has 3 sessions'],
  [
    'two at once',
    { fraction: 0, indices: [{ first: 99, last: 99 }] },
    '--session-index leaves none: the sessions are 0-2; --fraction leaves none: the capture has 3 sessions',
  ],
  [
    'what only together leaves none',
    { indices: [{ first: 0, last: 0 }], fromAfterNs: 1e9, bytesMin: 1 },
    '--from, --session-index, --min-bytes leave none together',
  ],
])('%s', (_, selection, expected) => {
  expect(why(3, selection)).toBe(expected);
});

test('where some are left, or there were none, there is nothing to tell', () => {
  expect(why(3, { indices: [{ first: 1, last: 1 }] })).toBeNull();
  expect(why(3, {})).toBeNull();
  expect(why(0, { fraction: 0 })).toBeNull();
});
