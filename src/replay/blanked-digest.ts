/** Digests of bodies of which parts are different each time: those are blanked first. */
import { BodyDigest } from './body-digest.ts';

/** A longer body is not compared: octets. */
const BODY_BYTES_MAX = 1 << 20;
const BYTES_MIN = 1_024;
/** A larger buffer is not kept for the next body. */
const KEPT_BYTES_MAX = 65_536;
/** What stands for each part that is left out; a part that is not there is another body. */
const BLANK = ' ';

/** Runs what looks for the parts, and may stop it. That changes nothing, so that it may be run once more. */
export type RunBlanking = (blank: () => void) => void;

const runFreely: RunBlanking = (blank) => blank();

/** Keeps a body until it is over; its octets are read as text, a character each. */
export class BlankedDigest extends BodyDigest {
  readonly #ignored: RegExp;
  #octets = Buffer.alloc(BYTES_MIN);
  #bytes = 0;
  readonly #run: RunBlanking;

  /** @param ignored with the flag `g` */
  constructor(ignored: RegExp, run: RunBlanking) {
    super();
    this.#ignored = ignored;
    this.#run = run;
  }

  override begin(): void {
    super.begin();
    this.#bytes = 0;
    if (this.#octets.length > KEPT_BYTES_MAX) this.#octets = Buffer.alloc(BYTES_MIN);
  }

  override onSteppedOver(data: DataView, start: number, atHand: number, bytes: number): void {
    const after = this.#bytes + bytes;
    if (atHand < bytes || after > BODY_BYTES_MAX) this.isWhole = false;
    if (!this.isWhole) return;
    if (after > this.#octets.length) {
      const grown = Buffer.alloc(
        Math.min(BODY_BYTES_MAX, Math.max(after, 2 * this.#octets.length)),
      );
      this.#octets.copy(grown, 0, 0, this.#bytes);
      this.#octets = grown;
    }
    this.#octets.set(new Uint8Array(data.buffer, data.byteOffset + start, bytes), this.#bytes);
    this.#bytes = after;
  }

  override finish(): void {
    if (!this.isWhole) return;
    const text = this.#octets.toString('latin1', 0, this.#bytes);
    let rest = text;
    this.#run(() => {
      rest = text.replace(this.#ignored, BLANK);
    });
    const blanked = Buffer.from(rest, 'latin1');
    const data = new DataView(blanked.buffer, blanked.byteOffset, blanked.length);
    super.onSteppedOver(data, 0, blanked.length, blanked.length);
  }
}

/**
 * What digests bodies.
 * @param ignored regular expressions of what is left out
 */
export function bodyDigest(
  ignored: readonly string[] = [],
  run: RunBlanking = runFreely,
): BodyDigest {
  if (ignored.length === 0) return new BodyDigest();
  return new BlankedDigest(new RegExp(ignored.map((each) => `(?:${each})`).join('|'), 'g'), run);
}
