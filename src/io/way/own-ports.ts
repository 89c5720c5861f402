/** Which ports replays may use at this machine's own addresses without getting in anybody's way. */
import { readFileSync } from 'node:fs';
import {
  countPorts,
  formatPorts,
  joinSpans,
  type PortRange,
  type PortSpan,
  portSpans,
  withoutPorts,
} from '../../base/port-range.ts';

/** Below it are services, and to bind there takes privilege. */
const UNPRIVILEGED_FIRST = 1_024;
const PORT_MAX = 0xffff;
/** Rules and the kernel's filter grow with the spans between holes: of more the longest count. */
const SPANS_MAX = 64;
const EPHEMERAL_DEFAULT = { first: 32_768, last: 60_999 } as const;
/** As few ports are left to the kernel: without any this machine connects to nobody, and resolves no name. */
const KERNEL_PORTS_MIN = 1_000;
/** As many as can be asked for with enough left to the kernel. */
export const PORTS_MOST: PortSpan = { first: UNPRIVILEGED_FIRST, last: 63_999 };

/** What the machine does with its ports. */
export interface PortUse {
  /** What the kernel gives to connections of its own (net.ipv4.ip_local_port_range). */
  readonly ephemeral: PortSpan;
  /** What it does not give away although it lies there (net.ipv4.ip_local_reserved_ports). */
  readonly reserved: readonly PortSpan[];
  /** Local ports of its TCP sockets, listening ones among them. */
  readonly used: readonly number[];
}

/** Ports for own addresses. */
export interface OwnPorts {
  readonly ports: PortRange;
  /** What was asked for that the kernel may give to connections of its own, too; null: nothing. */
  readonly shared: SharedPorts | null;
}

/** Ports that a run and the kernel's own connections may both have. */
export interface SharedPorts {
  readonly ports: PortRange;
  /** The command that keeps the kernel from them and leaves it others. */
  readonly apart: string;
}

/**
 * The ports that are left of those asked for; without a question those outside the kernel's own range
 * that nobody has reserved. null: none is left.
 */
export function choosePorts(asked: PortSpan | null, use: PortUse): OwnPorts | null {
  const used = use.used.map((port) => ({ first: port, last: port }));
  const span = asked ?? { first: UNPRIVILEGED_FIRST, last: PORT_MAX };
  const others = asked === null ? [use.ephemeral, ...use.reserved] : [];
  const left = withoutPorts(span, [...used, ...others]);
  const ports = left === null ? null : joinSpans(longest(portSpans(left), SPANS_MAX));
  if (ports === null) return null;
  return { ports, shared: asked === null ? null : sharedOf(asked, use) };
}

function sharedOf(asked: PortSpan, { ephemeral, reserved }: PortUse): SharedPorts | null {
  const ports = withoutPorts(asked, [...complementOf(ephemeral), ...reserved]);
  return ports === null ? null : { ports, apart: apartFrom(asked, { ephemeral, reserved }) };
}

/** Reserved as well, where enough of the kernel's range is left; else its range is put elsewhere. */
function apartFrom(asked: PortSpan, { ephemeral, reserved }: Omit<PortUse, 'used'>): string {
  const left = withoutPorts(ephemeral, [...reserved, asked]);
  if (left !== null && countPorts(left) >= KERNEL_PORTS_MIN) {
    // The setting is written as a whole: what was reserved before stays so.
    const all = { first: 1, last: PORT_MAX };
    const free = withoutPorts(all, [...reserved, ...overlapOf(asked, ephemeral)]);
    const kept = free === null ? all : withoutPorts(all, portSpans(free));
    return `sysctl -w net.ipv4.ip_local_reserved_ports=${kept === null ? '' : formatPorts(kept)}`;
  }
  const unprivileged = { first: UNPRIVILEGED_FIRST, last: PORT_MAX };
  const outside = withoutPorts(unprivileged, [asked]);
  const widest = outside === null ? undefined : longest(portSpans(outside), 1).at(0);
  if (widest !== undefined && countPorts(widest) >= KERNEL_PORTS_MIN) return rangeCommand(widest);
  const { first, last } = PORTS_MOST;
  return `--ports ${first}-${last}, and ${rangeCommand({ first: last + 1, last: PORT_MAX })}`;
}

const rangeCommand = ({ first, last }: PortSpan): string =>
  `sysctl -w net.ipv4.ip_local_port_range='${first} ${last}'`;

const overlapOf = (one: PortSpan, other: PortSpan): PortSpan[] => {
  const first = Math.max(one.first, other.first);
  const last = Math.min(one.last, other.last);
  return first <= last ? [{ first, last }] : [];
};

const complementOf = ({ first, last }: PortSpan): PortSpan[] => [
  { first: 0, last: first - 1 },
  { first: last + 1, last: PORT_MAX },
];

const longest = (spans: readonly PortSpan[], most: number): PortSpan[] =>
  [...spans]
    .sort((a, b) => countPorts(b) - countPorts(a))
    .slice(0, most)
    .sort((a, b) => a.first - b.first);

/** How this thread's network namespace uses its ports. */
export function readPortUse(): PortUse {
  const [first, last] = readText('/proc/sys/net/ipv4/ip_local_port_range').split(/\s+/).map(Number);
  const isKnown = first > 0 && last >= first;
  return {
    ephemeral: isKnown ? { first, last } : EPHEMERAL_DEFAULT,
    reserved: parseReserved(readText('/proc/sys/net/ipv4/ip_local_reserved_ports')),
    used: ['tcp', 'tcp6'].flatMap((table) =>
      parseLocalPorts(readText(`/proc/thread-self/net/${table}`)),
    ),
  };
}

/** `8080,9148-9150` */
export const parseReserved = (text: string): PortSpan[] =>
  text
    .trim()
    .split(',')
    .filter((part) => part !== '')
    .map((part) => {
      const [first, last = first] = part.split('-').map(Number);
      return { first, last };
    });

/** The local ports in a table like /proc/net/tcp: `  0: 0100007F:1F90 00000000:0000 0A …`. */
export const parseLocalPorts = (table: string): number[] =>
  [...table.matchAll(/^\s*\d+: [0-9A-F]+:([0-9A-F]{4}) /gm)].map(([, port]) =>
    Number.parseInt(port, 16),
  );

/** Nothing where there is no such file: a kernel without IPv6, or /proc is not mounted. */
function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return '';
  }
}
