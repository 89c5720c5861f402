/** A client that sends exactly what a test says, to see what the embedded target answers. */
import type { Instant } from '../../src/base/instant.ts';
import { EmbeddedTarget, type EmbeddedTargetOptions } from '../../src/embedded/embedded-target.ts';
import { createCounters } from '../../src/measure/counters.ts';
import type { PacketSink } from '../../src/transport/ports.ts';
import { sumOctets } from '../../src/wire/checksum.ts';
import { EXTENTS_PER_FRAME } from '../../src/wire/frame-batch.ts';
import { FrameWriter, OptionsKind, type SynOptions } from '../../src/wire/frame-writer.ts';
import { IpView } from '../../src/wire/ip-view.ts';
import { ACK, SYN, TcpView } from '../../src/wire/tcp.ts';
import { TcpOptions } from '../../src/wire/tcp-options.ts';
import { WireFault } from '../../src/wire/wire-fault.ts';
import { type RecordedSession, record } from '../helpers/recorded.ts';

export interface SeenPacket {
  readonly atNs: number;
  readonly seq: number;
  readonly ack: number;
  readonly flags: number;
  readonly window: number;
  readonly payloadBytes: number;
  /** As much of the payload as was handed over. */
  readonly text: string;
  readonly srcPort: number;
  readonly dstPort: number;
  readonly options: TcpOptions;
}

export interface Sent {
  readonly seq: number;
  readonly ack?: number;
  readonly flags: number;
  readonly window?: number;
  readonly optionsKind?: number;
  readonly tsVal?: number;
  /** Stream offset and length of the payload, which is the session's own. */
  readonly from?: number;
  readonly bytes?: number;
  /** Said instead of the session's octets: an offset in the capture. */
  readonly captureOffset?: number;
  readonly user?: number;
  readonly port?: number;
}

export const CLIENT_ISS = -16;
export const CLIENT_PORT = 40_000;
const SERVER = { 4: Uint8Array.of(192, 0, 2, 80), 6: new Uint8Array(16).fill(0x20) };
const PREFIX = { 4: new Uint8Array(4), 6: new Uint8Array(16).fill(0x11) };
const FIRST_CLIENT = 0xc612_0001;
const SYN_OPTIONS: SynOptions = {
  mss: 1460,
  windowScale: 7,
  timestamps: true,
  sackPermitted: true,
};

export class ScriptedClient implements PacketSink {
  readonly target: EmbeddedTarget;
  readonly counters = createCounters();
  readonly recorded: ReturnType<typeof record>;
  readonly writer: FrameWriter;
  seen: SeenPacket[] = [];
  nowNs = 0;
  readonly #ip = new IpView();
  readonly #segment = new TcpView();

  constructor(
    sessions: readonly RecordedSession[],
    options: Partial<EmbeddedTargetOptions> & { family?: 4 | 6 } = {},
    layout: Parameters<typeof record>[1] = {},
  ) {
    const family = options.family ?? 4;
    const users = options.users ?? 4;
    this.recorded = record(sessions, layout);
    this.target = new EmbeddedTarget({
      scripts: this.recorded.scripts,
      capture: this.recorded.capture,
      users,
      accel: 1,
      seed: 1,
      counters: this.counters,
      clients: {
        userOf: (low) => (low - FIRST_CLIENT < users ? low - FIRST_CLIENT : -1),
        sessionOf: (low) => (low - FIRST_CLIENT) % sessions.length,
      },
      ...options,
    });
    this.writer = new FrameWriter(this.target.batch, { family });
    this.writer.synOptions = SYN_OPTIONS;
    this.writer.addRoute(new Uint8Array(0), SERVER[family], PREFIX[family]);
  }

  /** Writes a frame into the batch without sending it. */
  write(sent: Sent): void {
    const { batch } = this.target;
    const { client } = this.recorded.scripts;
    const user = sent.user ?? 0;
    const session = user % this.recorded.scripts.sessions;
    const bytes = sent.bytes ?? 0;
    const stream = this.recorded.streamOf('client', session);
    const from = sent.from ?? 0;
    let payload = stream.slice(from, from + bytes);
    const first = batch.count * EXTENTS_PER_FRAME;
    let count = 0;
    if (sent.captureOffset !== undefined) {
      payload = this.recorded.capture.octets.slice(sent.captureOffset, sent.captureOffset + bytes);
      batch.extentOffset[first] = sent.captureOffset;
      batch.extentBytes[first] = bytes;
      count = 1;
    } else {
      for (let row = client.firstExtent[session]; row < client.firstExtent[session + 1]; row++) {
        const start = Math.max(from, client.extentStart[row]);
        const end = Math.min(from + bytes, client.extentStart[row] + client.extentBytes[row]);
        if (start >= end) continue;
        batch.extentOffset[first + count] =
          client.extentOffset[row] + start - client.extentStart[row];
        batch.extentBytes[first + count++] = end - start;
      }
    }
    batch.extentCount[batch.count] = count;
    this.writer.writeTcp(
      0,
      FIRST_CLIENT + user,
      sent.port ?? CLIENT_PORT,
      80,
      7,
      sent.seq >>> 0,
      sent.ack ?? 0,
      sent.flags,
      sent.window ?? 0xffff,
      sent.optionsKind ?? OptionsKind.NONE,
      sent.tsVal ?? 0,
      0,
      payload.length,
      sumOctets(payload, 0, payload.length),
    );
    batch.count++;
  }

  /** Sends a frame and collects what comes back at once. */
  send(sent: Sent): SeenPacket[] {
    this.write(sent);
    this.target.flush();
    return this.collect();
  }

  /** What the target has to say now. */
  collect(): SeenPacket[] {
    this.seen = [];
    this.target.receive(1000, this);
    return this.seen;
  }

  /** Lets time pass. @returns what came in on the way */
  wait(untilNs: number): SeenPacket[] {
    const all: SeenPacket[] = [];
    for (let turns = 0; this.target.nextDueNs() <= untilNs; turns++) {
      if (turns > 10_000) throw new Error('the target does not come to rest');
      this.nowNs = Math.max(this.nowNs, this.target.nextDueNs());
      this.target.onTimeout(this.nowNs);
      all.push(...this.collect());
    }
    this.nowNs = untilNs;
    this.target.setNow(untilNs);
    return all;
  }

  /** Shakes hands (the SYN-ACK must come at once). @returns the SYN-ACK */
  connect(sent: Partial<Sent> = {}): SeenPacket {
    const [synAck] = this.send({ seq: CLIENT_ISS, flags: SYN, ...sent });
    this.seen = this.send({
      seq: CLIENT_ISS + 1,
      ack: synAck.seq + 1,
      flags: ACK,
      ...sent,
      optionsKind: 0,
    });
    return synAck;
  }

  onPacket(start: number, capturedBytes: number, arrived: Instant): void {
    const { data } = this.target;
    this.#ip.wrap(data, start, capturedBytes);
    if (this.#ip.check() !== WireFault.OK) throw new Error('a reply that is no TCP packet');
    const segment = this.#segment;
    segment.wrap(data, start + this.#ip.headerBytes, capturedBytes - this.#ip.headerBytes);
    if (segment.check() !== WireFault.OK) throw new Error('a reply with a bad TCP header');
    const options = new TcpOptions();
    const headersBytes = this.#ip.headerBytes + segment.headerBytes;
    if (options.parse(data, start + this.#ip.headerBytes + 20, segment.headerBytes - 20) !== 0) {
      throw new Error('a reply with bad TCP options');
    }
    const payload = new Uint8Array(data.buffer, start + headersBytes, capturedBytes - headersBytes);
    this.seen.push({
      atNs: arrived.ns,
      seq: segment.seq,
      ack: segment.ack,
      flags: segment.flags,
      window: segment.window,
      payloadBytes: this.#ip.payloadBytes - segment.headerBytes,
      text: new TextDecoder('latin1').decode(payload),
      srcPort: segment.srcPort,
      dstPort: segment.dstPort,
      options,
    });
  }
}
