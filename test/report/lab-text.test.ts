import { expect, test } from 'vitest';
import { labText } from '../../src/report/lab-text.ts';

const notRun = { mode: 'nfqueue', code: null, result: null, why: 'needs iptables' };
const failed = { mode: 'own', code: 5, result: null, why: 'nothing listens there; start it' };

test('modes without a result are columns, too, and say why', () => {
  const lines = labText([failed, notRun], false, 80).split('\n');
  expect(lines[0]).toBe('✗ 0 of 1 mode did what was asked for; 1 not run');
  expect(lines[2]).toBe('                   own  nfqueue');
  expect(lines[3]).toBe('verdict          ✗ (5)  not run');
  expect(lines.slice(-3)).toEqual([
    'own: nothing listens there; start it',
    'nfqueue: not run: needs iptables',
    '',
  ]);
});
