/** The common half of framers whose messages are made of lines. */
import { Fault, Framer, Outcome } from './framer.ts';
import { nextLineFeed } from './octets.ts';

const CR = 0x0d;
const LF = 0x0a;
/** No line of these protocols is as long; where one is, it is none. */
const LINE_BYTES_MAX = 1 << 20;
/** Phases from here on are this class's. */
const PHASE_REST = 0x80;

/**
 * Hands each line over octet by octet, without its end. `phase` is 0 at the beginning of a message
 * and is the subclass's, below 0x80; `index` and `value` are 0 at the beginning of a line. `count` is how
 * many octets a line has that the subclass wants to see whole, without its last one.
 */
export abstract class LineFramer extends Framer {
  protected override read(data: DataView, start: number, end: number): number {
    let at = start;
    while (at < end && this.skip === 0 && this.outcome === Outcome.MORE) {
      if (this.phase & PHASE_REST) at = this.#rest(data, at, end);
      else {
        const octet = data.getUint8(at++);
        if (octet === LF) this.#endLine();
        else {
          if (octet !== CR && !this.onOctet(octet)) this.phase |= PHASE_REST;
          this.#count(1);
        }
      }
    }
    return at;
  }

  #rest(data: DataView, at: number, end: number): number {
    const feed = nextLineFeed(data, at, end);
    if (feed < 0) {
      this.#count(end - at);
      return end;
    }
    this.phase &= ~PHASE_REST;
    this.#endLine();
    return feed + 1;
  }

  #endLine(): void {
    this.onLine();
    this.count = 0;
    this.index = 0;
    this.value = 0;
  }

  #count(octets: number): void {
    this.count += octets;
    if (this.count > LINE_BYTES_MAX) this.lose(Fault.TOO_LONG);
  }

  /** @returns whether more of the line has to be seen */
  protected abstract onOctet(octet: number): boolean;

  /** The line is over; where octets follow that are no lines, `skip` is set. */
  protected abstract onLine(): void;
}
