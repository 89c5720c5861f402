/** Correlation over recorded sessions: which of them are looked at, client by client. */

import { append } from '../../base/append.ts';
import { HTTP1_NAME } from '../../protocol/registry.ts';
import { RecordedTexts } from '../../replay/recorded-text.ts';
import { ScriptSteps } from '../../replay/script-steps.ts';
import { type Correlation, correlationOf } from '../../rewrite/correlate/correlation.ts';
import { type ClientSession, Correlator } from '../../rewrite/correlate/correlator.ts';
import { CaptureBlocks } from '../../session/script/capture-blocks.ts';
import type { Scripts } from '../../session/script/scripts.ts';
import { type ReadOctets, StreamView } from '../../session/script/stream-view.ts';

/** What was found, and in how much. */
export interface CaptureCorrelation extends Correlation {
  readonly sessions: number;
  readonly clients: number;
  /** Sessions that were not looked at, because there were too many. */
  readonly sessionsLeft: number;
  /** Sessions that were not looked at, because some of their answers were not captured. */
  readonly sessionsHoled: number;
}

/** Octets of both directions that are looked at: some half a minute, and what one client has of memory. */
const CORRELATED_BYTES_MAX = 512 * 2 ** 20;
const CLIENT_BYTES_MAX = 64 * 2 ** 20;

/**
 * Finds which values came from answers.
 * @param read fills `into` with octets of the joined capture from `offset`
 */
export function correlate(
  scripts: Scripts,
  read: ReadOctets,
  bytesMax = CORRELATED_BYTES_MAX,
): CaptureCorrelation {
  const blocks = new CaptureBlocks(scripts.files, read);
  const sessions = new TimedSessions(scripts, (offset, into) => blocks.read(offset, into));
  const { clients, sessionsLeft, sessionsHoled } = choose(scripts, sessions, bytesMax);
  const correlator = new Correlator();
  const shown = (rows: readonly number[]) => rows.map((row) => sessions.of(row));
  for (const [client, rows] of clients) correlator.find(client, shown(rows));
  for (const [client, rows] of clients) correlator.check(client, shown(rows));
  const looked = [...clients.values()].reduce((sum, rows) => sum + rows.length, 0);
  return {
    ...correlationOf(correlator.finish()),
    ...{ sessions: looked, clients: clients.size, sessionsLeft, sessionsHoled },
  };
}

/** The sessions of HTTP/1 by their clients, as many as there is room for. */
function choose(scripts: Scripts, sessions: TimedSessions, bytesMax: number) {
  const clients = new Map<string, number[]>();
  const bytesOf = new Map<string, number>();
  let bytes = 0;
  let sessionsLeft = 0;
  let sessionsHoled = 0;
  for (let row = 0; row < scripts.sessions; row++) {
    if (sessions.of(row).session.protocol !== HTTP1_NAME) continue;
    if (sessions.isHoled(row)) {
      sessionsHoled++;
      continue;
    }
    const client = `${scripts.clientAddress[row]}`;
    const own = sessions.bytesOf(row);
    const ofClient = (bytesOf.get(client) ?? 0) + own;
    if (bytes + own > bytesMax || ofClient > CLIENT_BYTES_MAX) {
      sessionsLeft++;
      continue;
    }
    bytes += own;
    bytesOf.set(client, ofClient);
    append(clients, client, row);
  }
  return { clients, sessionsLeft, sessionsHoled };
}

/** Sessions with the times of what was said. */
class TimedSessions {
  readonly #scripts: Scripts;
  readonly #texts: RecordedTexts;
  readonly #steps: ScriptSteps;
  readonly #client: StreamView;
  readonly #server: StreamView;

  constructor(scripts: Scripts, read: ReadOctets) {
    this.#scripts = scripts;
    this.#texts = new RecordedTexts(scripts, read);
    this.#steps = new ScriptSteps(scripts);
    this.#client = new StreamView(scripts.client, read);
    this.#server = new StreamView(scripts.server, read);
  }

  of(row: number): ClientSession {
    const { startNs, client } = this.#scripts;
    return {
      session: this.#texts.of(row),
      messageNs: (i) => startNs[row] + client.messageOffsetNs[client.firstMessage[row] + i],
      stageNs: (i) => startNs[row] + this.#stageOffsetNs(row, i),
    };
  }

  /** When the message was sent in which the stage begins. */
  #stageOffsetNs(row: number, stage: number): number {
    const { firstMessage, messageEnd, messageOffsetNs } = this.#scripts.server;
    const step = this.#steps.first(row) + stage;
    const begin = this.#steps.awaitOf(row, step) - this.#steps.bytesOf(row, step);
    let message = firstMessage[row];
    while (message < firstMessage[row + 1] && messageEnd[message] <= begin) message++;
    return message < firstMessage[row + 1] ? messageOffsetNs[message] : Number.POSITIVE_INFINITY;
  }

  bytesOf(row: number): number {
    return this.#client.bytesOf(row) + this.#server.bytesOf(row);
  }

  /** Whether some of what the server said was not captured: then octets of the file's head stand for it. */
  isHoled(row: number): boolean {
    const { server, areAnswersUnheard } = this.#scripts;
    if (areAnswersUnheard?.[row] === 1) return true;
    const extents = server.extentOffset.subarray(
      server.firstExtent[row],
      server.firstExtent[row + 1],
    );
    return extents.includes(0);
  }
}
