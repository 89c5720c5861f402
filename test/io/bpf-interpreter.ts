import type { BpfInstruction } from '../../src/base/bpf-instruction.ts';
import { BPF_ETHER_TYPE, BPF_INTERFACE, BPF_PACKET_TYPE } from '../../src/io/filter/bpf.ts';

/**
 * What a classic-BPF program returns for a packet, step by step as Documentation/networking/filter.rst
 * has it: the oracle of the filters' tests. It knows every instruction that the kernel lets a socket
 * filter use for loads, arithmetic and jumps, and throws on any other.
 */
export function runBpf(
  program: readonly BpfInstruction[],
  packet: Uint8Array,
  etherType: number,
  interfaceIndex = 0,
  packetType = 0,
): number {
  const data = new DataView(packet.buffer, packet.byteOffset, packet.byteLength);
  const memory = new Map<number, number>();
  let a = 0;
  let x = 0;
  for (let at = 0; ; at++) {
    const instruction = program.at(at);
    if (instruction === undefined) throw new Error('the program runs over its end');
    const { code, jt, jf, k } = instruction;
    const [kind, size, mode] = [code & 0x07, code & 0x18, code & 0xe0];
    if (kind === 0x06) return (code & 0x18) === 0x10 ? a : k;
    if (kind === 0x05) {
      const operation = code & 0xf0;
      if (operation === 0) {
        at += k;
        continue;
      }
      const operand = code & 0x08 ? x : k;
      at += compare(operation, a, operand) ? jt : jf;
    } else if (kind === 0x04) {
      a = calculate(code & 0xf0, a, code & 0x08 ? x : k);
    } else if (kind === 0x02) {
      memory.set(k, a);
    } else if (kind === 0x03) {
      memory.set(k, x);
    } else if (kind === 0x07) {
      if ((code & 0xf8) === 0) x = a;
      else a = x;
    } else if (mode === 0x60) {
      const word = memory.get(k);
      if (word === undefined) throw new Error(`memory ${k} is read before it is written`);
      if (kind === 0x00) a = word;
      else x = word;
    } else if (kind === 0x01 && mode === 0xa0) {
      if (k >= packet.length) return 0;
      x = 4 * (data.getUint8(k) & 0x0f);
    } else if (kind === 0x00 && mode === 0x00) {
      a = k;
    } else if (kind === 0x00 && mode === 0x20 && k === BPF_ETHER_TYPE) {
      a = etherType;
    } else if (kind === 0x00 && mode === 0x20 && k === BPF_INTERFACE) {
      a = interfaceIndex;
    } else if (kind === 0x00 && mode === 0x20 && k === BPF_PACKET_TYPE) {
      a = packetType;
    } else if (kind === 0x00 && (mode === 0x20 || mode === 0x40)) {
      const bytes = size === 0x00 ? 4 : size === 0x08 ? 2 : 1;
      const from = mode === 0x20 ? k : x + k;
      if (from + bytes > packet.length) return 0;
      a =
        bytes === 4
          ? data.getUint32(from)
          : bytes === 2
            ? data.getUint16(from)
            : data.getUint8(from);
    } else {
      throw new Error(`instruction ${at} has code 0x${code.toString(16)}`);
    }
  }
}

function compare(operation: number, a: number, operand: number): boolean {
  switch (operation) {
    case 0x10:
      return a === operand;
    case 0x20:
      return a > operand;
    case 0x30:
      return a >= operand;
    case 0x40:
      return (a & operand) !== 0;
    default:
      throw new Error(`jump 0x${operation.toString(16)}`);
  }
}

function calculate(operation: number, a: number, operand: number): number {
  switch (operation) {
    case 0x00:
      return (a + operand) >>> 0;
    case 0x10:
      return (a - operand) >>> 0;
    case 0x20:
      return Math.imul(a, operand) >>> 0;
    case 0x30:
      if (operand === 0) throw new Error('division by zero');
      return Math.floor(a / operand);
    case 0x50:
      return (a & operand) >>> 0;
    case 0x60:
      return (a << operand) >>> 0;
    case 0x70:
      return a >>> operand;
    case 0x90:
      if (operand === 0) throw new Error('modulo zero');
      return a % operand;
    default:
      throw new Error(`operation 0x${operation.toString(16)}`);
  }
}
