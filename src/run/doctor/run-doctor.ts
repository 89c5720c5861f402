/** `gryphon doctor`: the whole way as a replay would go it, and what is found on it. */
import { addressAt, formatAddress, parseAddress } from '../../base/address.ts';
import { ReplayError } from '../../base/errors.ts';
import { formatBytes, formatCount } from '../../base/units.ts';
import type {
  ChannelClock,
  Heard,
  MachineFacts,
  Question,
  Tried,
  Walk,
} from '../../doctor/observations.ts';
import { capabilities, connectTo } from '../../io/doctor/machine.ts';
import { PathTap } from '../../io/doctor/path-tap.ts';
import { measureSendRate } from '../../io/doctor/send-rate.ts';
import { openCaptureBytes } from '../../io/files/capture-file.ts';
import { stateBytesOf } from '../../replay/state-bytes.ts';
import { AddressPool } from '../../schedule/address-pool.ts';
import { describeWay, type NetworkWay } from '../plan/network-way.ts';
import { clientsText, OWN_CLIENTS, type ReplayOptions, type RunHost } from '../plan/options.ts';
import { type RunPlan, rowsOf } from '../plan/run-plan.ts';
import { draftFor, planWay } from '../plans.ts';
import { indexForReplay } from '../replay-run.ts';
import { openIntercepts } from '../threads/intercepted-way.ts';
import { openLocalWay } from '../threads/local-way.ts';
import { probeConnection, probePath } from '../threads/probe.ts';
import { ProgressMeter } from '../threads/progress-meter.ts';
import { gatherFacts } from './machine-facts.ts';

/** The sizes that are tried where the path's own does not get through, in octets of the IP packet. */
const SIZES_TRIED: readonly number[] = [1_480, 1_450, 1_400, 1_280, 576];
/** An answer of the link's takes no longer; the SYN without data was answered. */
const SIZE_PATIENCE_MS = 600;
/** The kernel's own connection: as long as its first two SYNs. */
const CONNECT_PATIENCE_MS = 2_000;

/** What the doctor is told beside what a replay is. */
export interface DoctorOptions {
  readonly replay: ReplayOptions;
  /** Whether the users were named, so that there is something to say of their memory. */
  readonly patienceMs: number;
  readonly others: readonly MachineFacts[];
}

/**
 * Walks the way; whatever is not in order on it is part of what it returns.
 * @throws ReplayError (capture) where the capture cannot be read; what is no fault of the way
 */
export async function walkTheWay(
  { replay: options, patienceMs, others }: DoctorOptions,
  host: RunHost,
  version: string,
): Promise<Walk> {
  const index = await indexForReplay(options, host, new ProgressMeter(host));
  try {
    const privileges = capabilities();
    const planned = await planTheWay(() => draftFor(index, index.scripts(), options, host));
    const question = questionOf(options, planned.plan);
    const fromHere = await connectTo(
      question.target,
      question.port,
      Math.min(CONNECT_PATIENCE_MS, patienceMs),
    );
    const before = gatherFacts('load', question, null);
    const walked =
      privileges.netRaw && planned.plan !== null && planned.network !== null
        ? await tryWay(planned.plan, planned.network, options, { patienceMs, host, version })
        : NOT_WALKED;
    const { heard, channel, channelClocks, probe, packetSize } = walked;
    return {
      question,
      privileges,
      plan: planned.asPlan,
      path: planned.asPath,
      fromHere,
      channel,
      channelClocks,
      probe,
      packetSize,
      overridden: overriddenBy(options),
      sendsPerSecond: privileges.netRaw ? measureSendRate() : null,
      load: { ...before, heard },
      others,
    };
  } finally {
    index.close();
  }
}

/** What of the way was named, in place of what the tables say. */
function overriddenBy({ nextHop, interfaceName, sourceMac }: ReplayOptions): string | null {
  const named = [
    ...(nextHop === null
      ? []
      : [`--next-hop ${nextHop.kind === 'ip' ? nextHop.address : nextHop.mac}`]),
    ...(interfaceName === null ? [] : [`--interface ${interfaceName}`]),
    ...(sourceMac === null ? [] : [`--source-mac ${sourceMac}`]),
  ];
  return named.length === 0 ? null : named.join(' ');
}

interface Planned {
  readonly plan: RunPlan | null;
  readonly network: NetworkWay | null;
  readonly asPlan: Tried;
  readonly asPath: Tried | null;
}

async function planTheWay(draft: () => ReturnType<typeof draftFor>): Promise<Planned> {
  try {
    const { plan, network } = planWay(await draft(), Date.now(), capabilities().netRaw);
    const free = process.availableMemory();
    const text =
      `${formatCount(plan.users)} users: ${formatBytes(rowsOf(plan) * stateBytesOf(plan))} of state, ` +
      `${formatBytes(free)} of memory are free`;
    const way = network === null ? '' : describeWay(network, plan).join('; ');
    return { plan, network, asPlan: { ok: true, text }, asPath: { ok: true, text: way } };
  } catch (fault) {
    const failed = failedWith(fault);
    const isPath = failed.code.startsWith('ERR_IO_');
    const none = { plan: null, network: null };
    return isPath
      ? { ...none, asPlan: { ok: true, text: 'the users fit' }, asPath: failed }
      : { ...none, asPlan: failed, asPath: null };
  }
}

/** What the options ask for, in words; with the plan the clients are those that it has. */
export function questionOf(
  { target, clients, intercepts }: ReplayOptions,
  plan: RunPlan | null = null,
): Question {
  const route = target.kind === 'network' ? target.routes.at(-1) : undefined;
  const { address = '', port = 0 } = route ?? {};
  const pool = plan === null ? null : new AddressPool(plan);
  const first = clients === OWN_CLIENTS ? address : formatAddress(addressAt(clients.ranges[0], 0));
  return {
    target: address,
    port,
    clients: plan === null ? clientsText(clients) : plan.clients.text,
    client: pool === null ? first : pool.addressOf(probeConnection(pool, 0)),
    isOwn: clients === OWN_CLIENTS,
    intercept:
      intercepts.length === 0
        ? null
        : intercepts.map((one) => `${one.host}:${one.port}`).join(', '),
  };
}

interface Walked {
  readonly heard: readonly Heard[] | null;
  readonly channel: Tried | null;
  readonly channelClocks: readonly ChannelClock[];
  readonly probe: Tried | null;
  readonly packetSize: Walk['packetSize'];
}

const NOT_WALKED: Walked = {
  heard: null,
  channel: null,
  channelClocks: [],
  probe: null,
  packetSize: null,
};

async function tryWay(
  plan: RunPlan,
  network: NetworkWay,
  options: ReplayOptions,
  by: { readonly patienceMs: number; readonly host: RunHost; readonly version: string },
): Promise<Walked> {
  const pool = new AddressPool(plan);
  const port = pool.portOf(probeConnection(pool, 0));
  const tap = new PathTap(plan.targets[0], plan.clients.ranges, { clientPort: port });
  const { interrupted } = by.host;
  const asked = { interrupted, patienceMs: by.patienceMs, onWarning: () => undefined };
  const hasIntercept = network.intercepts.length > 0;
  let close: () => unknown = () => undefined;
  let channelClocks: readonly ChannelClock[] = [];
  try {
    const intercepted = await openIntercepts(plan, network, {
      ...asked,
      token: options.token,
      shards: 1,
      version: by.version,
      onClocks: (clocks) => {
        channelClocks = clocks;
      },
    });
    close = async () => await intercepted?.close();
    const local = await openLocalWay(plan, network, asked);
    if (local !== null) close = () => local.close();
    const probe: Tried = { ok: true, text: 'SYN, SYN-ACK and RST went all the way' };
    const mode = intercepted?.mode ?? null;
    const size = await trySizes(plan, intercepted?.way ?? network, mode, by);
    const channel: Tried | null = hasIntercept
      ? { ok: true, text: `${by.version === '' ? '' : 'it is connected and '}captures (${mode})` }
      : null;
    return { heard: tap.hear(), channel, channelClocks, probe, packetSize: size };
  } catch (fault) {
    const failed = failedWith(fault);
    const heard = tap.hear();
    const isChannel = hasIntercept && !failed.code.startsWith('ERR_PROBE_');
    if (isChannel) return { ...NOT_WALKED, heard, channel: failed, channelClocks };
    const channel: Tried | null = hasIntercept ? { ok: true, text: 'it is connected' } : null;
    return { ...NOT_WALKED, heard, channel, channelClocks, probe: failed };
  } finally {
    tap.close();
    await close();
  }
}

/** A smaller segment of the probe's may be answered where its SYN is not. */
const NOT_ANSWERED: readonly string[] = ['ERR_PROBE_NO_ANSWER', 'ERR_PROBE_FULL'];

/** The longest packet that is answered, of the path's size and some smaller ones. */
async function trySizes(
  plan: RunPlan,
  way: NetworkWay,
  mode: string | null,
  { patienceMs, host }: { readonly patienceMs: number; readonly host: RunHost },
): Promise<Walk['packetSize']> {
  const { mtu, routes } = way.path;
  if (routes.every(({ isLocal }) => isLocal)) return null;
  const captureBytes = openCaptureBytes(plan.scripts.files);
  try {
    for (const packetBytes of [mtu, ...SIZES_TRIED.filter((size) => size < mtu)]) {
      try {
        await probePath(plan, way, {
          mode,
          captureBytes,
          interrupted: host.interrupted,
          patienceMs: Math.min(patienceMs, SIZE_PATIENCE_MS),
          packetBytes,
        });
        return { path: mtu, answered: packetBytes };
      } catch (fault) {
        if (!(fault instanceof ReplayError) || !NOT_ANSWERED.includes(fault.code)) throw fault;
      }
    }
    return { path: mtu, answered: 0 };
  } finally {
    captureBytes.close();
  }
}

/** @throws the fault itself where it is none of the way's */
function failedWith(fault: unknown): Tried & { readonly ok: false } {
  if (!(fault instanceof ReplayError)) throw fault;
  if (fault.kind === 'interrupted' || fault.kind === 'internal') throw fault;
  const { code, message, hint } = fault;
  return { ok: false, code, message, hint };
}

/** While it is listened on another machine: how often, and how long after the first answer. */
const LISTEN_EVERY_MS = 50;
const AFTER_FIRST_MS = 1_000;

/**
 * The facts of the target's or an intercept's machine, and what comes there meanwhile.
 * @throws ReplayError ERR_DOCTOR_CLIENTS (usage); as PathTap does
 */
export async function listenHere(
  place: 'target' | 'intercept',
  options: ReplayOptions,
  {
    listenMs,
    interrupted,
    onListening,
  }: {
    readonly listenMs: number;
    readonly interrupted: AbortSignal;
    onListening(question: Question): void;
  },
): Promise<MachineFacts> {
  const question = questionOf(options);
  const address = parseAddress(question.target);
  if (options.clients === OWN_CLIENTS || address === null) throw noClients(place);
  const target = { address, port: question.port };
  const tap = new PathTap(target, options.clients.ranges, { isAtTarget: place === 'target' });
  try {
    onListening(question);
    let endMs = performance.now() + listenMs;
    let hasHeard = false;
    while (performance.now() < endMs && !interrupted.aborted) {
      await new Promise((resolve) => setTimeout(resolve, LISTEN_EVERY_MS));
      if (hasHeard || tap.hear().length === 0) continue;
      hasHeard = true;
      endMs = Math.min(endMs, performance.now() + AFTER_FIRST_MS);
    }
    return gatherFacts(place, question, tap.hear());
  } finally {
    tap.close();
  }
}

const noClients = (place: string): ReplayError =>
  new ReplayError({
    code: 'ERR_DOCTOR_CLIENTS',
    kind: 'usage',
    message: `--on-${place} does not know which addresses are the load machine's own`,
    hint: "--clients with the load machine's address",
  });
