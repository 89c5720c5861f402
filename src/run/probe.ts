/**
 * One handshake over the whole path before a run with intercepts begins: a SYN by the way that all
 * frames will go, and its answer by the way that all replies will come. What is not in order shows
 * here, with the hop that it fails at, and not as a run without an answer.
 */
import { addressBytes } from '../base/address.ts';
import { ReplayError } from '../base/errors.ts';
import { seqAdd } from '../base/seq.ts';
import { NS_PER_MS } from '../base/time.ts';
import { type LocalIo, openLocal } from '../io/open-local.ts';
import { runStartsNow } from '../io/run-clock.ts';
import type { CaptureBytes, PacketSink } from '../replay/ports.ts';
import { AddressPool, shardOf } from '../schedule/address-pool.ts';
import { FrameWriter, OptionsKind } from '../wire/frame-writer.ts';
import { IpView } from '../wire/ip-view.ts';
import { ACK, RST, SYN, TcpView } from '../wire/tcp.ts';
import { WireFault } from '../wire/wire-fault.ts';
import type { ChannelEnd, NetworkWay, RunPlan } from './job.ts';
import { targetAddresses } from './network-way.ts';
import { auxiliaryRoutes } from './target-commands.ts';

/** When the SYN is sent again, and when nothing more is expected, after the first one. */
const REPEAT_AT_MS: readonly number[] = [300, 1_000, 2_000];
const PATIENCE_MS = 3_500;
/** A turn of waiting: Ctrl-C is seen in between. */
const WAIT_NS = 20 * NS_PER_MS;
/** Of many targets the first ones stand for all. */
const TARGETS_MAX = 8;
const WINDOW = 0xffff;
const RECEIVE_LIMIT = 64;

type Verdict = 'waiting' | 'answered' | 'reset';

/**
 * @param way with its channel
 * @param mode of the intercepts, for the hint
 * @throws ReplayError ERR_PROBE_NO_ANSWER, ERR_PROBE_RESET (unreachable); the signal's reason
 */
export async function probePath(
  plan: RunPlan,
  way: NetworkWay,
  channel: ChannelEnd,
  context: {
    readonly mode: string;
    readonly captureBytes: CaptureBytes;
    readonly interrupted: AbortSignal;
  },
): Promise<void> {
  const pool = new AddressPool(plan);
  const shards = channel.inboxes.length;
  for (let row = 0; row < Math.min(plan.targets.length, TARGETS_MAX); row++) {
    // From the pool's end: most runs never get there.
    const connection = Math.max(0, pool.capacity - 1 - row);
    const shard = shardOf(connection, plan.users, shards);
    const addresses = targetAddresses(plan);
    const io = openLocal({
      path: way.path,
      sender: way.sender,
      files: plan.scripts.files,
      targets: plan.targets.map(({ port }, i) => ({ address: addresses[i], port })),
      ranges: plan.clients.ranges,
      ports: plan.ports,
      sharding: { order: plan.order, firstPort: plan.firstPort, users: plan.users, shards, shard },
      answersNeighbours: false,
      runStart: runStartsNow(),
      captureBytes: context.captureBytes,
      inbox: channel.inboxes[shard],
    });
    try {
      const probe = new Probe(plan, way, io, { pool, connection, row });
      const verdict = await probe.run(context.interrupted);
      if (verdict === 'reset') throw wasReset(plan, row, probe.client);
      if (verdict === 'waiting') throw noAnswer(plan, way, row, probe.client, context.mode);
    } finally {
      io.close();
    }
  }
}

class Probe implements PacketSink {
  /** `ADDRESS:PORT` that it comes from. */
  readonly client: string;
  readonly #io: LocalIo;
  readonly #writer: FrameWriter;
  readonly #route: number;
  readonly #low: number;
  readonly #port: number;
  readonly #targetPort: number;
  readonly #targetAddress: Uint8Array;
  readonly #iss: number;
  readonly #ip = new IpView();
  readonly #segment = new TcpView();
  #verdict: Verdict = 'waiting';
  /** What the target acknowledged of an older connection of this address and port: a failed probe's. */
  #olderAck: number | null = null;

  constructor(
    plan: RunPlan,
    way: NetworkWay,
    io: LocalIo,
    at: { readonly pool: AddressPool; readonly connection: number; readonly row: number },
  ) {
    const { family, prefix } = plan.clients;
    const { pool, connection, row } = at;
    this.#io = io;
    this.#low = pool.lowOf(connection);
    this.#port = pool.portOf(connection);
    const address = pool.addressOf(connection);
    this.client = family === 6 ? `[${address}]:${this.#port}` : `${address}:${this.#port}`;
    this.#targetPort = plan.targets[row].port;
    this.#targetAddress = addressBytes(targetAddresses(plan)[row]);
    this.#iss = (plan.seed ^ connection) >>> 0;
    this.#writer = new FrameWriter(io.sender.batch, { family });
    this.#writer.synOptions = plan.syn;
    const source = addressBytes({ family, prefix, low: 0 });
    this.#route = this.#writer.addRoute(
      way.path.routes[row].linkHeader,
      this.#targetAddress,
      source,
    );
  }

  async run(interrupted: AbortSignal): Promise<Verdict> {
    const startMs = performance.now();
    const repeats = [...REPEAT_AT_MS];
    this.#send(SYN, this.#iss);
    while (this.#verdict === 'waiting') {
      const elapsedMs = performance.now() - startMs;
      if (elapsedMs > PATIENCE_MS) break;
      if (elapsedMs > (repeats.at(0) ?? Number.POSITIVE_INFINITY)) {
        repeats.shift();
        this.#send(SYN, this.#iss);
      }
      this.#io.wait(WAIT_NS);
      this.#io.receiver.receive(RECEIVE_LIMIT, this);
      this.#endOlder();
      await new Promise<void>((resolve) => setImmediate(resolve));
      interrupted.throwIfAborted();
    }
    // The target forgets it: no connection was made.
    if (this.#verdict === 'answered') this.#send(RST, seqAdd(this.#iss, 1));
    return this.#verdict;
  }

  /** RFC 9293, section 3.10.7.3: the connection that the target remembers is ended, and asked anew. */
  #endOlder(): void {
    if (this.#olderAck === null || this.#verdict !== 'waiting') return;
    this.#send(RST, this.#olderAck);
    this.#olderAck = null;
    this.#send(SYN, this.#iss);
  }

  onPacket(start: number, capturedBytes: number): void {
    const { data } = this.#io.receiver;
    const ip = this.#ip;
    ip.wrap(data, start, capturedBytes);
    if (ip.check() !== WireFault.OK) return;
    const segment = this.#segment;
    segment.wrap(data, start + ip.headerBytes, capturedBytes - ip.headerBytes);
    if (segment.check() !== WireFault.OK) return;
    const isOurs = ip.dstLow32 === this.#low && segment.dstPort === this.#port;
    if (!isOurs || segment.srcPort !== this.#targetPort) return;
    if (!ip.srcMatches(this.#targetAddress)) return;
    if (segment.ack !== seqAdd(this.#iss, 1)) {
      if ((segment.flags & (RST | ACK)) === ACK) this.#olderAck = segment.ack;
      return;
    }
    if (segment.flags & RST) this.#verdict = 'reset';
    else if ((segment.flags & (SYN | ACK)) === (SYN | ACK)) this.#verdict = 'answered';
  }

  #send(flags: number, seq: number): void {
    const { batch } = this.#io.sender;
    const kind = flags === SYN ? OptionsKind.SYN : OptionsKind.NONE;
    const tsVal = flags === SYN ? 1 : 0;
    const window = flags === SYN ? WINDOW : 0;
    this.#writer.writeTcp(
      this.#route,
      this.#low,
      this.#port,
      this.#targetPort,
      0,
      seq,
      0,
      flags,
      window,
      kind,
      tsVal,
      0,
      0,
      0,
    );
    batch.extentCount[batch.count] = 0;
    batch.count++;
    this.#io.sender.flush();
  }
}

const targetText = ({ targets }: RunPlan, row: number): string => {
  const { address, port } = targets[row];
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
};

const wasReset = (plan: RunPlan, row: number, client: string): ReplayError =>
  new ReplayError({
    code: 'ERR_PROBE_RESET',
    kind: 'unreachable',
    message:
      `the target's host answered the probe from ${client} to ${targetText(plan, row)} ` +
      'with a reset: nothing listens there',
    hint: `start the server, or see on the target: ss -ltn 'sport = :${plan.targets[row].port}'`,
  });

function noAnswer(
  plan: RunPlan,
  { path, intercepts }: NetworkWay,
  row: number,
  client: string,
  mode: string,
): ReplayError {
  const daemons = intercepts.map(({ host, port }) => `${host}:${port}`).join(', ');
  const hop = path.routes[row].nextHop;
  const via = hop === null ? '' : ` (frames leave by ${path.device.name})`;
  return new ReplayError({
    code: 'ERR_PROBE_NO_ANSWER',
    kind: 'unreachable',
    message:
      `no answer to the probe from ${client} to ${targetText(plan, row)}${via} was seen by the ` +
      `intercept ${daemons} (${mode})`,
    hint: noAnswerHint(plan, {
      host: intercepts[0]?.host ?? 'AUXILIARY',
      client: client.replace(/:\d+$/, '').replace(/^\[|\]$/g, ''),
      mode,
    }),
  });
}

function noAnswerHint(
  plan: RunPlan,
  at: { readonly host: string; readonly client: string; readonly mode: string },
): string {
  const { host, client, mode } = at;
  const family = plan.clients.family === 6 ? 'ipv6' : 'ipv4';
  const strict =
    family === 'ipv4'
      ? '; a strict rp_filter drops the SYN there: sysctl -w net.ipv4.conf.all.rp_filter=2'
      : '';
  const ip = family === 'ipv6' ? 'ip -6' : 'ip';
  if (mode !== 'advanced') {
    const route =
      mode === 'sink'
        ? ''
        : `, that it has a route for the clients, as a default route is (${ip} route get ${client})`;
    return (
      `see that the intercept runs on the target itself${route}, and that SYNs arrive there ` +
      `(tcpdump -ni any 'tcp[tcpflags] & tcp-syn != 0')${strict}`
    );
  }
  const routes = auxiliaryRoutes(plan.clients, host);
  return `on the target: ${routes.slice(0, 3).join('; ')}${strict}`;
}
