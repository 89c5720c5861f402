/**
 * Classic BPF (linux/filter.h): the instructions of a filter, and an assembler with labels.
 *
 * A machine with an accumulator A, an index X and 16 words of memory; loads from the packet are
 * big-endian, and one past its end ends the program with 0 (drop). Programs go forward only.
 */

import { assert } from '../../base/assert.ts';
import type { BpfInstruction } from '../../base/bpf-instruction.ts';

/** Instruction codes (bpf_common.h): class, size, mode or operation, source. */
export const Bpf = {
  /** A = the packet's word, half-word, octet at k. */
  LOAD_WORD: 0x20,
  LOAD_HALF: 0x28,
  LOAD_BYTE: 0x30,
  /** A = the packet's word, half-word, octet at X + k. */
  LOAD_WORD_AT_X: 0x40,
  LOAD_HALF_AT_X: 0x48,
  LOAD_BYTE_AT_X: 0x50,
  /** X = 4 * (the low half of the octet at k): the length of an IPv4 header. */
  LOAD_X_HEADER_LENGTH: 0xb1,
  /** A = memory[k], X = memory[k], memory[k] = A. */
  LOAD_MEMORY: 0x60,
  LOAD_X_MEMORY: 0x61,
  STORE: 0x02,
  /** memory[k] = X, A = k. */
  STORE_X: 0x03,
  LOAD_IMMEDIATE: 0x00,
  ADD: 0x04,
  SUBTRACT: 0x14,
  MULTIPLY: 0x24,
  SHIFT_LEFT: 0x64,
  SHIFT_RIGHT: 0x74,
  DIVIDE: 0x34,
  MODULO: 0x94,
  AND: 0x54,
  /** A += X, X = A. */
  ADD_X: 0x0c,
  COPY_TO_X: 0x07,
  JUMP: 0x05,
  JUMP_EQUAL: 0x15,
  JUMP_GREATER: 0x25,
  JUMP_GREATER_EQUAL: 0x35,
  /** Whether A >= X. */
  JUMP_GREATER_EQUAL_X: 0x3d,
  JUMP_SET: 0x45,
  RETURN: 0x06,
  RETURN_A: 0x16,
} as const;
export type Bpf = (typeof Bpf)[keyof typeof Bpf];

/** `LOAD_WORD` of this reads the packet's EtherType instead: SKF_AD_OFF + SKF_AD_PROTOCOL. */
export const BPF_ETHER_TYPE = 0xffff_f000;

/** Likewise, the index of the interface that it came in by: SKF_AD_OFF + SKF_AD_IFINDEX. */
export const BPF_INTERFACE = 0xffff_f008;

/** Likewise, which way it goes (`PACKET_OUTGOING` and others): SKF_AD_OFF + SKF_AD_PKTTYPE. */
export const BPF_PACKET_TYPE = 0xffff_f004;

/** BPF_MAXINSNS: the kernel takes no longer program. */
export const BPF_INSTRUCTIONS_MAX = 4096;

const INSTRUCTION_BYTES = 8;
const SKIP_MAX = 0xff;

interface Pending {
  readonly code: number;
  readonly k: number;
  readonly ifTrue: string | null;
  readonly ifFalse: string | null;
}

/** Collects instructions whose jumps go to labels; `null` as a target is the next instruction. */
export class BpfAssembler {
  readonly #code: Pending[] = [];
  readonly #labels = new Map<string, number>();

  /** An instruction that goes on with the next one. */
  add(code: number, k = 0): void {
    this.#code.push({ code, k: k >>> 0, ifTrue: null, ifFalse: null });
  }

  /** A conditional jump. */
  jump(code: number, k: number, ifTrue: string | null, ifFalse: string | null): void {
    this.#code.push({ code, k: k >>> 0, ifTrue, ifFalse });
  }

  /** Goes to a label, however far. */
  goto(label: string): void {
    this.#code.push({ code: Bpf.JUMP, k: 0, ifTrue: label, ifFalse: null });
  }

  /** The next instruction bears this name. */
  label(name: string): void {
    assert(!this.#labels.has(name), `${name} is named once`);
    this.#labels.set(name, this.#code.length);
  }

  /** Instructions so far. */
  get length(): number {
    return this.#code.length;
  }

  /** The program; every conditional jump reaches at most 255 instructions ahead. */
  assemble(): BpfInstruction[] {
    return this.#code.map((instruction, at) => this.#resolve(instruction, at));
  }

  #resolve({ code, k, ifTrue, ifFalse }: Pending, at: number): BpfInstruction {
    if (code === Bpf.JUMP) return { code, jt: 0, jf: 0, k: this.#distance(ifTrue, at) };
    const jt = this.#distance(ifTrue, at);
    const jf = this.#distance(ifFalse, at);
    assert(jt <= SKIP_MAX && jf <= SKIP_MAX, 'a conditional jump is short');
    return { code, jt, jf, k };
  }

  #distance(label: string | null, at: number): number {
    if (label === null) return 0;
    const to = this.#labels.get(label);
    assert(to !== undefined && to > at, `${label} lies ahead`);
    return to - at - 1;
  }
}

/** The program as the kernel wants it: struct sock_filter, eight octets an instruction. */
export function emitBpf(program: readonly BpfInstruction[]): Uint8Array {
  const octets = new Uint8Array(program.length * INSTRUCTION_BYTES);
  const data = new DataView(octets.buffer);
  for (const [i, { code, jt, jf, k }] of program.entries()) {
    const at = i * INSTRUCTION_BYTES;
    data.setUint16(at, code, true);
    data.setUint8(at + 2, jt);
    data.setUint8(at + 3, jf);
    data.setUint32(at + 4, k, true);
  }
  return octets;
}
