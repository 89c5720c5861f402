/**
 * A pair of virtual interfaces that leads nowhere, and routes into it: what is routed to `gryphon-s0`
 * comes in at `gryphon-s1`, where nobody but a packet socket takes it. Neither end asks or answers
 * neighbours (arp off), neither has an address; frames bear the MAC of `gryphon-s0` itself, so that
 * the kernel at `gryphon-s1` drops them as another host's before it would route them anywhere.
 *
 * The pair bears its process's mark as an alias, and takes its routes with it when it is removed.
 */

import { readFileSync, writeFileSync } from 'node:fs';
import { formatAddress } from '../../base/address.ts';
import { type AddressBlock, formatBlock } from '../../base/address-block.ts';
import { ReplayError, undoAfter } from '../../base/errors.ts';
import { bearsDeadMark, MARK_PATTERN, ownMark } from '../rules/process-mark.ts';
import { ROOT_HINT } from '../sys/errno.ts';
import { parseBlock } from '../way/address-blocks.ts';
import { runCommand } from '../way/commands.ts';
import { ipJson } from '../way/interfaces.ts';

/** Where the routes lead, and where what they carry comes in. */
export const SINK_DEVICE = 'gryphon-s0';
export const CAPTURE_DEVICE = 'gryphon-s1';

/** A rule of the routing tables that holds for part of a range already. */
interface RouteJson {
  readonly dst: string;
  readonly dev?: string;
  readonly type?: string;
  readonly table?: string;
}

/** The pair, while it is open. */
export class SinkLink {
  /** A killed intercept's pair was there. */
  readonly hadLeftover: boolean;
  /** The blocks that it still routed into the pair: they stay routed, so that nothing leaks. */
  readonly takenOver: readonly AddressBlock[];
  #isOpen = true;

  /**
   * Makes the pair, or takes a killed intercept's over.
   * @throws ReplayError ERR_IO_SINK_TAKEN, ERR_IO_NOT_PERMITTED, ERR_IO_SINK, ERR_IO_NO_IP_COMMAND
   * (environment)
   */
  constructor() {
    this.hadLeftover = isLeftoverThere();
    this.takenOver = this.hadLeftover ? [4 as const, 6 as const].flatMap(routedBlocks) : [];
    try {
      if (this.takenOver.length > 0) this.#claim();
      else this.#make();
    } catch (fault) {
      throw undoAfter(fault, () => this.close());
    }
  }

  /**
   * Routes the blocks, all of one family, into the pair; on a fault none of them.
   * @throws ReplayError ERR_IO_SINK_CONFLICT (usage), ERR_IO_SINK (environment)
   */
  addRoutes(family: 4 | 6, blocks: readonly AddressBlock[]): void {
    for (const block of blocks) refuseConflict(family, block);
    try {
      addBatch(family, blocks);
      for (const block of blocks) refuseBypass(block);
    } catch (fault) {
      this.removeRoutes(family, blocks);
      throw fault;
    }
  }

  /** Takes back routes, those that are there; what fails goes with the pair. */
  removeRoutes(family: 4 | 6, blocks: readonly AddressBlock[]): void {
    runCommand('ip', [`-${family}`, '-force', '-batch', '-'], batchOf('del', blocks));
  }

  /**
   * Removes the pair and with it all routes. Harmless when called twice.
   * @throws ReplayError ERR_IO_LEFT_BEHIND (internal), with the command that removes it
   */
  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    const answer = runCommand('ip', ['link', 'del', SINK_DEVICE]);
    // Somebody else may have removed it, or it was never made.
    if (answer.failure === null || !hasDevice(SINK_DEVICE)) return;
    throw new ReplayError({
      code: 'ERR_IO_LEFT_BEHIND',
      kind: 'internal',
      message: `the sink ${SINK_DEVICE} and its routes are left: ${answer.failure}`,
      hint: `remove them: ip link del ${SINK_DEVICE} (or start it once more: it takes them over)`,
    });
  }

  #make(): void {
    if (this.hadLeftover) ip(['link', 'del', SINK_DEVICE]);
    const pair = ['link', 'add', SINK_DEVICE, 'type', 'veth', 'peer', 'name', CAPTURE_DEVICE];
    const answer = runCommand('ip', pair);
    if (answer.failure !== null) {
      // Made by another one since we looked: not ours to remove.
      if (/exists/i.test(answer.failure)) this.#isOpen = false;
      throw ipFault(`ip ${pair.join(' ')}`, answer.failure);
    }
    for (const device of [SINK_DEVICE, CAPTURE_DEVICE]) {
      // No link-local address either, and so no questions by IPv6.
      const settings = ['alias', ownMark(), 'arp', 'off', 'addrgenmode', 'none', 'up'];
      ip(['link', 'set', device, ...settings]);
    }
    disableIpv6(CAPTURE_DEVICE);
  }

  /** A pair with routes is whole: they were added last. */
  #claim(): void {
    for (const device of [SINK_DEVICE, CAPTURE_DEVICE]) {
      ip(['link', 'set', device, 'alias', ownMark()]);
    }
  }
}

/** The route of a block, as a line to type. */
export const routeLine = (family: 4 | 6, block: AddressBlock): string =>
  `ip${family === 6 ? ' -6' : ''} route add ${formatBlock(block)} dev ${SINK_DEVICE}`;

/** @throws ReplayError ERR_IO_SINK_TAKEN where the pair is a living intercept's */
function isLeftoverThere(): boolean {
  const answer = ipJson(['link', 'show', SINK_DEVICE]);
  if (answer.failure !== null) return false;
  const alias = (answer.value as { ifalias?: string }[]).at(0)?.ifalias ?? '';
  // Without a mark: it was killed between making the pair and marking it.
  if (alias === '' || bearsDeadMark(alias)) return true;
  const [, pid] = MARK_PATTERN.exec(alias) ?? [];
  throw new ReplayError({
    code: 'ERR_IO_SINK_TAKEN',
    kind: 'environment',
    message: `another intercept has the sink ${SINK_DEVICE}: process ${pid ?? 'unknown'}`,
    hint: 'let the replays share that one, or end it',
  });
}

/** What is routed into the pair. */
function routedBlocks(family: 4 | 6): AddressBlock[] {
  const answer = ipJson([`-${family}`, 'route', 'show', 'dev', SINK_DEVICE]);
  // Without IPv6 there are no such routes.
  if (answer.failure !== null) return [];
  return (answer.value as RouteJson[])
    .filter(({ type }) => type !== 'multicast')
    .flatMap(({ dst }) => parseBlock(dst) ?? []);
}

/** Asked of the kernel itself: after `ip` has failed its word is worth little. */
function hasDevice(name: string): boolean {
  const lines = readFileSync('/proc/thread-self/net/dev', 'utf8').split('\n');
  return lines.some((line) => line.trim().startsWith(`${name}:`));
}

/** A route of the machine's own for a part of the block, or for exactly it, would be lost or win. */
function refuseConflict(family: 4 | 6, block: AddressBlock): void {
  const argv = [`-${family}`, 'route', 'show', 'root', formatBlock(block), 'table', 'all'];
  const routes = (ipJson(argv).value as RouteJson[] | null) ?? [];
  const other = routes.find((route) => route.dev !== SINK_DEVICE && route.type !== 'multicast');
  if (other === undefined) return;
  const where = other.dev === undefined ? '' : ` dev ${other.dev}`;
  const table = other.table === undefined ? '' : ` table ${other.table}`;
  throw new ReplayError({
    code: 'ERR_IO_SINK_CONFLICT',
    kind: 'usage',
    message:
      `the target has a route of its own in client range ${formatBlock(block)}: ` +
      `${other.dst}${where}${table}`,
    hint: `take other clients, or remove it: ip -${family} route del ${other.dst}${where}${table}`,
  });
}

/** Rules of policy routing may come before the table that the route is in. */
function refuseBypass(block: AddressBlock): void {
  const text = formatAddress(block.address);
  const route = (ipJson(['route', 'get', text]).value as RouteJson[] | null)?.at(0);
  if (route?.dev === SINK_DEVICE) return;
  throw new ReplayError({
    code: 'ERR_IO_SINK_CONFLICT',
    kind: 'usage',
    message: `client ${text} is routed to ${route?.dev ?? 'nowhere'} in spite of a route to the sink`,
    hint: 'look for what comes first in `ip rule`, or use --mode nfqueue',
  });
}

function addBatch(family: 4 | 6, blocks: readonly AddressBlock[]): void {
  const answer = runCommand('ip', [`-${family}`, '-batch', '-'], batchOf('add', blocks));
  if (answer.failure !== null) throw ipFault(`routing clients to ${SINK_DEVICE}`, answer.failure);
}

const batchOf = (verb: 'add' | 'del', blocks: readonly AddressBlock[]): string =>
  blocks.map((block) => `route ${verb} ${formatBlock(block)} dev ${SINK_DEVICE}\n`).join('');

function ip(argv: readonly string[]): void {
  const answer = runCommand('ip', argv);
  if (answer.failure !== null) throw ipFault(`ip ${argv.join(' ')}`, answer.failure);
}

function ipFault(doing: string, failure: string): ReplayError {
  const isDenied = /not permitted|permission denied/i.test(failure);
  return new ReplayError({
    code: isDenied ? 'ERR_IO_NOT_PERMITTED' : 'ERR_IO_SINK',
    kind: 'environment',
    message: `${doing} failed: ${failure}`,
    hint: isDenied ? ROOT_HINT : 'the kernel needs the veth driver; --mode nfqueue does without',
  });
}

/** Where it cannot be turned off the kernel drops the frames all the same, only later. */
function disableIpv6(device: string): void {
  try {
    writeFileSync(`/proc/sys/net/ipv6/conf/${device}/disable_ipv6`, '1');
  } catch {
    // No IPv6, or settings that are read-only, as in containers.
  }
}
