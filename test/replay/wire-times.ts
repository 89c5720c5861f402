/** When a user's frames leave, as a stranger on the link to the embedded target would note it. */
import { Counter } from '../../src/measure/counters.ts';
import type { Sender } from '../../src/transport/ports.ts';
import { HEADER_SLOT_BYTES } from '../../src/wire/frame-batch.ts';

const SYN = 0x02;
const RST = 0x04;

/** A connection as the link saw it. */
export interface Connection {
  readonly synNs: number;
  /** When each segment with payload left, first transmissions and repeated ones. */
  readonly dataNs: number[];
  /** When an RST left; null without one. */
  resetNs: number | null;
}

/** Notes frames on their way to the target it is made of; connections stand in the order of their SYNs. */
export class WireTimes {
  readonly #byEnds = new Map<string, Connection>();

  get connections(): readonly Connection[] {
    return [...this.#byEnds.values()];
  }

  /** When SYNs left, ascending. */
  get synsNs(): number[] {
    return this.connections.map(({ synNs }) => synNs);
  }

  /** @param counters of the run, whose clock the times are by */
  on(sender: Sender, counters: Float64Array): Sender {
    const { batch } = sender;
    const flush = (): void => {
      for (let frame = 0; frame < batch.count; frame++) {
        const at = frame * HEADER_SLOT_BYTES;
        const header = Buffer.from(batch.headers.slice(at, at + HEADER_SLOT_BYTES));
        const payload = batch.extentCount[frame] > 0;
        this.#note(header, payload, counters[Counter.CLOCK_NS]);
      }
      sender.flush();
    };
    return { batch, flush };
  }

  #note(header: Buffer, hasPayload: boolean, nowNs: number): void {
    // Without a link header and options; all users are IPv4.
    const ends = header.subarray(12, 24).toString('hex');
    const flags = header[20 + 13];
    const known = this.#byEnds.get(ends);
    if ((flags & SYN) !== 0 && known === undefined) {
      this.#byEnds.set(ends, { synNs: nowNs, dataNs: [], resetNs: null });
    } else if (known !== undefined) {
      if (hasPayload) known.dataNs.push(nowNs);
      if ((flags & RST) !== 0) known.resetNs ??= nowNs;
    }
  }
}
