/** How long recorded clients thought and recorded servers took, by server. */
import { Float64Column } from '../../base/columns.ts';
import { NS_PER_MS } from '../../base/time.ts';
import type { RecordedTimings, Spread } from '../../report/inspect-document.ts';
import type { HttpRequests } from '../../session/script/http-requests.ts';
import type { Scripts, StreamColumns } from '../../session/script/scripts.ts';
import type { SessionSurvey } from '../../session/script/session-survey.ts';

/** What was found of one server. */
interface Row {
  readonly think: Float64Column;
  readonly latency: Float64Column;
  httpRequests: number;
}

/**
 * Of the replayable sessions of each server: the think times before client turns, and the times that
 * the server took to begin its answers. Sessions are added part by part.
 */
export class TimingsCount {
  readonly #rows: Row[] = [];

  /** @param scripts a part of a capture's; the rows of their servers are the same in all parts */
  add(scripts: Scripts, requests: HttpRequests): void {
    this.#reserve(scripts.endpoints.length);
    for (let session = 0; session < scripts.sessions; session++) {
      const row = this.#rows[scripts.endpoint[session]];
      addTurns(scripts.client, session, row.think);
      addTurns(scripts.server, session, row.latency);
      row.httpRequests += requests.first[session + 1] - requests.first[session];
    }
  }

  /** Makes room for sessions that are to come, by row of their server. */
  expect(sessions: readonly number[]): void {
    this.#reserve(sessions.length);
    for (const [i, count] of sessions.entries()) {
      this.#rows[i].think.reserve(count);
      this.#rows[i].latency.reserve(count);
    }
  }

  /** Adds sessions of which there are no scripts: rows of the catalog, as it comes to them. */
  addSurveyed(survey: SessionSurvey, sessions: Uint32Array): void {
    for (let i = 0; i < sessions.length; i++) {
      const endpoint = survey.enter(sessions[i]);
      this.#reserve(endpoint + 1);
      const row = this.#rows[endpoint];
      survey.addTurns(true, row.think);
      survey.addTurns(false, row.latency);
      row.httpRequests += survey.httpRequests();
    }
  }

  /** By row of the server in the scripts' `endpoints`. */
  finish(): RecordedTimings[] {
    return this.#rows.map(({ think, latency, httpRequests }) => ({
      thinkMs: spreadOf(think),
      latencyMs: spreadOf(latency),
      httpRequests,
    }));
  }

  #reserve(rows: number): void {
    while (this.#rows.length < rows) {
      this.#rows.push({
        think: new Float64Column(),
        latency: new Float64Column(),
        httpRequests: 0,
      });
    }
  }
}

/** The waits of messages that began a turn: their side had received more than before. */
function addTurns(stream: StreamColumns, session: number, into: Float64Column): void {
  const first = stream.firstMessage[session];
  for (let row = first; row < stream.firstMessage[session + 1]; row++) {
    const isFirst = row === first;
    const beginsTurn = isFirst || stream.messageAwait[row] > stream.messageAwait[row - 1];
    if (beginsTurn) into.push(stream.messageThinkNs[row]);
  }
}

/** Nearest ranks, in milliseconds; null of nothing. */
function spreadOf(valuesNs: Float64Column): Spread | null {
  if (valuesNs.count === 0) return null;
  const sorted = valuesNs.toShared().sort();
  const at = (share: number) => sorted[Math.ceil(share * sorted.length) - 1] / NS_PER_MS;
  return { p50: at(0.5), p90: at(0.9), max: at(1) };
}
