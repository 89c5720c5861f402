/** Modules that are called where an interrupt has to be heard. */
import { expect, test } from 'vitest';
import { watchedModules } from '../../src/replay/watched-modules.ts';
import type { ProtocolModule } from '../../src/rewrite/module.ts';
import { stoppedModules } from '../../src/run/plan/stopped-modules.ts';

/** What a module's functions return as they are given it. */
const moduleOf = (members: object): ProtocolModule =>
  ({ name: 'm', plan: () => null, client: () => 1, connection: () => 2, ...members }) as never;

test('a call that returns is what it was, and what it throws is thrown', () => {
  const told: unknown[] = [];
  const module = moduleOf({
    base: 40,
    connection(this: { base: number }, a: number, b: number) {
      return this.base + a + b;
    },
    dialogue: () => {
      throw new RangeError('out of range');
    },
  });
  const [stopped] = stoppedModules([module], (...each) => told.push(each));
  expect(stopped.connection(1, 1 as never)).toBe(42);
  expect(() => stopped.dialogue?.(0, new Uint8Array(0))).toThrow(RangeError);
  expect(stopped).not.toHaveProperty('rewrite');
  expect(told).toEqual([]);
});

test('one that does not return has thrown, and so does whatever else its module is asked', () => {
  const told: unknown[] = [];
  let calls = 0;
  const endless = moduleOf({
    onEnd: () => {
      for (calls++; ; );
    },
  });
  const called = new Int32Array(1);
  const stopped = stoppedModules([moduleOf({}), endless], (...each) => told.push(each), 50);
  const [sound, stuck] = watchedModules(stopped, called, 0);
  expect(() => stuck.onEnd?.(0)).toThrow('has not returned for 50 ms');
  expect(() => stuck.client({} as never)).toThrow('has not returned for 50 ms');
  expect(called[0]).toBe(0);
  expect(calls).toBe(1);
  expect(sound.client({} as never)).toBe(1);
  expect(told).toEqual([[1, 'has not returned for 50 ms']]);
});
