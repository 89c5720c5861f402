/** Plays a scenario in virtual time, and judges it: by the wire, by the servers, by the ledger. */
import { Instant } from '../../src/base/instant.ts';
import { NEVER_NS, NS_PER_SECOND } from '../../src/base/time.ts';
import { Counter } from '../../src/measure/counters.ts';
import { PlayFlag } from '../../src/replay/play-table.ts';
import { Close, Pace } from '../../src/replay/replay-plan.ts';
import { ledgerFaults } from '../helpers/ledger.ts';
import { Engine } from './engine.ts';
import { keyOf, ModelServer } from './model-server.ts';
import { Observer } from './observer.ts';
import { Path } from './path.ts';
import { ChannelRing } from './reply-ring.ts';
import { rewrittenSession } from './rewritten.ts';
import { type Fault, isServerFault, type Scenario, type Session } from './scenario.ts';

/** As the loop over the network takes them. */
const REPLIES_PER_TURN = 256;
const TURNS_MAX = 60_000;
const LIMIT_NS = 20_000 * NS_PER_SECOND;
/** An interrupt gives servers a second; then what is open is reset. */
const DRAIN_NS = NS_PER_SECOND;
const FAULTS_MAX = 5;
const ABORTS_PER_TURN = 512;

/** What became of a run. */
export interface Verdict {
  /** What must not be; none of them, if all is well. */
  readonly faults: readonly string[];
  readonly turns: number;
  readonly frames: number;
  readonly repeated: number;
  readonly endNs: number;
  readonly completed: number;
  readonly users: number;
  /** Of every frame and when it left: equal for equal runs. */
  readonly digest: number;
}

export function runScenario(scenario: Scenario): Verdict {
  return new Run(scenario).play();
}

class Run {
  readonly #scenario: Scenario;
  readonly #faults: string[] = [];
  readonly #engine: Engine;
  readonly #server: ModelServer;
  readonly #observer: Observer;
  readonly #toServer: Path;
  readonly #toClient: Path;
  readonly #pauses: readonly Extract<Fault, { kind: 'pause' }>[];
  readonly #interruptNs: number;
  readonly #over = new Set<string>();
  readonly #keys: string[] = [];
  readonly #sessions = new Map<
    number,
    { readonly session: Session; readonly expected: Uint8Array; readonly spoken: Uint8Array }
  >();
  readonly #disturbed: ReadonlySet<number>;
  #nowNs = 0;
  #digest = 0;

  constructor(scenario: Scenario) {
    this.#scenario = scenario;
    const { faults, client } = scenario;
    const report = (what: string): void => {
      if (this.#faults.length < FAULTS_MAX) this.#faults.push(what);
    };
    this.#toServer = new Path(scenario, 'toServer');
    this.#toClient = new Path(scenario, 'toClient');
    this.#pauses = faults.filter((fault) => fault.kind === 'pause');
    this.#interruptNs = Math.min(
      NEVER_NS,
      ...faults.filter((fault) => fault.kind === 'interrupt').map(({ atNs }) => atNs),
    );
    this.#disturbed = new Set(faults.filter(isServerFault).map(({ connection }) => connection));
    this.#engine = new Engine(scenario, (packet) => this.#onFrame(packet));
    const engine = this.#engine;
    this.#server = new ModelServer({
      settings: scenario.server,
      faults: faults.filter(isServerFault),
      sessionOf: (address, port) => this.#sessionOf(engine.connectionOf(address, port)),
      send: (packet) => this.#toClient.send(packet, this.#nowNs),
      onBadPacket: (what) => report(`the server got ${what}`),
    });
    const { pool } = engine.plan;
    const connections = scenario.users * scenario.iterations;
    const numbers = new Map<string, number>();
    for (let connection = 0; connection < connections; connection++) {
      const low = new Uint8Array(4);
      new DataView(low.buffer).setUint32(0, pool.lowBitsOf(connection));
      numbers.set(keyOf(low, pool.portOf(connection)), connection);
    }
    this.#keys = [...numbers.keys()];
    this.#observer = new Observer({
      windowBytes: client.windowBytes,
      isPunctual: this.#pauses.length === 0,
      checksTimes: () =>
        this.#disturbed.size === 0 && this.#interruptNs === NEVER_NS && client.pace === Pace.THINK,
      sessionOf: (key) => {
        const connection = numbers.get(key) ?? -1;
        const found = this.#sessionOf(connection);
        if (found === null) return null;
        const startNs = connection < scenario.users ? engine.plan.arrivals.startNs(connection) : 0;
        return { ...found, startNs };
      },
      wasOver: (key) => this.#over.has(key),
      report,
    });
  }

  play(): Verdict {
    let turns = 0;
    try {
      while (this.#faults.length === 0 && this.#step()) {
        if (++turns > TURNS_MAX || this.#nowNs > LIMIT_NS) {
          this.#faults.push(`not done after ${turns} turns, ${this.#nowNs / 1e9} s`);
        }
      }
      if (this.#faults.length === 0) this.#judgeEnd();
    } catch (fault) {
      this.#faults.push(fault instanceof Error ? (fault.stack ?? fault.message) : String(fault));
    }
    const { counters } = this.#engine;
    return {
      faults: this.#faults,
      turns,
      frames: this.#observer.frames,
      repeated: this.#observer.repeated,
      endNs: this.#nowNs,
      completed: counters[Counter.COMPLETED],
      users: counters[Counter.STARTED],
      digest: this.#digest,
    };
  }

  #sessionOf(connection: number) {
    const { sessions, users, iterations, rewriting } = this.#scenario;
    if (connection < 0 || connection >= users * iterations) return null;
    const known = this.#sessions.get(connection);
    if (known !== undefined) return known;
    const number = connection % sessions.length;
    const { recorded } = this.#engine;
    const session = sessions[number];
    const said = recorded.streamOf('client', number);
    const played =
      rewriting === 0
        ? { session, expected: said }
        : rewrittenSession(rewriting, connection % users, { number, session, recorded: said });
    const found = { ...played, spoken: recorded.streamOf('server', number) };
    this.#sessions.set(connection, found);
    return found;
  }

  #onFrame(packet: Uint8Array): void {
    let digest = this.#digest;
    const end = Math.min(packet.length, 60);
    for (let at = 0; at < end; at++) digest = Math.imul(digest ^ packet[at], 0x01000193) + 1;
    this.#digest = (Math.imul(digest, 31) + Math.floor(this.#nowNs)) >>> 0;
    this.#observer.onSent(packet, this.#nowNs);
    this.#toServer.send(packet, this.#nowNs);
  }

  /** A turn of the world. @returns whether anything is left to happen */
  #step(): boolean {
    const { replay, ring } = this.#engine;
    const engineNs = this.#engineDueNs();
    const worldNs = Math.min(
      this.#toServer.nextDueNs(),
      this.#toClient.nextDueNs(),
      this.#server.nextDueNs(),
    );
    if (replay.isDone && worldNs === NEVER_NS && ring.isEmpty) return false;
    const dueNs = Math.min(engineNs, worldNs, ring.nextDueNs());
    if (dueNs === NEVER_NS && this.#scenario.client.close === Close.SERVER) {
      // Only the server ends a connection, and it does not: held open for as long as the run lasts.
      this.#engine.nowNs = this.#nowNs;
      this.#hasInterrupted = true;
      replay.abortAll(this.#nowNs, ABORTS_PER_TURN);
      replay.flush();
      return true;
    }
    if (dueNs === NEVER_NS) {
      this.#faults.push('users are live, and nothing will ever happen');
      return false;
    }
    this.#nowNs = Math.max(this.#nowNs, dueNs);
    this.#moveWorld();
    if (this.#awakeNs(this.#nowNs) === this.#nowNs) this.#moveEngine();
    return true;
  }

  #engineDueNs(): number {
    const { replay, ring } = this.#engine;
    if (!ring.isEmpty) return this.#awakeNs(this.#nowNs);
    if (replay.isDone) return NEVER_NS;
    const resetNs = this.#interruptNs + (this.#hasInterrupted ? DRAIN_NS : 0);
    const dueNs = Math.min(replay.nextDueNs(), resetNs);
    return dueNs === NEVER_NS ? dueNs : this.#awakeNs(Math.max(dueNs, this.#nowNs));
  }

  /** The first time from then on at which the generator's process runs. */
  #awakeNs(atNs: number): number {
    let awakeNs = atNs;
    for (const { fromNs, forNs } of this.#pauses) {
      if (awakeNs >= fromNs && awakeNs < fromNs + forNs) awakeNs = fromNs + forNs;
    }
    return awakeNs;
  }

  #moveWorld(): void {
    const { ring } = this.#engine;
    ring.onTimeout(this.#nowNs);
    this.#server.onTimeout(this.#nowNs);
    for (const { packet, isHarmed } of this.#toServer.take(this.#nowNs)) {
      this.#server.onPacket(packet, isHarmed, this.#nowNs);
    }
    for (const { packet, dueNs } of this.#toClient.take(this.#nowNs)) {
      ring.onReply(packet, dueNs);
    }
  }

  #hasInterrupted = false;

  #moveEngine(): void {
    const { replay, ring } = this.#engine;
    const nowNs = this.#nowNs;
    this.#engine.nowNs = nowNs;
    this.#noteOver();
    this.#observer.beginTurn();
    replay.beginTurn(new Instant(nowNs));
    let heardNs = nowNs;
    const received = ring.receive(REPLIES_PER_TURN, {
      onPacket: (start, capturedBytes, arrived) => {
        const octets = new Uint8Array(
          ring.data.buffer,
          ring.data.byteOffset + start,
          capturedBytes,
        );
        this.#observer.onDelivered(octets, arrived.ns);
        replay.onPacket(start, capturedBytes, arrived);
        this.#engine.show();
        heardNs = arrived.ns;
      },
    });
    if (received < REPLIES_PER_TURN) heardNs = nowNs;
    replay.onTimeout(nowNs, heardNs);
    if (nowNs >= this.#interruptNs && !this.#hasInterrupted) {
      this.#hasInterrupted = true;
      replay.interrupt(nowNs);
    }
    if (
      this.#interruptNs < NEVER_NS &&
      !replay.isInterrupting &&
      nowNs >= this.#interruptNs + DRAIN_NS
    ) {
      replay.abortAll(nowNs, ABORTS_PER_TURN);
    }
    replay.flush();
    this.#judgeLedger();
  }

  #noteOver(): void {
    for (const [connection, key] of this.#keys.entries()) {
      if (this.#engine.isLive(connection)) this.#over.delete(key);
      else this.#over.add(key);
    }
  }

  /** At every step: who has started is live or has ended, once, and for one reason. */
  #judgeLedger(): void {
    const { counters, replay } = this.#engine;
    let [live, connected] = [0, 0];
    for (const flags of replay.plays.flags) {
      if (flags & PlayFlag.LIVE) live++;
      if (flags & PlayFlag.CONNECTED) connected++;
    }
    const judge = (what: string, counter: Counter, other: number): void => {
      const one = counters[counter];
      if (one !== other) this.#faults.push(`ledger: ${what}: ${one} is not ${other}`);
    };
    judge('started = live + ended', Counter.STARTED, live + sumOf(counters, ENDS));
    judge('established', Counter.ESTABLISHED, connected);
    judge('reset', Counter.RESET, sumOf(counters, RESETS));
    judge('timed out', Counter.TIMED_OUT, sumOf(counters, TIMEOUTS));
    judge('aborted', Counter.ABORTED, sumOf(counters, ABORTS));
    judge('answered', Counter.EXCHANGES_ANSWERED, sumOf(counters, ANSWERS));
    if (counters[Counter.EXCHANGES_ANSWERED] > counters[Counter.EXCHANGES_SENT]) {
      this.#faults.push('ledger: more answered than sent');
    }
  }

  #judgeEnd(): void {
    const { counters, replay, ring, plan } = this.#engine;
    const faults = this.#faults;
    const connections = plan.users * plan.iterations;
    const { STARTED } = Counter;
    // The servers' own account stands where that of the embedded target would.
    for (const { accepted, wrong } of this.#server.connections.values()) {
      counters[Counter.EMBEDDED_OCTETS_CHECKED] += accepted - wrong;
      counters[Counter.EMBEDDED_BAD_OCTETS] += wrong;
    }
    if (!this.#hasInterrupted || counters[STARTED] === connections) {
      faults.push(...ledgerFaults(counters, connections));
      // Who finds no room once does not play again.
      const isRoomless = counters[Counter.ABORTED_NOT_STARTED] > 0;
      if (counters[STARTED] !== connections && !isRoomless)
        faults.push(`only ${counters[STARTED]} have started`);
    }
    const { changed } = this.#engine;
    if (changed > 0) faults.push(`${changed} frames had changed when they left`);
    const usedBytes = replay.rewriting?.arena.usedBytes ?? 0;
    if (usedBytes > 0) faults.push(`${usedBytes} octets of memory for what is written are left`);
    for (const [reason] of replay.rewriting?.host.failures ?? []) faults.push(reason);
    if (replay.nextDueNs() !== NEVER_NS) faults.push(`a timer is left: ${replay.nextDueNs()}`);
    for (const [user, dueNs] of replay.transport.users.dueNs.entries()) {
      if (dueNs !== NEVER_NS) faults.push(`user ${user} of TCP still has a timer: ${dueNs}`);
    }
    if (ring instanceof ChannelRing) faults.push(...ring.faults);
    const isHarmless = this.#scenario.mustComplete;
    if (isHarmless && counters[Counter.COMPLETED] !== connections) {
      faults.push(`${counters[Counter.COMPLETED]} of ${connections} completed: ${this.#fates()}`);
    }
    for (const [key, connection] of this.#server.connections) {
      if (connection.wrong > 0)
        faults.push(`${key}: the server got ${connection.wrong} wrong octets`);
    }
    if (isHarmless && this.#scenario.client.close === Close.RECORDED) this.#judgeStreams();
  }

  /** Where nothing lasting happened every server has all of its client's stream, and its end. */
  #judgeStreams(): void {
    for (const [connection, key] of this.#keys.entries()) {
      const server = this.#server.connections.get(key);
      const expected = this.#sessionOf(connection)?.expected.length;
      if (server === undefined || server.accepted !== expected) {
        this.#faults.push(`${key}: the server has ${server?.accepted} of ${expected} octets`);
      } else if (server.end !== 'closed' && server.end !== 'reset by client') {
        // A late copy makes TIME-WAIT ask a client that has forgotten the connection (RFC 1337).
        this.#faults.push(`${key}: the server's connection ended: ${server.end || server.state}`);
      }
    }
  }

  #fates(): string {
    const { counters } = this.#engine;
    return [...ENDS, ...RESETS, ...TIMEOUTS, ...ABORTS]
      .filter((which) => counters[which] > 0)
      .map((which) => `${nameOf(which)} ${counters[which]}`)
      .join(', ');
  }
}

function sumOf(counters: Float64Array, which: readonly Counter[]): number {
  let sum = 0;
  for (const each of which) sum += counters[each];
  return sum;
}

/** The counters of reasons: whatever is added to them belongs to the sum. */
function countersOf(prefix: string): readonly Counter[] {
  return Object.entries(Counter)
    .filter(([name]) => name.startsWith(prefix))
    .map(([, counter]) => counter);
}

const nameOf = (counter: Counter): string =>
  Object.entries(Counter).find(([, value]) => value === counter)?.[0] ?? '';

const ENDS = [
  Counter.COMPLETED,
  Counter.REFUSED,
  Counter.RESET,
  Counter.TIMED_OUT,
  Counter.ABORTED,
];
const RESETS = countersOf('RESET_');
const TIMEOUTS = countersOf('TIMED_OUT_');
const ABORTS = countersOf('ABORTED_');
const ANSWERS = countersOf('ANSWER_BY_');
