/** Feeds framers with streams that are cut anywhere. */
import {
  type AnswerFramer,
  Fault,
  FRAMER_WORDS,
  type Framer,
  Outcome,
} from '../../src/protocol/framer.ts';

/** A message as a framer saw it. */
export interface Followed {
  /** Offset just past it; -1 where it was lost, or goes on. */
  readonly end: number;
  readonly replyClass: number;
  readonly code: number;
  readonly isSwitch: boolean;
  /** Of an answer: its code as a report has it. */
  readonly text: string;
  /** Name in `Fault`. */
  readonly fault: string;
}

/** How a stream comes in. */
export interface Arrival {
  /** Offsets at which it is cut, ascending. */
  readonly cuts: readonly number[];
  /** Whether the stream ends behind its last octet. */
  readonly isClosed?: boolean;
  /** Of each piece at most so many octets are at hand. */
  readonly prefixBytes?: number;
}

const FAULT_NAMES = Object.keys(Fault);

/** A packet's payload seldom begins where its memory does. */
const MARGIN = 3;

/** Octets of a text whose characters are below 256. */
export const octets = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'latin1'));

/**
 * Follows one message a kind, until one is lost or goes on. Between any two pieces another
 * connection's message is read by the same framer.
 */
export function follow(
  framer: Framer,
  stream: Uint8Array,
  kinds: readonly number[],
  { cuts, isClosed = false, prefixBytes = Number.POSITIVE_INFINITY }: Arrival = { cuts: [] },
): Followed[] {
  const ends = [...cuts.filter((cut) => cut > 0 && cut < stream.length), stream.length];
  const words = new Uint32Array(FRAMER_WORDS + 1).fill(0xdead_beef);
  const followed: Followed[] = [];
  let begin = 0;
  for (const kind of kinds) {
    if (begin > stream.length) break;
    framer.begin(kind);
    let at = begin;
    let outcome: Outcome = Outcome.MORE;
    for (const end of ends) {
      if (end <= at) continue;
      const atHand = Math.max(0, Math.min(end, pieceStart(ends, end) + prefixBytes) - at);
      const memory = new Uint8Array(MARGIN + atHand + MARGIN).fill(0x0a);
      memory.set(stream.subarray(at, at + atHand), MARGIN);
      outcome = framer.feed(new DataView(memory.buffer), MARGIN, atHand, end - at);
      if (outcome !== Outcome.MORE) break;
      at = end;
      framer.save(words, 1);
      framer.begin(kind ^ 1);
      framer.feed(new DataView(memory.buffer), 0, memory.length, memory.length);
      framer.load(words, 1);
    }
    if (isClosed && outcome !== Outcome.ENDS && outcome !== Outcome.LOST) {
      outcome = framer.close();
      at = stream.length;
    }
    const isOver = outcome === Outcome.ENDS;
    const end = isOver ? at + framer.endBytes : -1;
    followed.push({
      end,
      replyClass: framer.replyClass,
      code: framer.code,
      isSwitch: framer.isSwitch,
      text: 'codeText' in framer ? (framer as AnswerFramer).codeText() : '',
      fault: FAULT_NAMES[framer.fault],
    });
    if (!isOver) break;
    begin = end;
  }
  return followed;
}

/** Where the piece begins that ends at `end`. */
function pieceStart(ends: readonly number[], end: number): number {
  const index = ends.indexOf(end);
  return index === 0 ? 0 : (ends.at(index - 1) ?? 0);
}

/** Every way to cut a stream once, and octet by octet. */
export function everyCut(bytes: number): number[][] {
  const single = Array.from({ length: bytes }, (_, cut) => [cut]);
  return [...single, Array.from({ length: bytes }, (_, cut) => cut)];
}
