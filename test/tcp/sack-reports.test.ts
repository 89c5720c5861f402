/** What our acknowledgements report: RFC 2018, section 4; RFC 2883, section 4. */
import { describe, expect, test } from 'vitest';
import { Harness, type Incoming, USER } from './harness.ts';

const WITH_SACK: Incoming = { sackPermitted: true };

/** Blocks of the segments that left, as stream offsets of the peer. */
function reports(h: Harness): number[][] {
  return h.take().map(({ sack = [] }) => sack.map((edge) => (edge - h.peer(0)) | 0));
}

const comes = (h: Harness, from: number, to: number) =>
  h.receive({ seq: h.peer(from), payloadBytes: to - from });

describe('what lies behind holes', () => {
  test('is reported at once, the newest first, and three blocks beside timestamps', () => {
    const h = new Harness({ timestamps: true }).establish({ ...WITH_SACK, timestamps: [1, 0] });
    comes(h, 100, 200);
    comes(h, 300, 400);
    comes(h, 500, 600);
    comes(h, 700, 800);
    expect(reports(h)).toEqual([
      [100, 200],
      [300, 400, 100, 200],
      [500, 600, 300, 400, 100, 200],
      [700, 800, 500, 600, 300, 400],
    ]);
    // An interval that grows is the newest.
    comes(h, 200, 250);
    expect(reports(h)).toEqual([[100, 250, 700, 800, 500, 600]]);
  });

  test('without timestamps four blocks have room', () => {
    const h = new Harness().establish(WITH_SACK);
    for (const from of [100, 300, 500, 700, 900]) comes(h, from, from + 50);
    expect(reports(h).at(-1)).toEqual([900, 950, 700, 750, 500, 550, 300, 350]);
  });

  test('is no longer reported when the holes are filled', () => {
    const h = new Harness().establish(WITH_SACK);
    comes(h, 100, 200);
    comes(h, 300, 400);
    h.take();
    comes(h, 0, 100);
    comes(h, 200, 300);
    expect(reports(h)).toEqual([[300, 400], []]);
  });

  test('is reported by a segment of its own where data leaves at the same time', () => {
    const h = new Harness().establish(WITH_SACK);
    h.limit = 500;
    comes(h, 100, 200);
    expect(h.take()).toMatchObject([{ payloadBytes: 0 }, { payloadBytes: 500 }]);
  });

  test('is not reported to a peer that has not offered SACK, nor where we have not', () => {
    const h = new Harness().open(true);
    h.receive({ seq: h.peer(-1), ack: h.ours(0), flags: 0x12 });
    h.take();
    comes(h, 100, 200);
    expect(reports(h)).toEqual([[]]);
    const other = new Harness().open(false);
    other.receive({ seq: other.peer(-1), ack: other.ours(0), flags: 0x12, sackPermitted: true });
    other.take();
    comes(other, 100, 200);
    expect(reports(other)).toEqual([[]]);
  });
});

describe('what comes twice is reported once, in front (RFC 2883)', () => {
  test('below RCV.NXT', () => {
    const h = new Harness().establish(WITH_SACK);
    comes(h, 0, 200);
    h.take();
    comes(h, 100, 200);
    expect(reports(h)).toEqual([[100, 200]]);
    comes(h, 400, 500);
    expect(reports(h)).toEqual([[400, 500]]);
  });

  test('partly, before what is new', () => {
    const h = new Harness().establish(WITH_SACK);
    comes(h, 0, 200);
    h.take();
    comes(h, 100, 300);
    h.receive({ seq: h.peer(300), payloadBytes: 10 });
    expect(reports(h)).toEqual([[100, 200]]);
  });

  test('within an interval, which follows it', () => {
    const h = new Harness().establish(WITH_SACK);
    comes(h, 100, 200);
    comes(h, 200, 300);
    h.take();
    comes(h, 200, 300);
    expect(reports(h)).toEqual([[200, 300, 100, 300]]);
  });

  test('and is forgotten with the connection', () => {
    const h = new Harness().establish(WITH_SACK);
    comes(h, 0, 200);
    h.arrive({ seq: h.peer(0), payloadBytes: 100 });
    h.client.abort(USER);
    h.limit = 0;
    h.establish(WITH_SACK);
    comes(h, 100, 200);
    expect(reports(h)).toEqual([[100, 200]]);
  });
});
