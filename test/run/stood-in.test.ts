/**
 * Captures that lack some of what the server said, played to the embedded target: it says what it has, and other
 * octets in place of the rest, which nobody must read as answers.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openCaptureBytes } from '../../src/io/files/capture-file.ts';
import { indexCaptures } from '../../src/run/captures/index-captures.ts';
import { cut, LACKS } from '../helpers/lacking.ts';
import { named, playScripts } from '../replay/play.ts';

const USERS = 20;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'gryphon-stood-in-'));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

const cases = ['http-keepalive', 'redis', 'mysql', 'smtp'].flatMap((name) =>
  Object.entries(LACKS).map(([lacks, kept]) => ({ name, lacks, kept })),
);

test.each(cases)('every user completes: $name without $lacks', async ({ name, kept }) => {
  const whole = readFileSync(new URL(`../../fixtures/${name}.pcap`, import.meta.url));
  const path = join(folder, 'cut.pcap');
  writeFileSync(path, cut(whole, kept));
  const selection = { include: ['one-sided', 'holed'] } as const;
  const index = await indexCaptures([path], { seed: 1, selection });
  const scripts = index.scripts();
  const capture = openCaptureBytes(scripts.files);
  try {
    expect(scripts.sessions).toBe(index.sessions.total);
    // All of a packet, as the command takes it where a protocol's answers cannot be told by their beginnings.
    const { counters } = playScripts(scripts, capture, { users: USERS, prefixBytes: 0xffff });
    const { COMPLETED, EXCHANGES_SENT, EXCHANGES_ANSWERED, ...rest } = named(counters);
    expect(COMPLETED).toBe(USERS);
    expect(EXCHANGES_ANSWERED).toBe(EXCHANGES_SENT);
    for (const none of ['ANSWERS_UNFOLLOWED', 'EXCHANGES_UNSOLICITED', 'ANSWER_BY_QUIET']) {
      expect(Object.keys(rest)).not.toContain(none);
    }
  } finally {
    capture.close();
    index.close();
  }
});
