/** Grows the columns that have a row a session. */
import { Float64Column, Uint32Column } from '../../base/columns.ts';
import type { Outlines } from './outlines.ts';
import type { Scripts } from './scripts.ts';

/** What is known of each session besides its two streams, while it grows. */
export class SessionColumnsBuilder {
  readonly startNs = new Float64Column();
  readonly durationNs = new Float64Column();
  readonly endpoint = new Uint32Column();
  readonly connectNs = new Float64Column();
  readonly protocol = new Uint32Column();
  readonly clientAddress = new Uint32Column();
  readonly unheard = new Uint32Column();
  hasUnheard = false;
  readonly sackLeftOut = new Uint32Column();
  hasSackLeftOut = false;

  /** Empties the columns, whose memory is used again, and makes room for so many rows. */
  begin(sessions: number): void {
    this.hasUnheard = false;
    this.hasSackLeftOut = false;
    for (const column of [this.startNs, this.connectNs, this.durationNs]) {
      column.clear();
      column.reserve(sessions);
    }
    const words = [this.endpoint, this.protocol, this.clientAddress];
    for (const column of [...words, this.unheard, this.sackLeftOut]) {
      column.clear();
      column.reserve(sessions);
    }
  }

  /** Takes over what is known of all sessions. */
  adopt({ startNs, durationNs, endpoint }: Outlines): void {
    this.startNs.adopt(startNs);
    this.durationNs.adopt(durationNs);
    this.endpoint.adopt(endpoint);
  }

  /** Sessions before this row of which only the first columns are known have nothing in the others. */
  skipTo(row: number): void {
    this.connectNs.skipTo(row);
    this.protocol.skipTo(row);
    this.clientAddress.skipTo(row);
    this.unheard.skipTo(row);
    this.sackLeftOut.skipTo(row);
  }

  /** The columns, in shared memory. */
  finish(): Omit<Scripts, 'files' | 'endpoints' | 'clientAddressWords' | 'client' | 'server'> {
    return {
      sessions: this.startNs.count,
      startNs: this.startNs.toShared(),
      connectNs: this.connectNs.toShared(),
      durationNs: this.durationNs.toShared(),
      endpoint: this.endpoint.toSharedUint16(),
      protocol: this.protocol.toSharedOctets(),
      clientAddress: this.clientAddress.toShared(),
      ...(this.hasUnheard ? { areAnswersUnheard: this.unheard.toSharedOctets() } : {}),
      ...(this.hasSackLeftOut ? { isSackLeftOut: this.sackLeftOut.toSharedOctets() } : {}),
    };
  }
}
