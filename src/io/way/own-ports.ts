/** Which ports replays may use at this machine's own addresses without getting in anybody's way. */
import { readFileSync } from 'node:fs';
import {
  countPorts,
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
  readonly shared: PortRange | null;
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
  const ports = left === null ? null : joinSpans(longest(portSpans(left)));
  if (ports === null) return null;
  const notGiven = [...complementOf(use.ephemeral), ...use.reserved];
  return { ports, shared: asked === null ? null : withoutPorts(asked, notGiven) };
}

const complementOf = ({ first, last }: PortSpan): PortSpan[] => [
  { first: 0, last: first - 1 },
  { first: last + 1, last: PORT_MAX },
];

const longest = (spans: readonly PortSpan[]): PortSpan[] =>
  [...spans]
    .sort((a, b) => countPorts(b) - countPorts(a))
    .slice(0, SPANS_MAX)
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
