/**
 * Runs a filter program over frames: classic BPF (the machine of McCanne and Jacobson, 1993;
 * instruction codes as in Linux's bpf_common.h and libpcap's pcap/bpf.h).
 *
 * The program comes from libpcap's compiler, once a link type; running it here costs no call out of
 * JavaScript a packet. Loads past the captured octets reject the frame, as in the kernel.
 */
import type { BpfInstruction } from '../base/bpf-instruction.ts';

/** Instruction classes (the low three bits of a code). */
const LD = 0x00;
const LDX = 0x01;
const ST = 0x02;
const STX = 0x03;
const ALU = 0x04;
const JMP = 0x05;
const RET = 0x06;

/** Sizes and modes of loads. */
const SIZE_MASK = 0x18;
const WORD = 0x00;
const HALF = 0x08;
const MODE_MASK = 0xe0;
const IMMEDIATE = 0x00;
const ABSOLUTE = 0x20;
const INDIRECT = 0x40;
const MEMORY = 0x60;
const LENGTH = 0x80;
const HEADER_LENGTH = 0xa0;

/** Operations take X instead of the constant when this bit is set. */
const FROM_X = 0x08;
/** RET takes A; MISC copies X to A. */
const RET_A = 0x10;
const TXA = 0x80;

const MEMORY_WORDS = 16;

/**
 * Runs a classic BPF program (as libpcap compiles it) over frames in memory, without the kernel.
 */
export class FrameFilter {
  readonly #code: Uint16Array;
  readonly #jt: Uint8Array;
  readonly #jf: Uint8Array;
  readonly #k: Uint32Array;
  readonly #memory = new Uint32Array(MEMORY_WORDS);
  /** What the last load found; NaN past the end. */
  #loaded = 0;

  constructor(program: readonly BpfInstruction[]) {
    this.#code = Uint16Array.from(program, ({ code }) => code);
    this.#jt = Uint8Array.from(program, ({ jt }) => jt);
    this.#jf = Uint8Array.from(program, ({ jf }) => jf);
    this.#k = Uint32Array.from(program, ({ k }) => k);
  }

  /** Whether the frame of `captured` octets at `start` passes. */
  matches(data: DataView, start: number, captured: number, original: number): boolean {
    const end = start + captured;
    let a = 0;
    let x = 0;
    for (let pc = 0; pc < this.#code.length; pc++) {
      const code = this.#code[pc];
      const k = this.#k[pc];
      switch (code & 0x07) {
        case LD:
          if (!this.#load(data, code, start, end, k, x, original)) return false;
          a = this.#loaded;
          break;
        case LDX:
          if (!this.#loadX(data, code, start, end, k, original)) return false;
          x = this.#loaded;
          break;
        case ST:
          this.#memory[k & (MEMORY_WORDS - 1)] = a;
          break;
        case STX:
          this.#memory[k & (MEMORY_WORDS - 1)] = x;
          break;
        case ALU: {
          const result = calculate(code, a, (code & FROM_X) !== 0 ? x : k);
          // Division by zero rejects.
          if (result < 0) return false;
          a = result;
          break;
        }
        case JMP:
          pc += this.#jump(pc, code, a, (code & FROM_X) !== 0 ? x : k);
          break;
        case RET:
          return ((code & 0x18) === RET_A ? a : k) !== 0;
        default:
          if ((code & 0xf8) === TXA) a = x;
          else x = a;
      }
    }
    return false;
  }

  #load(
    data: DataView,
    code: number,
    start: number,
    end: number,
    k: number,
    x: number,
    original: number,
  ): boolean {
    switch (code & MODE_MASK) {
      case IMMEDIATE:
        this.#loaded = k;
        return true;
      case MEMORY:
        this.#loaded = this.#memory[k & (MEMORY_WORDS - 1)];
        return true;
      case LENGTH:
        this.#loaded = original;
        return true;
      case ABSOLUTE:
        return this.#loadOctets(data, code & SIZE_MASK, start + k, end);
      case INDIRECT:
        return this.#loadOctets(data, code & SIZE_MASK, start + x + k, end);
      default:
        return false;
    }
  }

  #loadX(
    data: DataView,
    code: number,
    start: number,
    end: number,
    k: number,
    original: number,
  ): boolean {
    if ((code & MODE_MASK) !== HEADER_LENGTH)
      return this.#load(data, code, start, end, k, 0, original);
    if (start + k >= end) return false;
    this.#loaded = (data.getUint8(start + k) & 0x0f) << 2;
    return true;
  }

  #loadOctets(data: DataView, size: number, at: number, end: number): boolean {
    const bytes = size === WORD ? 4 : size === HALF ? 2 : 1;
    if (at + bytes > end) return false;
    if (size === WORD) this.#loaded = data.getUint32(at);
    else this.#loaded = size === HALF ? data.getUint16(at) : data.getUint8(at);
    return true;
  }

  #jump(pc: number, code: number, a: number, operand: number): number {
    let holds: boolean;
    switch (code & 0xf0) {
      case 0x00:
        return this.#k[pc];
      case 0x10:
        holds = a === operand;
        break;
      case 0x20:
        holds = a > operand;
        break;
      case 0x30:
        holds = a >= operand;
        break;
      default:
        holds = (a & operand) !== 0;
    }
    return holds ? this.#jt[pc] : this.#jf[pc];
  }
}

/** Unsigned 32-bit arithmetic; -1 for a division by zero. */
function calculate(code: number, a: number, operand: number): number {
  switch (code & 0xf0) {
    case 0x00:
      return (a + operand) >>> 0;
    case 0x10:
      return (a - operand) >>> 0;
    case 0x20:
      return Math.imul(a, operand) >>> 0;
    case 0x30:
      return operand === 0 ? -1 : Math.floor(a / operand);
    case 0x40:
      return (a | operand) >>> 0;
    case 0x50:
      return (a & operand) >>> 0;
    case 0x60:
      return operand > 31 ? 0 : (a << operand) >>> 0;
    case 0x70:
      return operand > 31 ? 0 : a >>> operand;
    case 0x80:
      return -a >>> 0;
    case 0x90:
      return operand === 0 ? -1 : a % operand;
    default:
      return (a ^ operand) >>> 0;
  }
}
