/** What ICMP says of a way, and what is none of our business. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { addressBytes, type IpAddress, parseAddress } from '../../src/base/address.ts';
import { readUnreachable } from '../../src/io/receive/unreachable-listener.ts';

function addressOf(text: string): IpAddress {
  const address = parseAddress(text);
  if (address === null) throw new Error(`${text} is no address`);
  return address;
}

const ENDS = {
  4: {
    client: addressOf('198.18.0.1'),
    target: addressOf('10.0.0.5'),
    router: addressOf('10.0.0.1'),
  },
  6: { client: addressOf('2001:2::1'), target: addressOf('fd77::5'), router: addressOf('fd77::1') },
} as const;

/** An IP header without what nobody looks at. */
function header(
  source: IpAddress,
  destination: IpAddress,
  protocol: number,
  options = 0,
): number[] {
  const ends = [...addressBytes(source), ...addressBytes(destination)];
  return source.family === 4
    ? [
        0x45 + options,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        64,
        protocol,
        0,
        0,
        ...ends,
        ...new Array(4 * options).fill(1),
      ]
    : [0x60, 0, 0, 0, 0, 0, protocol, 64, ...ends];
}

interface Message {
  readonly type: number;
  readonly code: number;
  readonly protocol?: number;
  readonly client?: IpAddress;
  readonly target?: IpAddress;
  readonly options?: number;
}

function packetOf(family: 4 | 6, message: Message): Uint8Array {
  const { client, target, router } = { ...ENDS[family], ...message };
  const { protocol = family === 4 ? 1 : 58, options = 0 } = message;
  const quoted = [...header(client, target, 6), 0xff, 0xff, 0, 80, 0, 0, 0, 1];
  const icmp = [message.type, message.code, 0, 0, 0, 0, 0, 0];
  return Uint8Array.from([...header(router, client, protocol, options), ...icmp, ...quoted]);
}

const read = (family: 4 | 6, packet: Uint8Array): string | null =>
  readUnreachable(packet, ENDS[family].client, ENDS[family].target);

test.each<[4 | 6, Message, string | null]>([
  [4, { type: 3, code: 13 }, '10.0.0.1 says: prohibited by a firewall (ICMP 3/13)'],
  [4, { type: 3, code: 3 }, '10.0.0.1 says: port unreachable, as firewalls reject (ICMP 3/3)'],
  [4, { type: 3, code: 1 }, '10.0.0.1 says: the host does not answer there (ICMP 3/1)'],
  [4, { type: 3, code: 99 }, '10.0.0.1 says: unreachable (ICMP 3/99)'],
  [4, { type: 3, code: 13, options: 2 }, '10.0.0.1 says: prohibited by a firewall (ICMP 3/13)'],
  [4, { type: 3, code: 4 }, null],
  [4, { type: 11, code: 0 }, null],
  [4, { type: 3, code: 13, protocol: 17 }, null],
  [4, { type: 3, code: 13, client: addressOf('198.18.0.2') }, null],
  [4, { type: 3, code: 13, target: addressOf('10.0.0.6') }, null],
  [6, { type: 1, code: 1 }, 'fd77::1 says: prohibited by a firewall (ICMPv6 1/1)'],
  [6, { type: 1, code: 0 }, 'fd77::1 says: no route (ICMPv6 1/0)'],
  [6, { type: 2, code: 0 }, null],
  [6, { type: 1, code: 1, target: addressOf('fd77::6') }, null],
])('IPv%d %j', (family, message, said) => {
  expect(read(family, packetOf(family, message))).toBe(said);
});

test('what is cut says nothing, and no octets break it', () => {
  for (const family of [4, 6] as const) {
    const whole = packetOf(family, { type: family === 4 ? 3 : 1, code: 0 });
    const addressesEnd = whole.length - 8;
    for (let bytes = 0; bytes < addressesEnd; bytes++) {
      expect(read(family, whole.subarray(0, bytes))).toBeNull();
    }
    expect(read(family, whole.subarray(0, addressesEnd))).not.toBeNull();
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 120 }), (octets) => {
        octets[0] = family << 4;
        expect(read(family, octets)).toBeNull();
      }),
    );
  }
});
