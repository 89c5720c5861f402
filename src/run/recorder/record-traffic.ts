/** `gryphon record`: traffic of servers into captures, so that a production machine does not notice. */
import { ReplayError } from '../../base/errors.ts';
import { formatBytes, formatCount, formatPercentage } from '../../base/units.ts';
import {
  fileHead,
  fileTail,
  PACKET_OCTETS_AT,
  packetBlockBytes,
  writePacketBlock,
} from '../../capture/pcapng-blocks.ts';
import { CaptureWriter } from '../../io/files/capture-writer.ts';
import { recordFilter } from '../../io/filter/record-filter.ts';
import { BlockRing } from '../../io/receive/block-ring.ts';
import { becomeUser, giveWay } from '../../io/sys/background.ts';
import { compileFilter } from '../../io/sys/libpcap.ts';
import { findInterface } from '../../io/way/interfaces.ts';

const LINKTYPE_RAW = 101;
/** Nothing to do: the ring holds what comes meanwhile. */
const IDLE_MS = 20;
/** How often the machine is looked at: processor, disk, drops. */
const CHECK_MS = 1_000;
/** Blocks that are taken before anything else has a turn. */
const BLOCKS_PER_TURN = 8;
/** With a smaller share than this of what was asked for, there is nothing left to lower. */
const SHARE_MIN = 0.001;

/** What is recorded, where to, and what must not happen. */
export interface RecordOptions {
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
  /** The share of the sessions at the end: smaller than asked for where the machine was busy. */
  readonly share: number;
  /** Why it ended before its time; null: it did not. */
  readonly ended: string | null;
}

/**
 * Records until its time is over, the signal, or the disk is nearly full.
 * @throws ReplayError as findInterface, BlockRing, CaptureWriter, compileFilter, becomeUser
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
  const device = findInterface(options.interfaceName);
  const first = options.filter === null ? [] : compileFilter(options.filter, LINKTYPE_RAW);
  const programFor = (share: number) => recordFilter({ ...options, share, first });
  const ring = new BlockRing({
    interfaceIndex: device.index,
    filter: programFor(options.share),
    ringBytes: options.ringBytes,
    isIncomingOnly: device.linkType === 'loopback',
  });
  try {
    if (options.user !== null) becomeUser(options.user);
    giveWay();
    const recording = new Recording(options, ring, programFor, host);
    host.onRecording();
    return await recording.run();
  } finally {
    ring.close();
  }
}

class Recording {
  readonly #options: RecordOptions;
  readonly #ring: BlockRing;
  readonly #programFor: (share: number) => ReturnType<typeof recordFilter>;
  readonly #host: { readonly interrupted: AbortSignal; onWarning(text: string): void };
  readonly #writer: CaptureWriter;
  #share: number;
  #packets = 0;
  /** Of the kernel's counts, what the files before the open one have told. */
  #told = { received: 0, dropped: 0 };
  #dropsSeen = 0;
  #cpuBefore = process.cpuUsage();
  #checkedMs = performance.now();
  #ended: string | null = null;

  constructor(
    options: RecordOptions,
    ring: BlockRing,
    programFor: (share: number) => ReturnType<typeof recordFilter>,
    host: {
      readonly version: string;
      readonly interrupted: AbortSignal;
      onWarning(text: string): void;
    },
  ) {
    this.#options = options;
    this.#ring = ring;
    this.#programFor = programFor;
    this.#host = host;
    this.#share = options.share;
    this.#writer = new CaptureWriter({
      folder: options.folder,
      fileBytes: options.fileBytes,
      fileMs: options.fileMs,
      keepBytes: options.keepBytes,
      head: fileHead(options.interfaceName, `gryphon ${host.version}`),
      tail: () => this.#tail(),
      nowMs: () => Date.now(),
    });
  }

  async run(): Promise<Recorded> {
    const { interrupted } = this.#host;
    const endMs = performance.now() + this.#options.durationMs;
    try {
      while (!interrupted.aborted && this.#ended === null && performance.now() < endMs) {
        const isBusy = this.#take(BLOCKS_PER_TURN);
        await (isBusy
          ? new Promise<void>((resolve) => setImmediate(resolve))
          : new Promise<void>((resolve) => setTimeout(resolve, IDLE_MS)));
        if (performance.now() - this.#checkedMs >= CHECK_MS) this.#check();
      }
      // What was seen until now is in blocks that the kernel hands over in a moment.
      await new Promise((resolve) => setTimeout(resolve, 4 * IDLE_MS));
      this.#take(Number.POSITIVE_INFINITY);
    } finally {
      this.#writer.close();
    }
    const { files, bytes } = this.#writer;
    const { dropped } = this.#ring.readCounts();
    return {
      files,
      bytes,
      packets: this.#packets,
      dropped,
      share: this.#share,
      ended: this.#ended,
    };
  }

  #take(blocksMax: number): boolean {
    let taken = 0;
    while (taken < blocksMax && this.#ring.takeBlock(this.#write)) taken++;
    return taken > 0;
  }

  readonly #write = (
    start: number,
    capturedBytes: number,
    packetBytes: number,
    seconds: number,
    nanoseconds: number,
  ): void => {
    const writer = this.#writer;
    const at = writer.room(packetBlockBytes(capturedBytes));
    writePacketBlock(writer.view, at, { capturedBytes, packetBytes, seconds, nanoseconds });
    writer.put(this.#ring.data.subarray(start, start + capturedBytes), at + PACKET_OCTETS_AT);
    this.#packets++;
  };

  /** The counts of a file are its own, not those of the whole recording. */
  #tail(): Uint8Array {
    const counts = this.#ring.readCounts();
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

  /** Once a second: gives up sessions rather than the machine's time, and ends before the disk is full. */
  #check(): void {
    const nowMs = performance.now();
    const { user, system } = process.cpuUsage(this.#cpuBefore);
    const busy = (user + system) / 1_000 / (nowMs - this.#checkedMs);
    this.#cpuBefore = process.cpuUsage();
    this.#checkedMs = nowMs;
    const { dropped } = this.#ring.readCounts();
    const lost = dropped - this.#dropsSeen;
    this.#dropsSeen = dropped;
    const { cpuMax, keepFreeBytes } = this.#options;
    if (lost > 0)
      this.#recordLess(`${formatCount(lost)} packets were lost, since the ring was full`);
    else if (busy > cpuMax) {
      this.#recordLess(`it took ${formatPercentage(busy)} of a processor, above --max-cpu`);
    }
    const free = this.#writer.freeBytes();
    if (free >= keepFreeBytes) return;
    this.#ended = `${formatBytes(free)} are free on the disk, less than --keep-free`;
  }

  /** Half of the sessions from now on: those that go on are whole. */
  #recordLess(why: string): void {
    const share = this.#share / 2;
    if (share < this.#options.share * SHARE_MIN) return;
    this.#share = share;
    this.#ring.setFilter(this.#programFor(share));
    this.#host.onWarning(
      `${why}: ${formatPercentage(share)} of the sessions are recorded from now on`,
    );
  }
}

/**
 * @param folder for the error
 * @throws ReplayError ERR_RECORD_NOTHING (unreachable) where no packet came
 */
export function requirePackets(
  { packets }: Recorded,
  { interfaceName, ports }: RecordOptions,
): void {
  if (packets > 0) return;
  throw new ReplayError({
    code: 'ERR_RECORD_NOTHING',
    kind: 'unreachable',
    message: `nothing was recorded: no packet from or to port ${ports.join(', ')} passed ${interfaceName}`,
    hint: `see what does: tcpdump -ni ${interfaceName} -c 10 tcp; a service on this machine itself is reached by lo`,
  });
}
