/**
 * A replay's connection to one intercept. What fails before the run has begun fails the run; a
 * connection that is lost later is made again, and what was missed in between is said.
 */
import { ReplayError } from '../base/errors.ts';
import { NS_PER_MS } from '../base/time.ts';
import { formatCount, formatDuration } from '../base/units.ts';
import { type Hello, RefusalCode, type Stamp } from '../intercept/protocol.ts';
import type { RegistrationAnswer, RegistrationRequest } from '../intercept/registration.ts';
import { type PeerFault, ReplayPeer } from '../intercept/replay-peer.ts';
import { type ChannelStream, dialStream } from '../io/channel-socket.ts';
import type { InterceptAddress } from './options.ts';
import type { RecordRouter } from './record-router.ts';

const RETRY_MS_MIN = 100;
const RETRY_MS_MAX = 2_000;
/** How long the last totals may take at the end. */
const FAREWELL_MS = 200;

export interface LinkOptions {
  readonly address: InterceptAddress;
  readonly key: Uint8Array | null;
  readonly hello: Hello;
  readonly request: RegistrationRequest;
  readonly router: RecordRouter;
  now(): Stamp;
  onWarning(text: string): void;
}

export class ChannelLink {
  /** What the intercept has answered; null before. */
  answer: RegistrationAnswer | null = null;
  readonly #options: LinkOptions;
  readonly #label: string;
  #peer: ReplayPeer | null = null;
  #stream: ChannelStream | null = null;
  #timer: NodeJS.Timeout | undefined;
  #isClosing = false;
  /** Before the run everything is a failure; afterwards it is an accident. */
  #hasBegun = false;
  #fail: (error: ReplayError) => void = () => undefined;
  #retryMs = RETRY_MS_MIN;
  /** Totals of connections that are over. */
  #before = { forwarded: 0, dropped: 0, kernelDropped: 0 };
  #losses = 0;
  #gapNs = 0;
  #lostNs = 0;
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

  /** Says goodbye. @returns lines for the summary */
  async close(): Promise<string[]> {
    this.#isClosing = true;
    clearTimeout(this.#timer);
    if (this.#lostNs > 0) this.#endGap();
    const peer = this.#peer;
    if (peer?.isLive) {
      const before = peer.status;
      peer.onTimeout(nowNs());
      peer.ping();
      for (let waited = 0; peer.status === before && waited < FAREWELL_MS; waited += 5) {
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      peer.sayBye();
    }
    this.#stream?.close();
    return this.#notes();
  }

  async #connect(onReady: () => void): Promise<void> {
    const { address, key, hello, request, router, now } = this.#options;
    const dialled = await dialStream({ ...address, key });
    const { stream } = dialled;
    if (this.#isClosing) return stream.close();
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
      nowNs(),
    );
    peer = made;
    this.#peer = made;
    dialled.attach({
      onOctets: (chunk) => {
        const wasLive = made.isLive;
        made.onOctets(chunk, nowNs());
        if (!wasLive) this.#arm(made);
      },
      onDrain: () => undefined,
      onClosed: (reason) => made.onClosed(reason),
    });
    this.#arm(made);
  }

  #arm(peer: ReplayPeer): void {
    clearTimeout(this.#timer);
    if (this.#isClosing || this.#peer !== peer) return;
    const waitMs = (peer.nextDueNs() - nowNs()) / NS_PER_MS;
    if (!Number.isFinite(waitMs)) return;
    this.#timer = setTimeout(
      () => {
        peer.onTimeout(nowNs());
        this.#arm(peer);
      },
      Math.max(1, Math.ceil(waitMs)),
    );
  }

  #onRegistered(answer: RegistrationAnswer): void {
    this.answer = answer;
    this.#retryMs = RETRY_MS_MIN;
    if (this.#lostNs === 0) return;
    const gapNs = this.#endGap();
    this.#options.onWarning(
      `the intercept at ${this.#label} is back: replies of ${formatDuration(gapNs)} were missed`,
    );
  }

  #onLost(fault: PeerFault): void {
    const isWordless = fault.kind === 'lost' && this.#peer?.hasGreeted === false;
    this.#keepTotals();
    if (this.#isClosing) return;
    if (!this.#hasBegun) {
      // TLS drops what is not TLS, often without the alert that would say so.
      const wantsSecret = isWordless && this.#options.key === null;
      const text = 'it closed the connection at once; most likely it was started with a secret';
      this.#fail(refusal(this.#label, wantsSecret ? { ...fault, kind: 'secret', text } : fault));
      return;
    }
    if (this.#lostNs === 0) {
      this.#lostNs = nowNs();
      this.#losses++;
      this.#options.onWarning(
        `the intercept at ${this.#label} is lost (${fault.text}): connecting again`,
      );
    }
    this.#retry();
  }

  #retry(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      if (this.#isClosing) return;
      this.#connect(() => undefined).catch(() => {
        if (!this.#isClosing) this.#retry();
      });
    }, this.#retryMs);
    this.#retryMs = Math.min(this.#retryMs * 2, RETRY_MS_MAX);
  }

  #endGap(): number {
    const gapNs = nowNs() - this.#lostNs;
    this.#gapNs += gapNs;
    this.#lostNs = 0;
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
          `${formatDuration(this.#gapNs)} were missed`,
      );
    }
    return lines;
  }
}

/** Of a clock that is never set. */
const nowNs = (): number => performance.now() * NS_PER_MS;

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

function hintOf(code: number): string | null {
  if (code === RefusalCode.VERSION) return 'install the same version of gryphon on both machines';
  if (code === RefusalCode.OVERLAP)
    return 'give other --clients or --ports, or wait for that replay';
  if (code === RefusalCode.FULL) return 'start another intercept on another --listen port';
  return code === 0 ? 'see that gryphon intercept listens there' : null;
}
