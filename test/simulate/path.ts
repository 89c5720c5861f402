/** The way between both ends, in both directions: what the faults of the list do to packets on it. */
import { Prng } from '../../src/base/prng.ts';
import type { Fault, PacketFault, Scenario, Way } from './scenario.ts';
import { ACK, PSH, readSegment, type SegmentRead, writeSegment } from './segment.ts';

const NS_PER_SECOND = 1e9;
const MERGED_BYTES_MAX = 60_000;

/** A packet that has arrived at the end of the way. */
export interface Arrival {
  readonly packet: Uint8Array;
  readonly isHarmed: boolean;
  readonly dueNs: number;
}

type Of<K extends Fault['kind']> = Extract<Fault, { kind: K }>;

/** One direction. */
export class Path {
  /** Packets that set out. */
  sent = 0;
  readonly #delayNs: number;
  readonly #byIndex = new Map<number, PacketFault[]>();
  readonly #blackouts: readonly Of<'blackout'>[];
  readonly #throttles: readonly Of<'throttle'>[];
  readonly #merge: Of<'merge'> | undefined;
  readonly #flying: Arrival[] = [];
  #freeNs = 0;

  constructor(scenario: Scenario, way: Way) {
    const { faults } = scenario;
    this.#delayNs = scenario.delayNs[way];
    const onThisWay = (fault: Fault): boolean =>
      fault.kind === 'garbage' ? way === 'toClient' : 'way' in fault && fault.way === way;
    const here = faults.filter(onThisWay);
    for (const fault of here) {
      if (!('index' in fault)) continue;
      const others = this.#byIndex.get(fault.index);
      if (others === undefined) this.#byIndex.set(fault.index, [fault]);
      else others.push(fault);
    }
    this.#blackouts = here.filter((fault) => fault.kind === 'blackout');
    this.#throttles = here.filter((fault) => fault.kind === 'throttle');
    this.#merge = here.find((fault) => fault.kind === 'merge');
  }

  nextDueNs(): number {
    return this.#flying.at(-1)?.dueNs ?? Number.POSITIVE_INFINITY;
  }

  send(packet: Uint8Array, nowNs: number): void {
    const faults = this.#byIndex.get(this.sent) ?? NO_FAULTS;
    this.sent++;
    for (const fault of faults)
      if (fault.kind === 'garbage') this.#put(nonsense(fault), true, nowNs);
    if (faults.some(({ kind }) => kind === 'lose') || this.#isBlack(nowNs)) return;
    let leftNs = nowNs;
    for (const { bytesPerSecond, queueBytes } of this.#throttles) {
      const waitNs = Math.max(0, this.#freeNs - nowNs);
      if ((waitNs / NS_PER_SECOND) * bytesPerSecond > queueBytes) return;
      leftNs = nowNs + waitNs + (packet.length / bytesPerSecond) * NS_PER_SECOND;
      this.#freeNs = leftNs;
    }
    let [octets, isHarmed, lateNs] = [packet, false, 0];
    for (const fault of faults) {
      if (fault.kind === 'delay') lateNs += fault.lateNs;
      if (fault.kind === 'cut') [octets, isHarmed] = [packet.slice(0, fault.bytes), true];
      if (fault.kind === 'corrupt') {
        octets = packet.slice();
        octets[(fault.bit >>> 3) % octets.length] ^= 1 << (fault.bit & 7);
        isHarmed = true;
      }
      if (fault.kind === 'duplicate') this.#put(packet, false, leftNs + fault.lateNs);
    }
    this.#put(octets, isHarmed, leftNs + lateNs);
  }

  /** What has arrived by then, in order. */
  take(nowNs: number): readonly Arrival[] {
    const flying = this.#flying;
    const arrived: Arrival[] = [];
    while (flying.length > 0 && flying[flying.length - 1].dueNs <= nowNs) {
      const next = flying.pop();
      if (next !== undefined) arrived.push(next);
    }
    return this.#merge === undefined ? arrived : merged(arrived);
  }

  #isBlack(nowNs: number): boolean {
    return this.#blackouts.some(({ fromNs, forNs }) => nowNs >= fromNs && nowNs < fromNs + forNs);
  }

  #put(packet: Uint8Array, isHarmed: boolean, leftNs: number): void {
    const everyNs = this.#merge?.everyNs ?? 1;
    const dueNs = Math.ceil((leftNs + this.#delayNs) / everyNs) * everyNs;
    const flying = this.#flying;
    // Latest first, and of those that come together the one that was sent last.
    let at = flying.length;
    while (at > 0 && flying[at - 1].dueNs <= dueNs) at--;
    flying.splice(at, 0, { packet, isHarmed, dueNs });
  }
}

const NO_FAULTS: readonly PacketFault[] = [];

function nonsense({ seed, bytes }: Of<'garbage'>): Uint8Array {
  const prng = new Prng(seed);
  const octets = Uint8Array.from({ length: bytes }, () => prng.nextUint32());
  // Half of it looks like IPv4 at first, so that more of it is read.
  if (bytes > 0 && seed % 2 === 0) octets[0] = 0x45;
  if (bytes > 9 && seed % 4 === 0) octets[9] = 6;
  return octets;
}

/** Neighbours of one flow become one packet, as a card's receive offload makes them (GRO, LRO). */
function merged(arrived: readonly Arrival[]): readonly Arrival[] {
  const out: Arrival[] = [];
  let joined: SegmentRead[] = [];
  for (const arrival of arrived) {
    const segment = arrival.isHarmed ? 'harmed' : readSegment(arrival.packet);
    if (typeof segment !== 'string' && canJoin(joined, segment)) {
      joined.push(segment);
      out[out.length - 1] = arrival;
      continue;
    }
    asOne(out, joined);
    joined = typeof segment === 'string' ? [] : [segment];
    out.push(arrival);
  }
  asOne(out, joined);
  return out;
}

/** Puts one packet in the place of the last of those that were joined. */
function asOne(out: Arrival[], joined: readonly SegmentRead[]): void {
  const [first] = joined;
  const last = out.at(-1);
  if (first === undefined || last === undefined || joined.length === 1) return;
  const payload = new Uint8Array(Buffer.concat(joined.map((each) => each.payload)));
  const flags = joined.reduce((union, each) => union | each.flags, 0);
  out[out.length - 1] = { ...last, packet: writeSegment({ ...first, flags, payload }) };
}

function canJoin(joined: readonly SegmentRead[], next: SegmentRead): boolean {
  const [one] = joined;
  const last = joined.at(-1);
  if (one === undefined || last === undefined) return false;
  const isPlain = ((last.flags | next.flags) & ~(ACK | PSH)) === 0 && (last.flags & PSH) === 0;
  return (
    isPlain &&
    one.payload.length > 0 &&
    next.payload.length > 0 &&
    next.seq === (last.seq + last.payload.length) >>> 0 &&
    ((next.seq - one.seq) >>> 0) + next.payload.length <= MERGED_BYTES_MAX &&
    one.ack === next.ack &&
    one.window === next.window &&
    one.srcPort === next.srcPort &&
    one.dstPort === next.dstPort &&
    one.src.every((octet, i) => octet === next.src[i]) &&
    one.dst.every((octet, i) => octet === next.dst[i]) &&
    one.timestamps?.value === next.timestamps?.value &&
    one.timestamps?.echo === next.timestamps?.echo
  );
}
