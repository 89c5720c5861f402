/** The machine's network interfaces, as `ip -json` tells them. */
import { addressBytes, parseAddress } from '../../base/address.ts';
import { ReplayError } from '../../base/errors.ts';
import { parseMac } from '../../wire/ethernet.ts';
import { runCommand } from './commands.ts';

/** An address of an interface, and how many of its bits its link has in common. */
export interface InterfaceAddress {
  /** 4 or 16 octets. */
  readonly address: Uint8Array;
  readonly prefixBits: number;
}

/** A network interface and what the kernel says of it. */
export interface NetworkInterface {
  readonly name: string;
  readonly index: number;
  readonly mtu: number;
  /** What stands before an IP header: `ether` and `loopback` 14 octets, `none` nothing. */
  readonly linkType: string;
  /** Six octets; null where the link has none. */
  readonly mac: Uint8Array | null;
  readonly isUp: boolean;
  /** Whether neighbours have to be asked for their MAC. */
  readonly asksNeighbours: boolean;
  readonly addresses: readonly InterfaceAddress[];
}

interface IpAddressJson {
  readonly ifname: string;
  readonly ifindex: number;
  readonly mtu: number;
  readonly link_type: string;
  readonly address?: string;
  readonly flags: readonly string[];
  readonly addr_info: readonly { readonly local?: string; readonly prefixlen: number }[];
}

/**
 * All interfaces of this thread's network namespace.
 * @throws ReplayError ERR_IO_NO_IP_COMMAND
 */
export function readInterfaces(): NetworkInterface[] {
  const answer = ipJson(['address', 'show']);
  if (answer.failure !== null) throw noIpCommand(answer.failure);
  // An interface that vanishes while `ip` lists them shows as an empty entry.
  const entries = (answer.value as Partial<IpAddressJson>[]).filter(isWhole);
  return entries.map((entry) => ({
    name: entry.ifname,
    index: entry.ifindex,
    mtu: entry.mtu,
    linkType: entry.link_type,
    mac: parseMac(entry.address ?? ''),
    isUp: entry.flags.includes('UP'),
    asksNeighbours: !entry.flags.includes('NOARP') && !entry.flags.includes('LOOPBACK'),
    addresses: entry.addr_info.flatMap(({ local, prefixlen }) => {
      const address = parseOctets(local ?? '');
      return address === null ? [] : [{ address, prefixBits: prefixlen }];
    }),
  }));
}

/**
 * The interface of that name, which must be up.
 * @param all interfaces that there are, where somebody has read them already
 * @throws ReplayError ERR_IO_NO_INTERFACE, ERR_IO_INTERFACE_DOWN
 */
export function findInterface(
  name: string,
  all: readonly NetworkInterface[] = readInterfaces(),
): NetworkInterface {
  const found = all.find((one) => one.name === name);
  if (found === undefined) {
    throw new ReplayError({
      code: 'ERR_IO_NO_INTERFACE',
      kind: 'environment',
      message: `there is no interface ${name}; there are ${all.map((one) => one.name).join(', ')}`,
      hint: 'name one of these with --interface',
    });
  }
  if (found.isUp) return found;
  throw new ReplayError({
    code: 'ERR_IO_INTERFACE_DOWN',
    kind: 'environment',
    message: `interface ${name} is down`,
    hint: `ip link set ${name} up`,
  });
}

/**
 * Whether an interface is a bridge.
 * @throws ReplayError ERR_IO_NO_IP_COMMAND
 */
export const isBridge = (name: string): boolean => {
  const { failure, value } = ipJson(['link', 'show', 'dev', name, 'type', 'bridge']);
  return (
    failure === null && (value as Partial<IpAddressJson>[]).some(({ ifname }) => ifname === name)
  );
};

/** The 4 or 16 octets of an address's text form, or null. */
export function parseOctets(text: string): Uint8Array | null {
  const address = parseAddress(text);
  return address === null ? null : addressBytes(address);
}

/** Whether the first `bits` bits are the same; addresses of two versions never share any. */
export function sharePrefix(a: Uint8Array, b: Uint8Array, bits: number): boolean {
  if (a.length !== b.length) return false;
  return a.every((octet, i) => {
    const left = Math.min(8, Math.max(0, bits - 8 * i));
    return ((octet ^ b[i]) & (0xff00 >>> left) & 0xff) === 0;
  });
}

type IpAnswer =
  | { readonly failure: null; readonly value: unknown }
  /** What `ip` wrote before it failed. */
  | { readonly failure: string; readonly value: null };

/**
 * What `ip -json …` answers, or why it does not.
 * @throws ReplayError ERR_IO_NO_IP_COMMAND
 */
export function ipJson(argv: readonly string[]): IpAnswer {
  const answer = runCommand('ip', ['-json', ...argv]);
  if (answer.failure === null) {
    const text = answer.stdout.trim();
    return { failure: null, value: text === '' ? [] : JSON.parse(text) };
  }
  if (answer.isMissing) throw noIpCommand(answer.failure);
  return { failure: answer.failure, value: null };
}

const noIpCommand = (why: string): ReplayError =>
  new ReplayError({
    code: 'ERR_IO_NO_IP_COMMAND',
    kind: 'environment',
    message: `the command ip does not answer: ${why}`,
    hint: 'install iproute2, which brings ip',
  });

const isWhole = (entry: Partial<IpAddressJson>): entry is IpAddressJson =>
  entry.ifname !== undefined && entry.ifindex !== undefined && entry.addr_info !== undefined;
