/** Which ports replays have at the machine's own addresses. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { countPorts, formatPorts } from '../../src/base/port-range.ts';
import { choosePorts, parseLocalPorts, parseReserved } from '../../src/io/way/own-ports.ts';
import { portsOf } from '../helpers/port-ranges.ts';

const USE = { ephemeral: { first: 32_768, last: 60_999 }, reserved: [], used: [] };
const text = (ports: ReturnType<typeof choosePorts>) =>
  ports === null ? null : formatPorts(ports.ports);

describe('ports for own addresses', () => {
  test("are by default those outside the kernel's own range: 36,280", () => {
    const chosen = choosePorts(null, USE);
    expect(text(chosen)).toBe('1024-32767,61000-65535');
    expect(chosen === null ? 0 : countPorts(chosen.ports)).toBe(36_280);
    expect(chosen?.shared).toBeNull();
  });

  test('leave out those that sockets have, and those that somebody has reserved', () => {
    const use = { ...USE, used: [8_080, 22, 45_000], reserved: [{ first: 61_000, last: 61_009 }] };
    expect(text(choosePorts(null, use))).toBe('1024-8079,8081-32767,61010-65535');
  });

  test("that were asked for are taken from the kernel's range too, and that is told", () => {
    const chosen = choosePorts({ first: 30_000, last: 65_535 }, { ...USE, used: [40_000] });
    expect(text(chosen)).toBe('30000-39999,40001-65535');
    expect(chosen?.shared?.ports).toMatchObject({ first: 32_768, last: 60_999 });
    const reserved = [{ first: 32_768, last: 60_999 }];
    const kept = choosePorts({ first: 30_000, last: 65_535 }, { ...USE, reserved });
    expect([text(kept), kept?.shared]).toEqual(['30000-65535', null]);
  });

  test.each([
    ['a part of its range', 58_000, 58_999, [], 'ip_local_reserved_ports=58000-58999'],
    [
      'what was reserved before stays so',
      58_000,
      58_999,
      [8_080, 9_000],
      'ip_local_reserved_ports=8080,9000,58000-58999',
    ],
    ['all but some of its range', 1_024, 60_500, [], "ip_local_port_range='60501 65535'"],
    ['with those below left to it', 20_000, 65_535, [], "ip_local_port_range='1024 19999'"],
    ['every port', 1_024, 65_535, [], "ip_local_port_range='64000 65535'"],
  ])('that are shared with the kernel: it keeps others (%s)', (_, first, last, held, setting) => {
    const reserved = held.map((port) => ({ first: port, last: port }));
    const { shared } = choosePorts({ first, last }, { ...USE, reserved }) ?? {};
    const fewer = last - first > 64_000 ? '--ports 1024-63999, and ' : '';
    expect(shared?.apart).toBe(`${fewer}sysctl -w net.ipv4.${setting}`);
  });

  test('that are all in use are none', () => {
    expect(choosePorts({ first: 80, last: 81 }, { ...USE, used: [81, 80] })).toBeNull();
  });

  test('are never one that is in use, however many are', () => {
    const used = fc.array(fc.integer({ min: 1, max: 65_535 }), { minLength: 100, maxLength: 300 });
    fc.assert(
      fc.property(used, (list) => {
        const chosen = choosePorts(null, { ...USE, used: list });
        const ports = chosen === null ? [] : portsOf(chosen.ports);
        const taken = new Set(list);
        expect(ports.filter((port) => taken.has(port))).toEqual([]);
        expect(ports.filter((port) => port >= 32_768 && port < 61_000)).toEqual([]);
        expect(chosen?.ports.without?.length ?? 0).toBeLessThan(64);
        expect(ports.length).toBeGreaterThan(5_000);
      }),
      { numRuns: 30 },
    );
  });
});

test('the table of sockets is read as the kernel writes it', () => {
  const table = [
    '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode',
    '   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1',
    '  12: 02004D0A:8001 01004D0A:0050 01 00000000:00000000 00:00000000 00000000     0        0 2',
  ].join('\n');
  expect(parseLocalPorts(table)).toEqual([8_080, 32_769]);
  const six =
    '   0: 00000000000000000000000001000000:0050 00000000000000000000000000000000:0000 0A 0:0';
  expect(parseLocalPorts(six)).toEqual([80]);
  expect(parseLocalPorts('')).toEqual([]);
});

test.each([
  ['', []],
  ['8080', [{ first: 8_080, last: 8_080 }]],
  [
    '8080,9148-9150\n',
    [
      { first: 8_080, last: 8_080 },
      { first: 9_148, last: 9_150 },
    ],
  ],
])("reserved ports '%s'", (line, spans) => {
  expect(parseReserved(line)).toEqual(spans);
});
