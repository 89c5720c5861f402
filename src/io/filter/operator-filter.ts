import type { BpfInstruction } from '../../base/bpf-instruction.ts';
import { compileFilter } from '../sys/libpcap.ts';

/** LINKTYPE_RAW: packets begin at their IP header, as in the sources' rings. */
const LINKTYPE_RAW = 101;

/** What the operator wants captured of what replays register for, in pcap's language. */
export class OperatorFilter {
  /** Empty where everything is wanted. */
  readonly program: readonly BpfInstruction[];
  readonly #text: string | null;

  /** @throws ReplayError ERR_CAPTURE_FILTER (usage), ERR_IO_LIBPCAP (environment) */
  constructor(text: string | null) {
    this.#text = text;
    this.program = text === null ? [] : compileFilter(text, LINKTYPE_RAW);
  }

  describe(): string[] {
    return this.#text === null ? [] : [`captures of that only: ${this.#text}`];
  }
}
