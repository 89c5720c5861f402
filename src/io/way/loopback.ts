/**
 * A target that is this machine itself. Its frames go in at the loopback interface, and its replies
 * must come out there as well, or they would leave by the default route for the world.
 *
 * Tried on Linux 6.18: IPv4 works once the client range has a route to `lo`, and for a target in
 * 127.0.0.0/8 once `route_localnet` is on. IPv6 does not work: the kernel turns a route to `lo` into
 * one that rejects. None of this is needed for clients that are the machine's own addresses
 * (io/rules/reply-drop.ts).
 */
import { readFileSync } from 'node:fs';
import { type AddressRange, addressAt, formatAddress, type IpAddress } from '../../base/address.ts';
import { ReplayError } from '../../base/errors.ts';
import { ipJson } from './interfaces.ts';

const LOOPBACK_FIRST_OCTET = 127;

/**
 * Refuses a target on this machine whose replies would not come back by `lo`.
 * @throws ReplayError ERR_IO_LOOPBACK (unreachable), with the command that mends it
 */
export function requireLoopback(target: IpAddress, ranges: readonly AddressRange[]): void {
  const text = formatAddress(target);
  if (target.family === 6) {
    throw fault(
      `${text} is this machine's own address, and IPv6 replies cannot be routed to lo`,
      '--clients own, or run the target in a network namespace or on another machine, or use its IPv4 address',
    );
  }
  if (target.low >>> 24 === LOOPBACK_FIRST_OCTET && !isRouteLocalnet()) {
    throw fault(
      `the kernel drops what comes to ${text} from other addresses`,
      '--clients own, or: sysctl -w net.ipv4.conf.lo.route_localnet=1',
    );
  }
  for (const range of ranges) {
    requireRouteToLo(addressAt(range, 0));
    requireRouteToLo(addressAt(range, range.count - 1));
  }
}

function requireRouteToLo(client: IpAddress): void {
  const text = formatAddress(client);
  const answer = ipJson(['route', 'get', text]);
  const route = (answer.value as { dev: string; type?: string }[] | null)?.at(0);
  if (route?.type === 'local') {
    throw fault(
      `client ${text} is this machine's own address, and the kernel would reset its connections`,
      "give a client pool without it, or nothing but this machine's own: --clients own",
    );
  }
  if (route?.dev === 'lo') return;
  throw fault(
    `replies to client ${text} would leave this machine: the target is on it`,
    `--clients own, or: ip route add ${text}/32 dev lo, or better the whole client pool`,
  );
}

/** The setting of `lo` and the one of all interfaces: one of them is enough. */
const isRouteLocalnet = (): boolean =>
  ['lo', 'all'].some((name) => {
    const path = `/proc/sys/net/ipv4/conf/${name}/route_localnet`;
    return readFileSync(path, 'utf8').trim() !== '0';
  });

const fault = (message: string, hint: string): ReplayError =>
  new ReplayError({ code: 'ERR_IO_LOOPBACK', kind: 'unreachable', message, hint });
