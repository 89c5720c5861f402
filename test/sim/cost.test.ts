/**
 * What a transfer costs: how long it takes and what is sent twice. That everything arrives says
 * nothing of either, so each run here is held against the least that the path allows.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { NS_PER_MS } from '../../src/base/time.ts';
import {
  ACK_POLICIES,
  type AckPolicyName,
  idealRoundTrips,
  MSS,
  type Upload,
  upload,
} from './upload.ts';

const SIZES = [10_000, 100_000, 1_000_000];
const POLICIES = Object.keys(ACK_POLICIES) as AckPolicyName[];

function expectDelivered(result: Upload): void {
  expect({ completed: result.completed, wrong: result.wrongOctets }).toEqual({
    completed: 1,
    wrong: 0,
  });
}

describe.each(SIZES)('%i octets, nothing is lost', (bytes) => {
  test.each(
    [1, 10, 40, 100, 300, 600, 900].flatMap((rttMs) =>
      POLICIES.flatMap((ack) =>
        [
          { timestamps: true, sack: true },
          { timestamps: true, sack: false },
          { timestamps: false, sack: false },
        ].map((offered) => ({ rttMs, ack, ...offered })),
      ),
    ),
  )('$rttMs ms, acknowledged: $ack, timestamps: $timestamps, SACK: $sack', (options) => {
    const { rttMs, ack } = options;
    const result = upload({ bytes, ...options });
    expectDelivered(result);
    expect([result.repeats, result.synRepeats, result.sentBytes]).toEqual([0, 0, bytes]);
    const roundTrips = idealRoundTrips(bytes);
    // Each round trip may end with an acknowledgement that the peer holds back.
    const heldMs = (roundTrips * ACK_POLICIES[ack].delayNs) / NS_PER_MS;
    expect(result.ms).toBeLessThanOrEqual(1.01 * roundTrips * rttMs + heldMs);
  });

  test.each(POLICIES)('2 s, longer than the SYN waits, acknowledged: %s', (ack) => {
    const withTimestamps = upload({ bytes, rttMs: 2_000, ack });
    // The second SYN was not needed, and the timestamp says so: the window is a whole one.
    expect([withTimestamps.repeats, withTimestamps.synRepeats]).toEqual([0, 1]);
    expect(withTimestamps.ms).toBeLessThanOrEqual(2_000 * idealRoundTrips(bytes) + 300);
    const without = upload({ bytes, rttMs: 2_000, ack, timestamps: false });
    expectDelivered(without);
    expect([without.repeats, without.synRepeats]).toEqual([0, 1]);
  });
});

/** Isolated holes behind many timeouts: what lies between them has arrived. */
const AFTER_TIMEOUTS = {
  bytes: 1_000_000,
  rttMs: 1,
  ack: 'each',
  timestamps: false,
  seed: 352_838,
  loss: 0.05,
  ackLoss: 0,
} as const;

describe('segments are lost', () => {
  test.each(
    [1, 40, 300].flatMap((rttMs) =>
      POLICIES.flatMap((ack) => [true, false].map((timestamps) => ({ rttMs, ack, timestamps }))),
    ),
  )(
    'one in the middle of 1 MB costs one repetition: $rttMs ms, $ack, timestamps: $timestamps',
    ({ rttMs, ack, timestamps }) => {
      const lost = new Set([200]);
      const drop = ({ index }: { index: number }): boolean => lost.has(index);
      const result = upload({ bytes: 1_000_000, rttMs, ack, timestamps, toServer: { drop } });
      expectDelivered(result);
      expect(result.repeats).toBe(1);
    },
  );

  test.each([
    { name: 'two side by side', lost: [200, 201] },
    { name: 'two of a window', lost: [200, 230] },
    { name: 'five of a window', lost: [200, 210, 220, 230, 240] },
    // The first in a window of 40 segments, from which it goes on slowly.
    { name: 'two of different windows', lost: [50, 400], roundTrips: 12 },
  ])('$name cost as many repetitions, and no timeout', ({ lost, roundTrips = 4 }) => {
    const drop = ({ index }: { index: number }): boolean => lost.includes(index);
    const result = upload({ bytes: 1_000_000, rttMs: 40, toServer: { drop } });
    expectDelivered(result);
    expect(result.repeats).toBe(lost.length);
    // Each loss takes a round trip more; the window is half of what it was from the first on.
    expect(result.ms).toBeLessThan(40 * (idealRoundTrips(1_000_000) + lost.length + roundTrips));
  });

  test('the last segment costs one timeout and one repetition', () => {
    const segments = Math.ceil(100_000 / (MSS - 12));
    // The SYN, and the acknowledgement of the SYN-ACK that goes with the first segment or before it.
    const drop = ({ index }: { index: number }): boolean => index === segments + 1;
    const result = upload({ bytes: 100_000, rttMs: 40, toServer: { drop } });
    expectDelivered(result);
    expect(result.lost).toEqual([1, 0]);
    expect(result.repeats).toBeLessThanOrEqual(2);
    expect(result.ms).toBeLessThan(40 * idealRoundTrips(100_000) + 500);
  });

  test('acknowledgements that are lost cost nothing while later ones come', () => {
    const drop = ({ index }: { index: number }): boolean => index > 2 && index % 2 === 0;
    const result = upload({ bytes: 1_000_000, rttMs: 40, ack: 'each', toClient: { drop } });
    expectDelivered(result);
    expect(result.repeats).toBeLessThanOrEqual(1);
  });

  test('whatever is lost: few repetitions more than losses, and every octet once', () => {
    fc.assert(
      fc.property(
        fc.record({
          bytes: fc.constantFrom(...SIZES),
          rttMs: fc.constantFrom(1, 20, 100, 300),
          ack: fc.constantFrom(...POLICIES),
          timestamps: fc.boolean(),
          seed: fc.integer({ min: 1, max: 1_000_000 }),
          loss: fc.constantFrom(0, 0.001, 0.01, 0.05),
          ackLoss: fc.constantFrom(0, 0.01, 0.05),
        }),
        ({ bytes, rttMs, ack, timestamps, seed, loss, ackLoss }) => {
          const result = upload({
            bytes,
            rttMs,
            ack,
            timestamps,
            seed,
            toServer: { loss },
            toClient: { loss: ackLoss },
          });
          expectDelivered(result);
          const [lost, lostAcks] = result.lost;
          if (lost + lostAcks === 0) expect(result.repeats).toBe(0);
          expect(result.repeats).toBeLessThanOrEqual(2 * lost + lostAcks + 3);
        },
      ),
      { numRuns: 60, examples: [[AFTER_TIMEOUTS]] },
    );
  });

  test('one segment in a hundred, many times: hardly more repetitions than losses', () => {
    let [repeats, lost] = [0, 0];
    for (const rttMs of [1, 20, 100, 300]) {
      for (const ack of POLICIES) {
        for (let seed = 1; seed <= 4; seed++) {
          const result = upload({ bytes: 1_000_000, rttMs, ack, seed, toServer: { loss: 0.01 } });
          expectDelivered(result);
          repeats += result.repeats;
          lost += result.lost[0];
        }
      }
    }
    expect(lost).toBeGreaterThan(250);
    expect(repeats / lost).toBeLessThan(1.25);
  });
});

describe('segments are lost, and the peer reports what it holds', () => {
  const paths = [1, 40, 300, 2_000].flatMap((rttMs) =>
    POLICIES.flatMap((ack) => [0.01, 0.05].map((loss) => ({ rttMs, ack, loss }))),
  );

  test.each(paths)('a repetition a loss: $rttMs ms, $ack, loss $loss', ({ rttMs, ack, loss }) => {
    for (const seed of [1, 2, 3]) {
      for (const timestamps of [true, false]) {
        const options = { rttMs, ack, timestamps, seed, toServer: { loss } };
        const result = upload({ bytes: 1_000_000, sack: true, ...options });
        expectDelivered(result);
        expect(result.repeats).toBeLessThanOrEqual(result.lost[0] + 2);
      }
    }
  });

  test('whatever is lost: as many repetitions, and every octet once', () => {
    fc.assert(
      fc.property(
        fc.record({
          bytes: fc.constantFrom(...SIZES),
          rttMs: fc.constantFrom(1, 20, 100, 300, 2_000),
          ack: fc.constantFrom(...POLICIES),
          timestamps: fc.boolean(),
          seed: fc.integer({ min: 1, max: 1_000_000 }),
          loss: fc.constantFrom(0, 0.001, 0.01, 0.05),
          ackLoss: fc.constantFrom(0, 0.01, 0.05),
        }),
        ({ loss, ackLoss, ...options }) => {
          const ways = { toServer: { loss }, toClient: { loss: ackLoss } };
          const result = upload({ ...options, ...ways, sack: true });
          expectDelivered(result);
          const [lost, lostAcks] = result.lost;
          if (lost + lostAcks === 0) expect(result.repeats).toBe(0);
          expect(result.repeats).toBeLessThanOrEqual(lost + lostAcks + 3);
        },
      ),
      { numRuns: 60 },
    );
  });

  test('a repetition that is lost costs a round trip, and no timeout', () => {
    // Segment 200 and what is sent in its place; the SYN and an acknowledgement come before.
    let seen = 0;
    const drop = ({ index }: { index: number }): boolean => {
      if (index < 200) return false;
      if (index === 200) return true;
      return index > 230 && seen++ === 0;
    };
    const result = upload({ bytes: 1_000_000, rttMs: 40, sack: true, toServer: { drop } });
    expectDelivered(result);
    expect(result.lost[0]).toBe(2);
    expect(result.repeats).toBe(2);
    expect(result.ms).toBeLessThan(40 * (idealRoundTrips(1_000_000) + 6));
  });

  test('acknowledgements of a whole flight that are lost in recovery cost a probe, and no timeout', () => {
    const toServer = { drop: ({ index }: { index: number }): boolean => index === 200 };
    const options = { bytes: 1_000_000, rttMs: 40, sack: true, toServer };
    const undisturbed = upload(options);
    // Those of all that leaves within the round trip in which the segment is repeated.
    const drop = ({ atNs }: { atNs: number }): boolean =>
      atNs > 255 * NS_PER_MS && atNs < 300 * NS_PER_MS;
    const result = upload({ ...options, toClient: { drop } });
    expectDelivered(result);
    expect(result.lost[1]).toBeGreaterThan(5);
    expect(result.ms).toBeLessThan(undisturbed.ms + 3 * 40);
  });

  test('one in twenty both ways: 10 MB take no longer than the model says that the window admits', () => {
    let ms = 0;
    for (const seed of [1, 2, 3]) {
      const ways = { toServer: { loss: 0.05 }, toClient: { loss: 0.05 } };
      const result = upload({ bytes: 10_000_000, rttMs: 1, sack: true, seed, ...ways });
      expectDelivered(result);
      ms += result.ms;
    }
    // Mathis et al. 1997: sqrt(3 / 2p) segments a round trip, which knows no timeouts.
    const model = (3 * (10_000_000 / (MSS - 12))) / Math.sqrt(1.5 / 0.05);
    expect(ms).toBeLessThan(1.1 * model);
  });

  test('of a large window every second segment is lost, and only those are sent again', () => {
    // Slow start fills a queue of one round trip, and what comes then finds room for half of it.
    const bottleneck = { bytesPerSecond: 12.5e6, queueBytes: 1.25e6 };
    const result = upload({ bytes: 10_000_000, rttMs: 100, sack: true, toServer: { bottleneck } });
    expectDelivered(result);
    expect(result.lost[0]).toBeGreaterThan(1_000);
    expect(result.repeats).toBe(result.lost[0]);
    expect(result.ms).toBeLessThan(2_000);
  });

  test('a tail that is lost costs a probe, and no timeout', () => {
    const segments = Math.ceil(100_000 / (MSS - 12));
    const drop = ({ index }: { index: number }): boolean =>
      index >= segments - 2 && index <= segments;
    const result = upload({ bytes: 100_000, rttMs: 300, sack: true, toServer: { drop } });
    expectDelivered(result);
    expect([result.lost[0], result.repeats]).toEqual([3, 3]);
    expect(result.ms).toBeLessThan(300 * (idealRoundTrips(100_000) + 4));
  });

  test('what is only overtaken is repeated less often than without reports', () => {
    const toServer = { jitterNs: 5 * NS_PER_MS };
    for (const rttMs of [40, 300]) {
      const results = [true, false].map((sack) =>
        upload({ bytes: 1_000_000, rttMs, sack, toServer }),
      );
      for (const result of results) expectDelivered(result);
      const [reported = 0, unreported = 0] = results.map(({ repeats }) => repeats);
      expect(2 * reported).toBeLessThan(unreported);
    }
  });
});

describe('nothing is lost, but late', () => {
  const LATE = { bytes: 3_000_000, sack: true };

  test.each(
    [20, 100].flatMap((rttMs) =>
      [0.3, 0.6, 2].flatMap((seconds) =>
        (['toServer', 'toClient'] as const).flatMap((way) =>
          [true, false].map((timestamps) => ({ rttMs, seconds, way, timestamps })),
        ),
      ),
    ),
  )(
    'a path that stands still costs that time and no window: $rttMs ms, $seconds s $way, timestamps: $timestamps',
    ({ rttMs, seconds, way, timestamps }) => {
      const undisturbed = upload({ ...LATE, rttMs, timestamps });
      const fromNs = 5.1 * rttMs * NS_PER_MS;
      const heldUp = { fromNs, toNs: fromNs + seconds * 1e9 };
      const result = upload({ ...LATE, rttMs, timestamps, [way]: { heldUp } });
      expectDelivered(result);
      // A timeout and those after it, a probe; not the flight.
      expect(result.repeats).toBeLessThanOrEqual(6);
      expect(result.ms).toBeLessThan(undisturbed.ms + seconds * 1_000 + 2 * rttMs);
    },
  );

  test.each([
    { rttMs: 20, share: 0.05 },
    { rttMs: 20, share: 0.5 },
    { rttMs: 100, share: 0.05 },
    { rttMs: 100, share: 0.25 },
    { rttMs: 100, share: 0.5 },
  ])('packets that overtake each other by $share of $rttMs ms cost no window', (path) => {
    const { rttMs, share } = path;
    const toServer = { jitterNs: share * rttMs * NS_PER_MS };
    for (const seed of [1, 2, 3, 4, 5]) {
      const result = upload({ ...LATE, rttMs, seed, toServer });
      expectDelivered(result);
      // Each round trip is longer by as much, at most; two more for what waits to be told from loss.
      const longestMs = (1 + share) * rttMs * (idealRoundTrips(LATE.bytes) + 2);
      expect(result.ms).toBeLessThan(longestMs);
    }
  });
});
