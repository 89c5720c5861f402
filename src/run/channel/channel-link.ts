/**
 * A replay's connection to one intercept. What fails before the run has begun fails the run; a
 * connection that is lost later is made again, and what was missed in between is said.
 */

import { ReplayError } from '../../base/errors.ts';
import { NS_PER_MS, NS_PER_SECOND, type Timestamp } from '../../base/time.ts';
import { formatCount, formatDuration } from '../../base/units.ts';
import type { ChannelClock } from '../../doctor/observations.ts';
import { type Hello, RefusalCode } from '../../intercept/protocol.ts';
import type { RegistrationAnswer, RegistrationRequest } from '../../intercept/registration.ts';
import { type PeerFault, ReplayPeer } from '../../intercept/replay-peer.ts';
import type { ChannelStream, DialledStream, DialOptions } from '../../io/channel/channel-socket.ts';
import type { InterceptAddress } from '../plan/options.ts';
import type { RecordRouter } from './record-router.ts';

const RETRY_MS_MIN = 100;
const RETRY_MS_MAX = 2_000;
/** How long the last totals may take at the end. */
const FAREWELL_MS = 200;
const FAREWELL_STEP_MS = 5;
/** An intercept that is not back by then ends the run: whoever waited for an answer has given up. */
export const PATIENCE_NS = 30 * NS_PER_SECOND;

/** Time and network, as a link needs them. */
export interface LinkWorld {
  /** Nanoseconds of a clock that is never set. */
  nowNs(): number;
  /** Calls back once, so many milliseconds later. @returns forgets it; harmless when it is over */
  after(ms: number, callback: () => void): () => void;
  /** @throws ReplayError ERR_CHANNEL_UNREACHABLE, ERR_CHANNEL_SECRET (unreachable) */
  dial(options: DialOptions): Promise<DialledStream>;
}

/** One intercept to connect to, and what is asked of it. */
export interface LinkOptions {
  readonly address: InterceptAddress;
  readonly key: Uint8Array | null;
  readonly hello: Hello;
  readonly request: RegistrationRequest;
  /** Protocols whose answers the run follows, for people. */
  readonly followed: string;
  readonly router: RecordRouter;
  readonly world: LinkWorld;
  /** The wall clock. */
  now(): Timestamp;
  onWarning(text: string): void;
  /** Once, after the run has begun: the intercept will not come back, and this is why. */
  onGone(error: ReplayError): void;
}

const NOTHING = (): void => undefined;

/** The connection to one intercept: dialled again while that helps. */
export class ChannelLink {
  /** What the intercept has answered; null before. */
  answer: RegistrationAnswer | null = null;
  readonly #options: LinkOptions;
  readonly #label: string;
  #peer: ReplayPeer | null = null;
  #stream: ChannelStream | null = null;
  /** Of the live connection, and of the next one: one ends while the other begins. */
  #forgetPeerTimer = NOTHING;
  #forgetRetry = NOTHING;
  #isClosing = false;
  #isGone = false;
  /** Before the run everything is a failure; afterwards it is an accident. */
  #hasBegun = false;
  #fail: (error: ReplayError) => void = NOTHING;
  #retryMs = RETRY_MS_MIN;
  /** Totals of connections that are over. */
  #before = { forwarded: 0, dropped: 0, kernelDropped: 0 };
  #losses = 0;
  #gapNs = 0;
  /** Of pauses that are over. */
  #silentBeforeNs = 0;
  /** When it was heard last, while it is lost; else null. */
  #lostNs: number | null = null;
  #clockText = 'its clock is not known';

  constructor(options: LinkOptions) {
    const { host, port } = options.address;
    this.#options = options;
    this.#label = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
  }

  /** What the intercept has dropped, over all connections. */
  get dropped(): number {
    return this.#before.dropped + (this.#peer?.status.dropped ?? 0);
  }

  get kernelDropped(): number {
    return this.#before.kernelDropped + (this.#peer?.status.kernelDropped ?? 0);
  }

  /** How long nothing was heard of it, in nanoseconds: over all pauses that were no mere jitter. */
  get silentNs(): number {
    const nowNs = this.#options.world.nowNs();
    const lostNs = this.#lostNs === null ? 0 : nowNs - this.#lostNs;
    return this.#silentBeforeNs + lostNs + (this.#peer?.silentNs(nowNs) ?? 0);
  }

  /**
   * Connects and registers; resolves when the clock is known.
   * @throws ReplayError ERR_CHANNEL_UNREACHABLE, ERR_CHANNEL_SECRET, ERR_CHANNEL_REFUSED (unreachable)
   */
  async open(): Promise<void> {
    const isReady = new Promise<void>((resolve, reject) => {
      this.#fail = reject;
      void this.#connect(resolve).catch(reject);
    });
    await isReady;
    this.#hasBegun = true;
  }

  /** What is known of the intercept's clock, once `open` has resolved. */
  get clock(): ChannelClock {
    const { host, port } = this.#options.address;
    const peer = this.#peer;
    const known =
      peer === null || peer.sharesClock
        ? 'same'
        : { offsetNs: peer.clock.offsetNs, uncertaintyNs: peer.clock.uncertaintyNs };
    return { intercept: `${host}:${port}`, known };
  }

  /** Says goodbye. @returns lines for the summary */
  async close(): Promise<string[]> {
    this.#isClosing = true;
    this.#forgetPeerTimer();
    this.#forgetRetry();
    this.#endGap();
    const peer = this.#peer;
    if (peer?.isLive) {
      const { world } = this.#options;
      const before = peer.status;
      peer.onTimeout(world.nowNs());
      peer.ping();
      for (let ms = 0; peer.status === before && ms < FAREWELL_MS; ms += FAREWELL_STEP_MS) {
        await new Promise<void>((resolve) => world.after(FAREWELL_STEP_MS, resolve));
      }
      peer.sayBye();
    }
    this.#stream?.close();
    return this.#notes();
  }

  async #connect(onReady: () => void): Promise<void> {
    const { address, key, hello, request, router, now, world } = this.#options;
    const dialled = await world.dial({ ...address, key });
    const { stream } = dialled;
    if (this.#isClosing || this.#isGone) return stream.close();
    this.#stream = stream;
    let peer: ReplayPeer | null = null;
    const made = new ReplayPeer(
      {
        hello,
        request,
        now,
        send: stream.send,
        onRegistered: (answer) => this.#onRegistered(answer),
        onRecords: (data, start, end) => {
          const aheadNs = peer === null || peer.sharesClock ? 0 : peer.clock.offsetNs;
          router.route(data, start, end, aheadNs);
        },
        onClockKnown: onReady,
        end: (fault) => {
          stream.close();
          this.#onLost(fault);
        },
      },
      world.nowNs(),
    );
    peer = made;
    this.#peer = made;
    dialled.attach({
      onOctets: (chunk) => {
        const wasLive = made.isLive;
        made.onOctets(chunk, world.nowNs());
        if (!wasLive) this.#arm(made);
      },
      onDrain: NOTHING,
      onClosed: (reason) => made.onClosed(reason),
    });
    this.#arm(made);
  }

  #arm(peer: ReplayPeer): void {
    this.#forgetPeerTimer();
    if (this.#isClosing || this.#peer !== peer) return;
    const { world } = this.#options;
    const waitMs = (peer.nextDueNs() - world.nowNs()) / NS_PER_MS;
    if (!Number.isFinite(waitMs)) return;
    this.#forgetPeerTimer = world.after(Math.max(1, Math.ceil(waitMs)), () => {
      // It may end the peer, which sets the other timer.
      peer.onTimeout(world.nowNs());
      this.#arm(peer);
    });
  }

  #onRegistered(answer: RegistrationAnswer): void {
    // Told once, and again where the intercept that is back grants something else.
    if (answer.prefixBytes !== this.answer?.prefixBytes) this.#warnOfGrant(answer.prefixBytes);
    this.answer = answer;
    this.#retryMs = RETRY_MS_MIN;
    if (this.#lostNs === null) return;
    const gapNs = this.#endGap();
    this.#options.onWarning(
      `the intercept at ${this.#label} is back: replies of ${formatDuration(gapNs)} were missed`,
    );
  }

  #warnOfGrant(granted: number): void {
    const { request, followed, onWarning } = this.#options;
    if (granted >= request.prefixBytes || followed === '') return;
    const cure = this.#peer?.grantsPrefix
      ? `give it --prefix-bytes-max ${request.prefixBytes} or more`
      : 'it is older than this replay: update it, or give it more --prefix-bytes';
    onWarning(
      `the intercept at ${this.#label} hands over ${formatCount(granted)} octets of each packet: ` +
        `answers of ${followed} are followed as far as that, and this run needs ` +
        `${formatCount(request.prefixBytes)}; ${cure}`,
    );
  }

  #onLost(fault: PeerFault): void {
    const isWordless = fault.kind === 'lost' && this.#peer?.hasGreeted === false;
    const heardNs = this.#peer?.heardNs ?? this.#options.world.nowNs();
    this.#keepTotals();
    if (this.#isClosing) return;
    if (!this.#hasBegun) {
      // TLS drops what is not TLS, often without the alert that would say so.
      const wantsSecret = isWordless && this.#options.key === null;
      const text = 'it closed the connection at once; most likely it was started with a secret';
      this.#fail(refusal(this.#label, wantsSecret ? { ...fault, kind: 'secret', text } : fault));
      return;
    }
    if (this.#lostNs === null) {
      this.#lostNs = heardNs;
      this.#losses++;
      this.#options.onWarning(
        `the intercept at ${this.#label} is lost (${fault.text}): connecting again`,
      );
    }
    if (fault.isFinal) this.#giveUp(refusal(this.#label, fault));
    else this.#retry(fault.text);
  }

  /** @param why the last try failed */
  #retry(why: string): void {
    const { world } = this.#options;
    const lostNs = world.nowNs() - (this.#lostNs ?? world.nowNs());
    if (lostNs >= PATIENCE_NS) {
      this.#giveUp(neverBack(this.#label, lostNs, why));
      return;
    }
    this.#forgetRetry = world.after(this.#retryMs, () => {
      this.#connect(NOTHING).catch((error: unknown) => {
        if (!this.#isClosing) this.#retry(error instanceof Error ? error.message : String(error));
      });
    });
    this.#retryMs = Math.min(this.#retryMs * 2, RETRY_MS_MAX);
  }

  #giveUp(error: ReplayError): void {
    this.#isGone = true;
    this.#options.onGone(error);
  }

  #endGap(): number {
    if (this.#lostNs === null) return 0;
    const gapNs = this.#options.world.nowNs() - this.#lostNs;
    this.#gapNs += gapNs;
    this.#silentBeforeNs += gapNs;
    this.#lostNs = null;
    return gapNs;
  }

  #keepTotals(): void {
    const peer = this.#peer;
    if (peer === null) return;
    this.#before = {
      forwarded: this.#before.forwarded + peer.status.forwarded,
      dropped: this.#before.dropped + peer.status.dropped,
      kernelDropped: this.#before.kernelDropped + peer.status.kernelDropped,
    };
    this.#silentBeforeNs += peer.silentBeforeNs;
    this.#noteClock(peer);
    this.#peer = null;
  }

  #noteClock({ sharesClock, clock }: ReplayPeer): void {
    if (sharesClock) {
      this.#clockText = 'it shares this machine’s clock';
    } else if (Number.isFinite(clock.uncertaintyNs)) {
      const { offsetNs, uncertaintyNs } = clock;
      const way = offsetNs < 0 ? 'behind' : 'ahead';
      this.#clockText =
        `its clock is ${formatDuration(Math.abs(offsetNs))} ${way}, ` +
        `known to ±${formatDuration(uncertaintyNs)}`;
    }
  }

  #notes(): string[] {
    this.#keepTotals();
    const { forwarded, dropped, kernelDropped } = this.#before;
    const mode = this.answer?.mode ?? 'no mode';
    const lines = [
      `intercept ${this.#label} (${mode}): ${formatCount(forwarded)} replies, ` +
        `${formatCount(dropped)} dropped for this replay, ${formatCount(kernelDropped)} by its ` +
        `kernel; ${this.#clockText}`,
    ];
    for (const note of this.answer?.notes ?? []) lines.push(`intercept ${this.#label}: ${note}`);
    if (this.#losses > 0) {
      const times = this.#losses === 1 ? 'once' : `${this.#losses} times`;
      lines.push(
        `intercept ${this.#label}: lost ${times}, replies of ` +
          `${formatDuration(this.#gapNs)} were missed${this.#isGone ? '; it did not come back' : ''}`,
      );
    }
    return lines;
  }
}

function refusal(label: string, { kind, code, text }: PeerFault): ReplayError {
  const isSecret = kind === 'secret';
  const hint = isSecret ? 'give --token-file (or GRYPHON_TOKEN) here, too' : hintOf(code);
  return new ReplayError({
    code: isSecret ? 'ERR_CHANNEL_SECRET' : 'ERR_CHANNEL_REFUSED',
    kind: 'unreachable',
    message: `the intercept at ${label} did not take this replay: ${text}`,
    ...(hint === null ? {} : { hint }),
  });
}

const neverBack = (label: string, lostNs: number, why: string): ReplayError =>
  new ReplayError({
    code: 'ERR_CHANNEL_LOST',
    kind: 'unreachable',
    message:
      `the intercept at ${label} was lost and did not come back within ` +
      `${formatDuration(lostNs)}: ${why}`,
    hint: 'see its log for why it ended, and start it and the run again',
  });

function hintOf(code: number): string | null {
  if (code === RefusalCode.VERSION) return 'install the same version of gryphon on both machines';
  if (code === RefusalCode.OVERLAP)
    return 'give other --clients or --ports, or wait for that replay';
  if (code === RefusalCode.FULL) return 'start another intercept on another --listen port';
  if (code === RefusalCode.USER) {
    return 'run both as the same user (sudo), or give both the same --token-file';
  }
  return code === 0 ? 'see that gryphon intercept listens there' : null;
}
