/** The system's libpcap, where it is installed: it compiles filters in pcap's language. */

import koffi from 'koffi';
import type { BpfInstruction } from '../../base/bpf-instruction.ts';
import { ReplayError } from '../../base/errors.ts';
import { ADDRESS, OCTETS } from './libc.ts';
import { viewOf } from './memory.ts';

/** Names of the library: with the version that its programs are linked to, and without. */
const LIBRARIES: readonly string[] = ['libpcap.so.0.8', 'libpcap.so.1', 'libpcap.so'];

/** PCAP_NETMASK_UNKNOWN: `ip broadcast` is then an error and not a guess. */
const NETMASK_UNKNOWN = 0xffff_ffff;
const SNAP_BYTES = 262_144;
/** struct bpf_program: length, padding, pointer; struct bpf_insn: code, jt, jf, k. */
const PROGRAM_BYTES = 16;
const INSTRUCTION_BYTES = 8;

/** LINKTYPE_RAW of files is another number among libpcap's own. */
const LINKTYPE_RAW = 101;
const DLT_RAW = 12;

interface Library {
  readonly openDead: (linkType: number, snapBytes: number) => number;
  readonly compile: (
    pcap: number,
    program: Uint8Array,
    text: string,
    optimize: number,
    netmask: number,
  ) => number;
  readonly errorText: (pcap: number) => string;
  readonly freeCode: (program: Uint8Array) => void;
  readonly close: (pcap: number) => void;
}

/**
 * The program of a filter for frames of a link type (a LINKTYPE_ number).
 * @throws ReplayError ERR_CAPTURE_FILTER (usage), ERR_IO_LIBPCAP (environment)
 */
export function compileFilter(text: string, linkType: number): BpfInstruction[] {
  const library = load();
  const pcap = library.openDead(linkType === LINKTYPE_RAW ? DLT_RAW : linkType, SNAP_BYTES);
  if (pcap === 0) throw unavailable('it has no memory for a filter');
  const program = new Uint8Array(PROGRAM_BYTES);
  try {
    if (library.compile(pcap, program, text, 1, NETMASK_UNKNOWN) !== 0) {
      throw badFilter(text, library.errorText(pcap));
    }
    const instructions = instructionsOf(program);
    library.freeCode(program);
    return instructions;
  } finally {
    library.close(pcap);
  }
}

function instructionsOf(program: Uint8Array): BpfInstruction[] {
  const head = new DataView(program.buffer);
  const count = head.getUint32(0, true);
  const address = Number(head.getBigUint64(8, true));
  const data = new DataView(viewOf(address, count * INSTRUCTION_BYTES));
  return Array.from({ length: count }, (_, i) => {
    const at = i * INSTRUCTION_BYTES;
    return {
      code: data.getUint16(at, true),
      jt: data.getUint8(at + 2),
      jf: data.getUint8(at + 3),
      k: data.getUint32(at + 4, true),
    };
  });
}

function load(): Library {
  for (const name of LIBRARIES) {
    try {
      return functionsOf(koffi.load(name));
    } catch {
      // Not under this name: the next one, or the error below.
    }
  }
  throw unavailable('it is not installed');
}

function functionsOf(library: ReturnType<typeof koffi.load>): Library {
  return {
    openDead: library.func('pcap_open_dead', 'intptr_t', ['int', 'int']),
    compile: library.func('pcap_compile', 'int', [ADDRESS, OCTETS, 'str', 'int', 'uint32_t']),
    errorText: library.func('pcap_geterr', 'str', [ADDRESS]),
    freeCode: library.func('pcap_freecode', 'void', [OCTETS]),
    close: library.func('pcap_close', 'void', [ADDRESS]),
  };
}

const badFilter = (text: string, reason: string): ReplayError =>
  new ReplayError({
    code: 'ERR_CAPTURE_FILTER',
    kind: 'usage',
    message: `the filter '${text}' is not understood: ${reason}`,
    hint: 'write it as for tcpdump: `tcp port 80 and net 10.0.0.0/8` (man pcap-filter)',
  });

const unavailable = (reason: string): ReplayError =>
  new ReplayError({
    code: 'ERR_IO_LIBPCAP',
    kind: 'environment',
    message: `filters are compiled by libpcap, and ${reason}`,
    hint: 'install libpcap (Debian: apt-get install libpcap0.8), or do without --filter',
  });
