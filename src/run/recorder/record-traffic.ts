/** `gryphon record`: traffic of servers into captures, so that a production machine does not notice. */
import { ReplayError } from '../../base/errors.ts';
import { formatBytes, formatCount, formatPercentage } from '../../base/units.ts';
import {
  fileHead,
  fileTail,
  PACKET_OCTETS_AT,
  packetBlockBytes,
  SLL2_HEADER_BYTES,
  writePacketBlock,
  writeSll2Header,
} from '../../capture/pcapng-blocks.ts';
import { CaptureWriter } from '../../io/files/capture-writer.ts';
import { beginningsFilter, isBeginning, recordFilter } from '../../io/filter/record-filter.ts';
import { BlockRing } from '../../io/receive/block-ring.ts';
import { SessionCounter } from '../../io/receive/session-counter.ts';
import { becomeUser, giveWay } from '../../io/sys/background.ts';
import { compileFilter } from '../../io/sys/libpcap.ts';
import { CpuBudget } from './cpu-budget.ts';
import { findRecordedLink, type RecordedLink } from './recorded-link.ts';

const LINKTYPE_RAW = 101;
/** Nothing to do: the ring holds what comes meanwhile. */
const IDLE_MS = 20;
/** How often the machine is looked at: processor, disk, drops. At 1 GB/s the ring of 64 MiB is full in 64 ms. */
const CHECK_MS = 50;
/** The longest rest without a look at the machine, at the time and at signals. */
const REST_MS_MAX = 50;
/** Blocks that are taken before anything else has a turn. */
const BLOCKS_PER_TURN = 8;
/** With a smaller share than this of what was asked for, there is nothing left to lower. */
const SHARE_MIN = 0.001;

/** What is recorded, where to, and what must not happen. */
export interface RecordOptions {
  /** `any`: all of them. */
  readonly interfaceName: string;
  readonly ports: readonly number[];
  readonly filter: string | null;
  readonly answerBytes: number;
  readonly share: number;
  readonly folder: string;
  readonly fileBytes: number;
  readonly fileMs: number;
  readonly keepBytes: number;
  readonly keepFreeBytes: number;
  /** Share of one processor, above 0. */
  readonly cpuMax: number;
  readonly durationMs: number;
  readonly ringBytes: number;
  /** Who it becomes when its socket is open; null: it stays who it is. */
  readonly user: string | null;
}

/** What was recorded. */
export interface Recorded {
  readonly files: number;
  readonly bytes: number;
  readonly packets: number;
  /** Packets that were lost between the kernel and the files. */
  readonly dropped: number;
  /** Sessions that began, of those asked for, and what became of them. */
  readonly sessions: {
    readonly begun: number;
    /** Those that were left out, and a few whose first packet was lost. */
    readonly leftOut: number;
  };
  /** The share of the sessions at the end: smaller than asked for where the machine was busy. */
  readonly share: number;
  /** Why it ended before its time; null: it did not. */
  readonly ended: string | null;
}

/**
 * Records until its time is over, the signal, or the disk is nearly full.
 * @throws ReplayError as findRecordedLink, BlockRing, CaptureWriter, compileFilter, becomeUser
 */
export async function recordTraffic(
  options: RecordOptions,
  host: {
    readonly version: string;
    readonly interrupted: AbortSignal;
    /** All is open: nothing that comes from now on is missed. */
    onRecording(): void;
    onWarning(text: string): void;
  },
): Promise<Recorded> {
  const link = findRecordedLink(options.interfaceName);
  const { loopbackIndex } = link;
  const first = options.filter === null ? [] : compileFilter(options.filter, LINKTYPE_RAW);
  const programFor = (share: number) => recordFilter({ ...options, share, loopbackIndex, first });
  const { ringBytes } = options;
  const ring = new BlockRing({ ...link, filter: programFor(options.share), ringBytes });
  let counter: SessionCounter | null = null;
  try {
    const beginnings = beginningsFilter({ ...options, loopbackIndex, first });
    counter = new SessionCounter({ ...link, filter: beginnings });
    if (options.user !== null) becomeUser(options.user);
    else if (process.geteuid?.() === 0) host.onWarning(staysRoot());
    giveWay();
    const recording = new Recording(options, { link, ring, counter, programFor }, host);
    host.onRecording();
    return await recording.run();
  } finally {
    counter?.close();
    ring.close();
  }
}

/** Where packets come from. */
interface Source {
  readonly link: RecordedLink;
  readonly ring: BlockRing;
  readonly counter: SessionCounter;
  readonly programFor: (share: number) => ReturnType<typeof recordFilter>;
}

class Recording {
  readonly #options: RecordOptions;
  readonly #source: Source;
  readonly #host: { readonly interrupted: AbortSignal; onWarning(text: string): void };
  readonly #writer: CaptureWriter;
  readonly #budget: CpuBudget;
  readonly #cpuMsBefore = cpuMs();
  /** Octets that stand before a packet's IP header in the files. */
  readonly #headerBytes: number;
  #share: number;
  #packets = 0;
  #beginnings = 0;
  /** Of the kernel's counts, what the files before the open one have told. */
  #told = { received: 0, dropped: 0 };
  /** When the machine was last looked at, and what had come and been taken by then. */
  #checked = { ms: performance.now(), received: 0, dropped: 0, packets: 0 };
  /** Whether it had to rest since then. */
  #hasRested = false;

  constructor(
    options: RecordOptions,
    source: Source,
    host: {
      readonly version: string;
      readonly interrupted: AbortSignal;
      onWarning(text: string): void;
    },
  ) {
    this.#options = options;
    this.#source = source;
    this.#host = host;
    this.#share = options.share;
    const { linkType, description } = source.link;
    this.#headerBytes = description === null ? 0 : SLL2_HEADER_BYTES;
    const named = { name: options.interfaceName, description, linkType };
    this.#writer = new CaptureWriter({
      ...options,
      head: fileHead(named, `gryphon ${host.version}`),
      tail: () => this.#tail(),
      nowMs: () => Date.now(),
    });
    this.#budget = new CpuBudget(options.cpuMax, performance.now(), this.#cpuMsBefore);
  }

  async run(): Promise<Recorded> {
    const { interrupted } = this.#host;
    const { ring, counter } = this.#source;
    const endMs = performance.now() + this.#options.durationMs;
    let begun = 0;
    try {
      while (!interrupted.aborted && !this.#isFull && performance.now() < endMs) {
        await this.#turn();
        if (performance.now() - this.#checked.ms >= CHECK_MS) this.#check();
      }
      begun = counter.readPassed();
      // What was seen until now is in blocks that the kernel hands over in a moment.
      await pause(4 * IDLE_MS);
      this.#take(Number.POSITIVE_INFINITY);
    } finally {
      this.#writer.close();
    }
    const { files, bytes, fullWithBytes: free } = this.#writer;
    const kept = formatBytes(this.#options.keepFreeBytes);
    return {
      files,
      bytes,
      packets: this.#packets,
      dropped: ring.readCounts().dropped,
      sessions: { begun, leftOut: Math.max(0, begun - this.#beginnings) },
      share: this.#share,
      ended:
        free === null
          ? null
          : `${formatBytes(free)} are free on the disk, and --keep-free leaves it ${kept}`,
    };
  }

  get #isFull(): boolean {
    return this.#writer.fullWithBytes !== null;
  }

  /** Takes packets, as long as there is processor time for it, or waits a moment. */
  async #turn(): Promise<void> {
    const restMs = this.#budget.restMs(performance.now(), cpuMs());
    if (restMs > 0) {
      this.#hasRested = true;
      await pause(Math.min(restMs, REST_MS_MAX));
    } else if (this.#take(BLOCKS_PER_TURN)) {
      await new Promise<void>((done) => setImmediate(done));
    } else await pause(IDLE_MS);
  }

  #take(blocksMax: number): boolean {
    let taken = 0;
    const { ring } = this.#source;
    while (taken < blocksMax && ring.takeBlock(this.#write)) taken++;
    return taken > 0;
  }

  readonly #write = (
    start: number,
    ipBytes: number,
    ipPacketBytes: number,
    seconds: number,
    nanoseconds: number,
    linkAddress: number,
  ): void => {
    const writer = this.#writer;
    // Nothing is written any more; what is left in the ring counts as what comes after the end does.
    if (writer.fullWithBytes !== null) return;
    const { data, view } = this.#source.ring;
    const headerBytes = this.#headerBytes;
    const capturedBytes = headerBytes + ipBytes;
    const packetBytes = headerBytes + ipPacketBytes;
    const at = writer.room(packetBlockBytes(capturedBytes));
    writePacketBlock(writer.view, at, { capturedBytes, packetBytes, seconds, nanoseconds });
    const octetsAt = at + PACKET_OCTETS_AT;
    if (headerBytes > 0) writeSll2Header(writer.view, octetsAt, view, linkAddress);
    writer.put(data.subarray(start, start + ipBytes), octetsAt + headerBytes);
    this.#packets++;
    if (isBeginning(data, start)) this.#beginnings++;
  };

  /** The counts of a file are its own, not those of the whole recording. */
  #tail(): Uint8Array {
    const counts = this.#source.ring.readCounts();
    const before = this.#told;
    this.#told = counts;
    const nowMs = Date.now();
    const seconds = Math.floor(nowMs / 1_000);
    return fileTail(
      { seconds, nanoseconds: (nowMs % 1_000) * 1_000_000 },
      {
        received: counts.received - before.received,
        dropped: counts.dropped - before.dropped,
      },
    );
  }

  /**
   * Gives up sessions rather than the machine's time. Where what comes now could be taken, there is
   * nothing to give up although the ring is not empty yet: the last time was enough, or a burst is over.
   */
  #check(): void {
    const { received, dropped } = this.#source.ring.readCounts();
    const { ms, ...before } = this.#checked;
    const came = received - before.received;
    const lost = dropped - before.dropped;
    if (lost > 0 && came > this.#packets - before.packets) {
      this.#recordLess(`${formatCount(lost)} packets were lost, since the ring was full`);
    } else if (this.#hasRested && this.#needed(came / (performance.now() - ms)) > 1) {
      const most = formatPercentage(this.#options.cpuMax);
      this.#recordLess(`more comes than --max-cpu ${most} of a processor has time for`);
    }
    this.#hasRested = false;
    this.#checked = { ms: performance.now(), received, dropped, packets: this.#packets };
    this.#writer.checkRoom();
  }

  /** The processor time that so many packets in a millisecond take, in parts of what it may take. */
  #needed(packetsPerMs: number): number {
    const msPerPacket = (cpuMs() - this.#cpuMsBefore) / Math.max(1, this.#packets);
    return (packetsPerMs * msPerPacket) / this.#options.cpuMax;
  }

  /** Half of the sessions from now on: those that go on are whole. */
  #recordLess(why: string): void {
    const share = this.#share / 2;
    if (share < this.#options.share * SHARE_MIN) return;
    this.#share = share;
    const { ring, programFor } = this.#source;
    ring.setFilter(programFor(share));
    this.#host.onWarning(
      `${why}: ${formatPercentage(share)} of the sessions are recorded from now on`,
    );
  }
}

/** Rights that nothing needs any more, and captures that whoever typed sudo cannot read. */
function staysRoot(): string {
  const { SUDO_USER: typist = 'root' } = process.env;
  const user = typist === 'root' || !/^[a-z_][\w-]*$/i.test(typist) ? 'nobody' : typist;
  return `it stays root: --user ${user} gives that up when its socket is open, and has the captures belong to ${user}`;
}

const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

/** Processor time of this process, in milliseconds. */
function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}

/** @throws ReplayError ERR_RECORD_NOTHING (unreachable) where no packet came in all the time */
export function requirePackets(
  { packets, ended }: Recorded,
  { interfaceName, ports }: RecordOptions,
): void {
  if (packets > 0 || ended !== null) return;
  throw new ReplayError({
    code: 'ERR_RECORD_NOTHING',
    kind: 'unreachable',
    message: `nothing was recorded: no packet from or to port ${ports.join(', ')} passed ${interfaceName}`,
    hint: `see what does: tcpdump -ni ${interfaceName} -c 10 tcp; a service on this machine itself is reached by lo`,
  });
}
