import { describe, expect, test } from 'vitest';
import { Bpf, BpfAssembler, emitBpf } from '../../src/io/filter/bpf.ts';
import { runBpf } from './bpf-interpreter.ts';

const PACKET = Uint8Array.of(0x46, 1, 2, 3, 4, 5, 6, 7);

describe('the assembler', () => {
  test('skips as many instructions as lie between a jump and its label', () => {
    const filter = new BpfAssembler();
    filter.add(Bpf.LOAD_BYTE, 1);
    filter.jump(Bpf.JUMP_EQUAL, 1, 'one', 'other');
    filter.add(Bpf.RETURN, 9);
    filter.label('one');
    filter.add(Bpf.RETURN, 1);
    filter.label('other');
    filter.add(Bpf.RETURN, 2);
    expect(filter.assemble().at(1)).toEqual({ code: Bpf.JUMP_EQUAL, jt: 1, jf: 2, k: 1 });
    expect(runBpf(filter.assemble(), PACKET, 0)).toBe(1);
    expect(runBpf(filter.assemble(), Uint8Array.of(0, 0), 0)).toBe(2);
  });

  test('goes further than a conditional jump can', () => {
    const filter = new BpfAssembler();
    filter.goto('end');
    for (let i = 0; i < 300; i++) filter.add(Bpf.RETURN, 5);
    filter.label('end');
    filter.add(Bpf.RETURN, 7);
    expect(runBpf(filter.assemble(), PACKET, 0)).toBe(7);
  });

  test.each([
    { name: 'a label that is missing', build: (f: BpfAssembler) => f.goto('nowhere') },
    {
      name: 'a jump backwards',
      build: (f: BpfAssembler) => {
        f.label('start');
        f.goto('start');
      },
    },
    {
      name: 'a conditional jump that is too long',
      build: (f: BpfAssembler) => {
        f.jump(Bpf.JUMP_EQUAL, 1, 'end', null);
        for (let i = 0; i < 256; i++) f.add(Bpf.RETURN, 0);
        f.label('end');
        f.add(Bpf.RETURN, 0);
      },
    },
  ])('crashes on $name', ({ build }) => {
    const filter = new BpfAssembler();
    build(filter);
    expect(() => filter.assemble()).toThrow('assertion failed');
  });

  test('crashes on a label that is named twice', () => {
    const filter = new BpfAssembler();
    filter.label('here');
    expect(() => filter.label('here')).toThrow('assertion failed');
  });
});

test('instructions are written as struct sock_filter', () => {
  const program = [
    { code: Bpf.JUMP_EQUAL, jt: 3, jf: 255, k: 0x0102_0304 },
    { code: Bpf.RETURN, jt: 0, jf: 0, k: 0xffff_ffff },
  ];
  expect(Buffer.from(emitBpf(program)).toString('hex')).toBe(
    '150003ff' + '04030201' + '0600' + '0000' + 'ffffffff',
  );
});
