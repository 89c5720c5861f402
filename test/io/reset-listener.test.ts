/** Which packets are resets of this machine's own kernel. */
import { describe, expect, test } from 'vitest';
import { type IpAddress, parseAddress } from '../../src/base/address.ts';
import { resetFilter } from '../../src/io/receive/reset-listener.ts';
import { EtherType } from '../../src/wire/ethernet.ts';
import { ACK, ipv4, ipv6, RST, SYN, type TcpSpec, tcp } from '../helpers/packets.ts';
import { runBpf } from './bpf-interpreter.ts';

const addressOf = (text: string): IpAddress => {
  const address = parseAddress(text);
  if (address === null) throw new Error(`${text} is no address`);
  return address;
};

const RESET: TcpSpec = { sourcePort: 5_000, destinationPort: 80, seq: 0, flags: RST };
const NOTHING_OF_OURS: readonly [string, TcpSpec][] = [
  ['a SYN', { flags: SYN }],
  ['an acknowledgement', { flags: ACK }],
  ['a reset from another port', { sourcePort: 5_001 }],
  ['a reset for another port', { destinationPort: 81 }],
  ['a reset of an older connection', { seq: 7 }],
];

describe.each([
  { family: 4, prefix: '10.0.0.' },
  { family: 6, prefix: 'fd00::' },
] as const)('a filter for resets of IPv$family', ({ family, prefix }) => {
  const filter = resetFilter({
    client: addressOf(`${prefix}2`),
    clientPort: 5_000,
    target: addressOf(`${prefix}5`),
    targetPort: 80,
    iss: 0xffff_ffff,
  });
  /** Of the addresses the last number. */
  const packet = (spec: TcpSpec, source = 2, destination = 5) => {
    const body = tcp({ ...RESET, ...spec });
    return family === 4
      ? ipv4(body, { source: `${prefix}${source}`, destination: `${prefix}${destination}` })
      : ipv6(body, { source, destination });
  };
  const etherType = family === 4 ? EtherType.IPV4 : EtherType.IPV6;
  const sees = (octets: Uint8Array, type: number = etherType) => runBpf(filter, octets, type) > 0;

  test('sees one with and without an acknowledgement', () => {
    expect([sees(packet({})), sees(packet({ flags: RST | ACK }))]).toEqual([true, true]);
    const ends = { source: '10.0.0.2', destination: '10.0.0.5' };
    if (family === 4) expect(sees(ipv4(tcp(RESET), { ...ends, options: [1, 1, 1, 0] }))).toBe(true);
  });

  test.each(NOTHING_OF_OURS)('does not see %s', (_, spec) => {
    expect(sees(packet(spec))).toBe(false);
  });

  test('does not see those of others, the answers of the target, and other protocols', () => {
    expect([sees(packet({}, 6, 5)), sees(packet({}, 2, 6))]).toEqual([false, false]);
    expect(sees(packet({}, 5, 2))).toBe(false);
    expect(sees(packet({}), EtherType.ARP)).toBe(false);
    expect(sees(packet({}).subarray(0, family === 4 ? 30 : 50))).toBe(false);
  });
});
