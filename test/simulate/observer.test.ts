/** Each oracle, given the frame that it is there to find. */
import { expect, test } from 'vitest';
import { Observer } from './observer.ts';
import type { Session } from './scenario.ts';
import { ACK, FIN, PSH, type Segment, SYN, writeSegment } from './segment.ts';

const MS = 1e6;
const CLIENT = Uint8Array.of(198, 18, 0, 1);
const SERVER = Uint8Array.of(192, 0, 2, 80);
const [ISS, IRS] = [0xffff_fff0, 1_000];
const EXPECTED = Uint8Array.from({ length: 4_000 }, (_, i) => i * 7);
const SESSION: Session = {
  messages: [{ from: 'client', bytes: EXPECTED.length, seed: 0, thinkNs: 5 * MS, awaits: 0 }],
  endsFirst: 'client',
  endThinkNs: 0,
};

type Said = Partial<Segment> & { readonly at?: number };

/** A connection with a window of 2,000 octets, opened at 2 ms. @param serverTs its first timestamp */
function watch(isOver = false, serverTs: number | null = null) {
  const reports: string[] = [];
  let over = false;
  const observer = new Observer({
    windowBytes: 65_535,
    isPunctual: true,
    checksTimes: () => true,
    sessionOf: () => ({ session: SESSION, expected: EXPECTED, startNs: MS }),
    wasOver: () => over,
    report: (what) => reports.push(what),
  });
  const none = new Uint8Array(0);
  const sent = ({ at = 10 * MS, ...said }: Said): void => {
    const ends = { src: CLIENT, dst: SERVER, srcPort: 1_024, dstPort: 80 };
    const common = { seq: ISS + 1, ack: IRS + 1, flags: ACK, window: 65_535, payload: none };
    observer.onSent(writeSegment({ ...ends, ...common, ...said }), at);
  };
  const came = ({ at = 2 * MS, ...said }: Said): void => {
    const ends = { src: SERVER, dst: CLIENT, srcPort: 80, dstPort: 1_024 };
    const common = { seq: IRS + 1, ack: ISS + 1, flags: ACK, window: 2_000, payload: none };
    observer.onDelivered(writeSegment({ ...ends, ...common, ...said }), at);
  };
  sent({ seq: ISS, ack: 0, flags: SYN, at: MS });
  const timestamps = serverTs === null ? {} : { timestamps: { value: serverTs, echo: 7 } };
  came({ seq: IRS, flags: SYN | ACK, ...timestamps });
  over = isOver;
  return { sent, came, reports };
}

const octets = (from: number, to: number): Said => ({
  seq: ISS + 1 + from,
  flags: ACK | PSH,
  payload: EXPECTED.subarray(from, to),
});

test('an old duplicate, by its timestamp, says nothing: neither text nor window', () => {
  const { sent, came, reports } = watch(false, 100);
  const stamped = (value: number) => ({ timestamps: { value, echo: 7 } });
  const answer = { payload: new Uint8Array(5) };
  came({ ...answer, ...stamped(120) });
  sent({ ack: IRS + 1 + 5, timestamps: { value: 7, echo: 120 } });
  came({ ...answer, seq: IRS + 1 + 5, ...stamped(119) });
  sent({ ack: IRS + 1 + 5, timestamps: { value: 7, echo: 120 } });
  expect(reports).toEqual([]);
  // Who believed it acknowledges what it was not to take.
  sent({ ack: IRS + 1 + 10, timestamps: { value: 7, echo: 120 } });
  expect(reports).toEqual([expect.stringMatching(/acknowledges 10, but only 5 have come/)]);
});

test('what is as it should be is not reported', () => {
  const { sent, came, reports } = watch();
  sent({});
  sent(octets(0, 1_000));
  sent(octets(1_000, 2_000));
  sent(octets(0, 1_000));
  came({ ack: ISS + 1 + 2_000, payload: new Uint8Array(5) });
  sent({ seq: ISS + 1 + 2_000, ack: IRS + 1 + 5 });
  sent({ ...octets(2_000, 4_000), ack: IRS + 1 + 5 });
  sent({ seq: ISS + 1 + 4_000, flags: FIN | ACK, ack: IRS + 1 + 5 });
  expect(reports).toEqual([]);
  sent({ seq: ISS + 1 + 4_001 });
  expect(reports[0]).toMatch(/acknowledges 0 after 5/);
});

test.each([
  { name: 'an acknowledgement over a hole', said: { ack: IRS + 1 + 10 }, report: /without a hole/ },
  { name: 'octets beyond the window', said: octets(0, 2_001), report: /the window ends at 2000/ },
  { name: 'octets that are not next', said: octets(100, 200), report: /but 0 is next/ },
  {
    name: 'other octets than the recorded ones',
    said: { ...octets(0, 3), payload: Uint8Array.of(0, 7, 15) },
    report: /octet 2 is not the recorded one/,
  },
  {
    name: 'octets before their time',
    said: { ...octets(0, 9), at: 6 * MS },
    report: /before its time/,
  },
  {
    name: 'a report of what has not come',
    said: { sack: [[IRS + 1 + 10, IRS + 1 + 20]] as const },
    report: /reports 10..20/,
  },
  {
    name: 'timestamps that were not agreed',
    said: { timestamps: { value: 1, echo: 1 } },
    report: /not agreed/,
  },
  { name: 'a second SYN', said: { seq: ISS + 7, flags: SYN, ack: 0 }, report: /another number/ },
  { name: 'a segment without ACK', said: { flags: PSH, ack: 0 }, report: /without ACK/ },
])('$name is', ({ said, report }) => {
  const { sent, reports } = watch();
  sent(said);
  expect(reports).toHaveLength(1);
  expect(reports[0]).toMatch(report);
});

test('octets for a user that is over are', () => {
  const { sent, reports } = watch(true);
  sent(octets(0, 100));
  expect(reports[0]).toMatch(/for a user that is over/);
});

test('a repetition that does not wait longer than the one before it is', () => {
  const { sent, reports } = watch();
  for (const at of [10, 210, 610, 1_410]) sent({ ...octets(0, 100), at: at * MS });
  expect(reports).toEqual([]);
  sent({ ...octets(0, 100), at: 2_210 * MS });
  expect(reports[0]).toMatch(/repeated after 800 ms, before after 800 ms/);
});
