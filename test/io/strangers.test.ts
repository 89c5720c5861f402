import { describe, expect, test } from 'vitest';
import {
  STRANGERS_MAX,
  STRANGERS_OF_ADDRESS_MAX,
  Strangers,
} from '../../src/io/channel/strangers.ts';

const many = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

describe('strangers', () => {
  test('of one address make room by their own oldest', () => {
    const strangers = new Strangers<string>();
    strangers.add('replay', '10.0.0.2');
    for (const i of many(STRANGERS_OF_ADDRESS_MAX)) {
      expect(strangers.add(`idle ${i}`, '10.0.0.6')).toBeNull();
    }
    expect(strangers.add('one more', '10.0.0.6')).toBe('idle 0');
    expect(strangers.add('and one', '10.0.0.6')).toBe('idle 1');
    expect(strangers.size).toBe(STRANGERS_OF_ADDRESS_MAX + 1);
  });

  test('of many addresses make room by the oldest of the address that has most', () => {
    const strangers = new Strangers<string>();
    for (const i of many(STRANGERS_MAX - 1)) strangers.add(`one ${i}`, `10.0.1.${i}`);
    strangers.add('another of 7', '10.0.1.7');
    expect(strangers.add('replay', '10.0.0.2')).toBe('one 7');
    expect(strangers.size).toBe(STRANGERS_MAX);
  });

  test('that have gone take no room', () => {
    const strangers = new Strangers<number>();
    for (const i of many(STRANGERS_OF_ADDRESS_MAX)) strangers.add(i, '10.0.0.6');
    strangers.delete(3);
    strangers.delete(3);
    expect(strangers.add(99, '10.0.0.6')).toBeNull();
    expect(strangers.add(100, '10.0.0.6')).toBe(0);
  });
});
