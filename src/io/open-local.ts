/** Everything a thread of `local` mode needs of the kernel, opened together and closed together. */

import {
  type AddressRange,
  addressBytes,
  addressOfBytes,
  type Endpoint,
  formatAddress,
} from '../base/address.ts';
import { assert } from '../base/assert.ts';
import { ReplayError } from '../base/errors.ts';
import type { JoinedFile } from '../base/joined-file.ts';
import type { PortRange } from '../base/port-range.ts';
import { PREFIX_BYTES, snapBytesFor } from '../base/prefix-bytes.ts';
import {
  type CaptureBytes,
  type QueueingReceiver,
  type Sender,
  withArena,
} from '../transport/ports.ts';
import { ChannelReceiver, type ShardInbox } from './channel/channel-receiver.ts';
import { CaptureMap } from './files/capture-map.ts';
import { replyFilter, type Sharding } from './filter/reply-filter.ts';
import { PacketReceiver } from './receive/packet-receiver.ts';
import { openRunClock, type RunClock } from './receive/run-clock.ts';
import { Waiter } from './receive/wait.ts';
import { IpSender } from './send/ip-sender.ts';
import { PacketSender } from './send/packet-sender.ts';
import { RawSocketSender } from './send/raw-socket-sender.ts';
import type { SendFaults } from './send/send-faults.ts';
import { XdpSender } from './send/xdp-sender.ts';
import { KernelMemory } from './sys/memory.ts';
import type { NetworkInterface } from './way/interfaces.ts';
import { type LocalPath, type NeighbourAnswers, nextHopMacs } from './way/local-path.ts';
import { type AnnouncedTo, NeighbourAnnouncer } from './way/neighbour-announcer.ts';
import { NeighbourResponder } from './way/neighbour-responder.ts';
import { askNeighbour } from './way/neighbours.ts';
import { canMove, NextHopWatch } from './way/next-hop-watch.ts';

/** Questions answered at most in one turn of the loop, so that replies do not wait for them. */
const ANSWERS_PER_TURN = 64;
/** Of the descriptors that are waited for. */
const RESPONDER = 1;

/** What is to be opened on this machine for one thread of a replay. */
export interface LocalPlan {
  readonly path: LocalPath;
  readonly sender: 'packet' | 'xdp' | 'ip' | 'raw-socket';
  /** By `xdp`: this thread's queue of the interface; 0 without it. */
  readonly queue?: number;
  /** The joined capture. */
  readonly files: readonly JoinedFile[];
  /** All of one family. */
  readonly targets: readonly Endpoint[];
  /** In the order of the pool. */
  readonly ranges: readonly AddressRange[];
  readonly ports: PortRange;
  readonly sharding: Sharding;
  /** Whose ARP and NDP questions for the ranges this thread answers: one thread of a run at most. */
  readonly answersNeighbours: NeighbourAnswers;
  /** How many addresses of the ranges, from the first on, next hops are told of: none by default. */
  readonly announcedAddresses?: number;
  /** When the run began (`runStartsNow`). */
  readonly runStart: string;
  /** Needed by `xdp` and `raw-socket`, which have to copy payload. */
  readonly captureBytes?: CaptureBytes;
  /** Replies come from the channel thread instead of from the path's own device. */
  readonly inbox?: ShardInbox;
  readonly prefixBytes?: number;
  readonly ringFrames?: number;
  /** As `PacketRingOptions` has it. */
  readonly packetsAtOnce?: number;
  /** As `PacketRingOptions` has it. */
  readonly socket?: number;
  readonly batchFrames?: number;
  /** Octets of memory for what is written during the run; none without it. */
  readonly arenaBytes?: number;
}

/** A thread's end of the kernel. Nothing of it may be touched after `close`. */
export interface LocalIo {
  readonly sender: Sender & { readonly faults: SendFaults };
  readonly receiver: QueueingReceiver;
  readonly clock: RunClock;
  /** Memory that extents from ARENA_BASE on lie in; null where none was asked for. */
  readonly arena: Uint8Array | null;
  /** Blocks until something has arrived, or for `timeoutNs` (at most 100 ms); neighbours who have asked are answered. */
  readonly wait: (timeoutNs: number) => void;
  /** Blocks so long, whatever arrives. */
  readonly pause: (ns: number) => void;
  /** Answers neighbours who have asked, and tells next hops of clients: some system calls, so not in every turn. */
  readonly answerNeighbours: () => void;
  /**
   * Calls back, from `answerNeighbours`, when a target is reached by another link header from now on,
   * since its next hop has got another MAC: with the target's row.
   */
  readonly followNextHops: (onMoved: (target: number, linkHeader: Uint8Array) => void) => void;
  /** Questions answered so far. */
  readonly answered: () => number;
  /** Replies that the ring had no room for, so far: a system call, so not in every turn. */
  readonly readDropped: () => number;
  readonly close: () => void;
}

/**
 * Opens a thread's sockets and maps the capture; on a fault all that was opened is closed again.
 * To be called in the thread that uses it.
 * @throws ReplayError ERR_IO_NOT_PERMITTED, ERR_IO_SOCKET, ERR_IO_MMAP, ERR_IO_CAPTURE_CHANGED,
 * ERR_IO_FILTER_TOO_LONG, ERR_IO_NO_RAW_SOCKET
 */
export function openLocal(plan: LocalPlan): LocalIo {
  const opened: { readonly close: () => void }[] = [];
  const keep = <T extends { readonly close: () => void }>(one: T): T => {
    opened.push(one);
    return one;
  };
  const close = (): void => {
    for (const one of opened.splice(0).reverse()) one.close();
  };
  try {
    const clock = openRunClock(plan.runStart);
    const captureMap = keep(new CaptureMap(plan.files));
    const { inbox } = plan;
    const receiver =
      inbox === undefined ? keep(openReceiver(plan, clock)) : new ChannelReceiver(inbox, clock);
    const { arenaBytes = 0 } = plan;
    const arena = arenaBytes > 0 ? keep(new KernelMemory(arenaBytes)) : null;
    const sender = keep(openSender(plan, captureMap, clock, arena));
    const responder = plan.answersNeighbours === 'nobody' ? null : keep(openResponder(plan));
    const { announcedAddresses = 0 } = plan;
    const announcer = announcedAddresses > 0 ? keep(openAnnouncer(plan, announcedAddresses)) : null;
    const fds = responder === null ? [receiver.fd] : [receiver.fd, responder.fd];
    const waiter = keep(new Waiter(fds));
    let watch: NextHopWatch | null = null;
    return {
      sender,
      receiver,
      clock,
      arena: arena === null ? null : new Uint8Array(arena.buffer),
      wait: (timeoutNs) => {
        waiter.wait(timeoutNs);
        if (responder !== null && waiter.isReady(RESPONDER)) responder.respond(ANSWERS_PER_TURN);
      },
      pause: (ns) => waiter.pause(ns),
      answerNeighbours: () => {
        responder?.respond(ANSWERS_PER_TURN);
        announcer?.announce();
        watch?.look();
      },
      followNextHops: (onMoved) => {
        if (!canMove(plan.path)) return;
        watch = keep(
          new NextHopWatch(plan.path, (targets, linkHeader) => {
            for (const target of targets) onMoved(target, linkHeader);
            responder?.setAskers(watch?.macs ?? []);
          }),
        );
      },
      answered: () => responder?.answered ?? 0,
      readDropped: () => receiver.readDropped(),
      close,
    };
  } catch (fault) {
    close();
    throw fault;
  }
}

function openReceiver(plan: LocalPlan, clock: RunClock): PacketReceiver {
  const { path, targets, ranges, ports, sharding, prefixBytes = PREFIX_BYTES } = plan;
  const snapBytes = snapBytesFor(prefixBytes);
  const filter = replyFilter({ ranges, targets, ports, sharding, snapBytes });
  const { ringFrames, packetsAtOnce, socket } = plan;
  return new PacketReceiver({
    interfaceIndex: path.device.index,
    filter,
    snapBytes,
    clock,
    promiscuous: usesForeignMac(path),
    ...(ringFrames === undefined ? {} : { ringFrames }),
    ...(packetsAtOnce === undefined ? {} : { packetsAtOnce }),
    ...(socket === undefined ? {} : { socket }),
  });
}

function openSender(
  plan: LocalPlan,
  captureMap: CaptureMap,
  clock: RunClock,
  arena: KernelMemory | null,
) {
  const { path, captureBytes, batchFrames, queue = 0 } = plan;
  const { index: interfaceIndex, name: interfaceName, mtu } = path.device;
  const family = plan.targets[0].address.family;
  const batch = batchFrames === undefined ? {} : { batchFrames };
  if (plan.sender === 'packet') {
    return new PacketSender({ interfaceIndex, captureMap, clock, arena, ...batch });
  }
  if (plan.sender === 'ip') {
    return new IpSender({ family, interfaceName, captureMap, clock, arena, ...batch });
  }
  assert(captureBytes !== undefined, 'who copies octets is given them');
  const octets =
    arena === null ? captureBytes : withArena(captureBytes, new Uint8Array(arena.buffer));
  if (plan.sender === 'xdp') {
    requireEthernet(path.device);
    return new XdpSender({ interfaceIndex, queue, mtu, captureBytes: octets, clock, ...batch });
  }
  return new RawSocketSender({ family, interfaceName, captureBytes: octets, clock, ...batch });
}

/** The kernel looks for the kind of packet in an Ethernet header. @throws ReplayError ERR_IO_SOCKET */
function requireEthernet({ name, linkType }: NetworkInterface): void {
  if (linkType === 'ether') return;
  throw new ReplayError({
    code: 'ERR_IO_SOCKET',
    kind: 'environment',
    message: `${name} is no Ethernet interface (${linkType}), and AF_XDP sends Ethernet frames`,
    hint: 'use --sender packet',
  });
}

function openResponder({ path, ranges, answersNeighbours }: LocalPlan): NeighbourResponder {
  const [{ sourceMac }] = path.routes;
  return new NeighbourResponder({
    interfaceIndex: path.device.index,
    mac: sourceMac,
    ranges,
    except: path.inUse,
    askers: answersNeighbours === 'everybody' ? null : nextHopMacs(path),
  });
}

function openAnnouncer(plan: LocalPlan, addresses: number): NeighbourAnnouncer {
  const { path, ranges, targets } = plan;
  const { device, routes } = path;
  const [{ sourceMac }] = routes;
  const to = new Map<string, AnnouncedTo>();
  for (const [i, { nextHop, nextHopMac }] of routes.entries()) {
    const address = nextHop ?? addressBytes(targets[i].address);
    const key = formatAddress(addressOfBytes(address));
    if (to.has(key)) continue;
    // The senders without a link header leave the next hop's MAC to the kernel.
    const mac = nextHopMac.some((octet) => octet !== 0) ? nextHopMac : macOf(device, address);
    if (mac !== null) to.set(key, { mac, address });
  }
  return new NeighbourAnnouncer({
    interfaceIndex: device.index,
    mac: sourceMac,
    ranges,
    addresses,
    to: [...to.values()],
  });
}

const macOf = (device: NetworkInterface, address: Uint8Array): Uint8Array | null =>
  device.asksNeighbours ? askNeighbour(device, address) : null;

/** A device passes on frames to its own MAC alone, unless it is told otherwise. */
function usesForeignMac({ device, routes }: LocalPath): boolean {
  const [{ sourceMac }] = routes;
  return device.mac !== null && sourceMac.some((octet, i) => octet !== device.mac?.[i]);
}
