import { describe, expect, test } from 'vitest';
import { readCaptureOptions } from '../../src/cli/capture-options.ts';
import { GivenOptions } from '../../src/cli/given-options.ts';
import { CAPTURE_ROWS } from '../../src/cli/options/capture-table.ts';
import { optionTable } from '../../src/cli/options/option.ts';
import { FaultList, UsageError } from '../../src/cli/usage-error.ts';

/** Reads options written as `{ name: value }`. */
function read(parsed: Record<string, unknown>) {
  const faults = new FaultList();
  const table = optionTable(CAPTURE_ROWS);
  const given = new GivenOptions({ table, parsed, env: {}, faults });
  const choice = readCaptureOptions(given.read(table), given, faults);
  faults.throwIfAny();
  return choice;
}

const v4 = (low: number) => ({ family: 4, prefix: new Uint8Array(0), low });

describe('what is selected', () => {
  test.each([
    { name: 'nothing given: everything', parsed: {}, expected: { selection: {} } },
    {
      name: 'a filter',
      parsed: { filter: 'tcp port 80' },
      expected: { filter: 'tcp port 80', selection: {} },
    },
    { name: 'strictness', parsed: { strict: true }, expected: { strict: true, selection: {} } },
    { name: 'an index', parsed: { index: true }, expected: { store: true, selection: {} } },
    {
      name: 'servers',
      parsed: { server: '80,10.0.0.1:8080,10.0.0.2' },
      expected: {
        selection: {
          servers: [
            { address: null, port: 80 },
            { address: v4(0x0a00_0001), port: 8080 },
            { address: v4(0x0a00_0002), port: null },
          ],
        },
      },
    },
    {
      name: 'clients',
      parsed: { client: ['10.0.0.0/8', '10.1.1.1'] },
      expected: {
        selection: {
          clients: [
            { address: v4(0x0a00_0000), prefixBits: 8 },
            { address: v4(0x0a01_0101), prefixBits: 32 },
          ],
        },
      },
    },
    {
      name: 'a window from the first packet',
      parsed: { from: '90s', until: '5m' },
      expected: { selection: { fromAfterNs: 90e9, untilAfterNs: 300e9 } },
    },
    {
      name: 'a window by date',
      parsed: { from: '2026-01-31T12:00:00Z', until: '1769860801.5' },
      expected: { selection: { fromSeconds: 1_769_860_800, untilSeconds: 1_769_860_801.5 } },
    },
    {
      name: 'numbers',
      parsed: { 'session-index': '0,5-9' },
      expected: {
        selection: {
          indices: [
            { first: 0, last: 0 },
            { first: 5, last: 9 },
          ],
        },
      },
    },
    {
      name: 'sizes',
      parsed: { 'min-bytes': '1kB', 'max-bytes': '2MB' },
      expected: { selection: { bytesMin: 1000, bytesMax: 2_000_000 } },
    },
    {
      name: 'a share in percent',
      parsed: { fraction: '10%' },
      expected: { selection: { fraction: 0.1 } },
    },
    {
      name: 'a share as a number',
      parsed: { fraction: '0.25' },
      expected: { selection: { fraction: 0.25 } },
    },
    {
      name: 'what is not whole',
      parsed: { include: 'mid-stream,holed' },
      expected: { selection: { include: ['mid-stream', 'holed'] } },
    },
  ])('$name', ({ parsed, expected }) => {
    expect(read(parsed)).toEqual(expected);
  });

  test('IPv6', () => {
    const { selection } = read({ server: '[fd00::1]:80', client: 'fd00::/16' });
    expect(selection?.servers).toMatchObject([{ address: { family: 6, low: 1 }, port: 80 }]);
    expect(selection?.clients).toMatchObject([{ address: { family: 6, low: 0 }, prefixBits: 16 }]);
  });
});

describe('what is wrong is said, with the option', () => {
  test.each([
    { option: 'server', value: 'nobody:80' },
    { option: 'server', value: '10.0.0.1:99999' },
    { option: 'server', value: '70000' },
    { option: 'client', value: '10.0.0.0/33' },
    { option: 'client', value: 'me' },
    { option: 'from', value: 'soon' },
    { option: 'until', value: '2026-13-45' },
    { option: 'session-index', value: '9-5' },
    { option: 'session-index', value: 'first' },
    { option: 'min-bytes', value: 'many' },
    { option: 'fraction', value: '110%' },
    { option: 'fraction', value: '2' },
    { option: 'include', value: 'hole' },
  ])('--$option $value', ({ option, value }) => {
    const fault = (() => {
      try {
        return read({ [option]: value });
      } catch (reason) {
        return reason;
      }
    })();
    expect(fault).toBeInstanceOf(UsageError);
    expect((fault as UsageError).faults).toHaveLength(1);
    expect((fault as UsageError).message).toContain(`--${option}`);
  });
});
