/** Scripts of the sessions alone that are played, and scripts part by part, beside all of them at once. */
import { readdirSync } from 'node:fs';
import { afterEach, describe, expect, test } from 'vitest';
import { type CaptureIndex, indexCaptures } from '../../src/run/captures/index-captures.ts';
import { TimingsCount } from '../../src/run/captures/recorded-timings.ts';
import type { ReplayOptions } from '../../src/run/plan/options.ts';
import { plannedLoad } from '../../src/run/plan/planned-load.ts';
import { wantedBy } from '../../src/run/plan/wanted-sessions.ts';
import { draftFor, planWay } from '../../src/run/plans.ts';
import type { SessionSelection } from '../../src/session/reading/session-selection.ts';
import { clientAddressText } from '../../src/session/script/client-numbers.ts';
import { HintCount } from '../../src/session/script/protocol-hints.ts';
import type { Scripts, StreamColumns } from '../../src/session/script/scripts.ts';
import { OPTIONS } from '../replay/play.ts';

/** Nothing is said, and nobody interrupts. */
const NOBODY = { onWarning: () => undefined, interrupted: new AbortController().signal };

const FIXTURES = new URL('../../fixtures/', import.meta.url).pathname;
const PUBLIC = readdirSync(`${FIXTURES}public`)
  .filter((name) => /\.pcap(?:ng)?$/.test(name))
  .map((name) => `${FIXTURES}public/${name}`);
const KEEPALIVE = `${FIXTURES}http-keepalive.pcap`;

const open: CaptureIndex[] = [];
afterEach(() => {
  for (const index of open.splice(0)) index.close();
});

async function indexOf(...paths: string[]): Promise<CaptureIndex> {
  const index = await indexCaptures(paths, { seed: 1 });
  open.push(index);
  return index;
}

/** What one direction of a session says, and how it ends. */
function sideOf(stream: StreamColumns, session: number) {
  const messages = [stream.firstMessage[session], stream.firstMessage[session + 1]] as const;
  const extents = [stream.firstExtent[session], stream.firstExtent[session + 1]] as const;
  return {
    messages: [
      stream.messageEnd,
      stream.messageAwait,
      stream.messageOffsetNs,
      stream.messageThinkNs,
    ].map((column) => [...column.subarray(...messages)]),
    extents: [stream.extentStart, stream.extentBytes, stream.extentOffset].map((column) => [
      ...column.subarray(...extents),
    ]),
    end: [
      stream.end[session],
      stream.endAwait[session],
      stream.endAfterPeer[session],
      stream.endOffsetNs[session],
      stream.endThinkNs[session],
    ],
  };
}

const said = (scripts: Scripts, session: number) => ({
  protocol: scripts.protocol[session],
  client: sideOf(scripts.client, session),
  server: sideOf(scripts.server, session),
});

/** What is known of a session whether or not it is played; its start where that counts from the same. */
const outline = (scripts: Scripts, session: number) => ({
  durationNs: scripts.durationNs[session],
  server: scripts.endpoints[scripts.endpoint[session]],
});

/** What else is known of one that is played. */
const detail = (scripts: Scripts, session: number) => ({
  connectNs: scripts.connectNs[session],
  client: clientAddressText(
    scripts.clientAddressWords ?? new Uint32Array(0),
    scripts.clientAddress[session],
  ),
  isSackLeftOut: scripts.isSackLeftOut?.[session] ?? 0,
});

const messagesOf = ({ client, server }: Scripts, session: number): number =>
  client.firstMessage[session + 1] -
  client.firstMessage[session] +
  server.firstMessage[session + 1] -
  server.firstMessage[session];

describe('scripts of wanted sessions', () => {
  test.each(PUBLIC)('are what they are among all of them: %s', async (path) => {
    const index = await indexOf(path);
    const whole = index.scripts();
    const wanted = 2;
    const some = index.scripts({ sessionsMax: wanted, isWanted: () => true });
    expect(some.sessions).toBe(whole.sessions);
    expect(some.endpoints).toEqual(whole.endpoints);
    expect([...some.startNs]).toEqual([...whole.startNs]);
    for (let session = 0; session < whole.sessions; session++) {
      expect(outline(some, session)).toEqual(outline(whole, session));
      if (session >= wanted) {
        expect(messagesOf(some, session)).toBe(0);
        continue;
      }
      expect(said(some, session)).toEqual(said(whole, session));
      expect(detail(some, session)).toEqual(detail(whole, session));
    }
  });

  test('are those of the servers that are wanted, the others say nothing', async () => {
    const index = await indexOf(KEEPALIVE, `${FIXTURES}smtp.pcap`);
    const whole = index.scripts();
    const isMail = (session: number) => whole.endpoints[whole.endpoint[session]].port !== 80;
    const mails = Array.from({ length: whole.sessions }, (_, session) => session).filter(isMail);
    expect(mails.length).toBeGreaterThan(1);
    const some = index.scripts({ sessionsMax: 1, isWanted: ({ port }) => port !== 80 });
    expect(said(some, mails[0])).toEqual(said(whole, mails[0]));
    for (let session = 0; session < whole.sessions; session++) {
      if (session !== mails[0]) expect(messagesOf(some, session)).toBe(0);
    }
  });
});

test.each([1, 3, 1_000])(
  'scripts that come %i at a time are those that come at once',
  async (each) => {
    const index = await indexOf(KEEPALIVE, `${FIXTURES}public/http-methods-49conn.pcap`);
    const whole = index.scripts();
    let session = 0;
    for (const { scripts, requests } of index.scriptParts(each)) {
      expect(scripts.sessions).toBeLessThanOrEqual(each);
      expect(requests.first).toHaveLength(scripts.sessions + 1);
      expect(scripts.endpoints).toEqual(whole.endpoints);
      for (let row = 0; row < scripts.sessions; row++, session++) {
        expect(said(scripts, row).client.messages).toEqual(said(whole, session).client.messages);
        expect(said(scripts, row)).toEqual(said(whole, session));
        expect(outline(scripts, row)).toEqual(outline(whole, session));
        expect(detail(scripts, row)).toEqual(detail(whole, session));
      }
    }
    expect(session).toBe(whole.sessions);
  },
);

test.each([[{}], [{ include: ['mid-stream', 'holed', 'one-sided'] }]] satisfies [
  SessionSelection,
][])(
  'turns and requests that are counted without scripts are those of scripts: %o',
  async (selection) => {
    const index = await indexCaptures([...PUBLIC, KEEPALIVE], { seed: 1, selection });
    open.push(index);
    const ofScripts = new TimingsCount();
    for (const { scripts, requests } of index.scriptParts(100)) ofScripts.add(scripts, requests);
    const counted = new TimingsCount();
    index.addTurns(counted, 0);
    expect(counted.finish()).toEqual(ofScripts.finish());
    expect(index.sessions.replayable).toBeGreaterThan(300);
    const requests = counted.finish().reduce((sum, { httpRequests }) => sum + httpRequests, 0);
    expect(requests).toBeGreaterThan(100);
  },
);

test('some sessions by scripts and those behind them without are counted as all by scripts', async () => {
  const index = await indexOf(KEEPALIVE);
  const all = new TimingsCount();
  index.addTurns(all, 0);
  const some = new TimingsCount();
  const [first] = index.scriptParts(7);
  some.expect([index.sessions.replayable]);
  some.add(first.scripts, first.requests);
  index.addTurns(some, first.scripts.sessions);
  expect(some.finish()).toEqual(all.finish());
  index.addTurns(some, index.sessions.replayable);
  expect(some.finish()).toEqual(all.finish());
});

test('sessions of each client are counted as by their addresses', async () => {
  const index = await indexOf(...PUBLIC, KEEPALIVE);
  const { clientAddress, clientAddressWords = new Uint32Array() } = index.scripts();
  const counts = new Map<string, number>();
  for (const number of clientAddress) {
    const address = clientAddressText(clientAddressWords, number);
    counts.set(address, (counts.get(address) ?? 0) + 1);
  }
  expect([...counts.keys()].some((address) => address.includes(':'))).toBe(true);
  expect(index.clientCounts().sort()).toEqual(Uint32Array.from(counts.values()).sort());
});

test.each([1, 7, 1_000])(
  'hints of scripts that come %i at a time are those of all',
  async (each) => {
    const captures = ['ftp-active-passive', 'mqtt-big', 'mqtt-sub-v6'];
    const index = await indexOf(...captures.map((name) => `${FIXTURES}public/${name}.pcap`));
    const hints = new HintCount(false);
    for (const { scripts, read } of index.scriptParts(each)) hints.add(scripts, read);
    expect(hints.finish()).toEqual(index.hints(index.scripts()));
    expect(hints.finish().length).toBeGreaterThan(2);
  },
);

describe('a plan for whose users few sessions are read', () => {
  const options = (some: Partial<ReplayOptions>): ReplayOptions => ({ ...OPTIONS, ...some });

  test.each([
    { users: 1 },
    { users: 3, iterations: 2 },
    { users: 2, accel: 4, ratePerSecond: 7 },
    { users: 1_000 },
  ])('is the same as with all of them: %o', async (some) => {
    const index = await indexOf(KEEPALIVE);
    const asked = options(some);
    expect(wantedBy(asked)).not.toBeNull();
    const few = planWay(
      await draftFor(index, index.scripts(wantedBy(asked) ?? undefined), asked, NOBODY),
      0,
    ).plan;
    const all = planWay(await draftFor(index, index.scripts(), asked, NOBODY), 0).plan;
    expect(plannedLoad(few)).toEqual(plannedLoad(all));
    expect(few.arrivals).toEqual(all.arrivals);
    expect(few.played).toEqual(all.played);
    const sessions = Math.min(few.played.length, few.users * few.iterations);
    for (const session of few.played.slice(0, sessions)) {
      expect(said(few.scripts, session)).toEqual(said(all.scripts, session));
    }
  });

  test.each([
    { users: null },
    { durationNs: 1e9 },
    { per: 'client' as const },
    { share: { index: 0, of: 2 } },
    { requestsPerSecond: 5 },
    { maxGapNs: 1e9 },
    { modules: [{ path: './module.js', options: null }] as never },
  ])('takes all where those that are played follow from what all say: %o', (some) => {
    expect(wantedBy(options({ users: 5, ...some }))).toBeNull();
  });

  test('counts only sessions that go to a target', () => {
    const route = {
      recordedAddress: '10.0.0.1',
      recordedPort: 80,
      label: 't',
      address: '::1',
      port: 1,
    };
    const wanted = wantedBy(
      options({ users: 5, iterations: 3, target: { kind: 'network', routes: [route] } }),
    );
    expect(wanted?.sessionsMax).toBe(15);
    expect(wanted?.isWanted({ address: '10.0.0.1', port: 80 })).toBe(true);
    expect(wanted?.isWanted({ address: '10.0.0.1', port: 81 })).toBe(false);
    expect(wanted?.isWanted({ address: '10.0.0.2', port: 80 })).toBe(false);
  });
});
