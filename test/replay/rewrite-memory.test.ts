/**
 * Memory for what is written: whoever may need more than is left does not start, and is counted; whoever
 * has started has what was planned.
 */
import { describe, expect, test } from 'vitest';
import { NS_PER_MS } from '../../src/base/time.ts';
import { Counter } from '../../src/measure/counters.ts';
import { Latency } from '../../src/measure/histograms.ts';
import type { ProtocolModule } from '../../src/rewrite/module.ts';
import { StreamEnd } from '../../src/session/script/scripts.ts';
import { type RecordedSession, said } from '../helpers/recorded.ts';
import { type Answer, talk } from './talking.ts';

const FIN = { how: StreamEnd.FIN } as const;

const sessionOf = (...lines: readonly string[]): RecordedSession => ({
  messages: lines.flatMap((line) => [
    said('client', `${line}\n`, NS_PER_MS),
    said('server', `${line.toUpperCase()}\n`, NS_PER_MS),
  ]),
  clientEnd: FIN,
  serverEnd: { ...FIN, afterPeer: true },
});

/** Answers each line in capitals after `delayMs`, and notes who has said it. */
function echo(delayMs: number) {
  const heard = new Map<number, string[]>();
  const server = (text: string, connection: number): Answer[] =>
    text
      .split('\n')
      .slice(0, -1)
      .map((line) => {
        heard.set(connection, [...(heard.get(connection) ?? []), line]);
        return { text: `${line.slice(0, 1).toUpperCase()}\n`, delayMs };
      });
  return { heard, server };
}

/** Writes each message with so many octets more, and counts how often it is asked. */
function padding(more: number): { readonly module: ProtocolModule; readonly asked: string[] } {
  const asked: string[] = [];
  let connections = 0;
  const module: ProtocolModule = {
    name: 'padding',
    plan: ({ messages }) => ({
      plan: null,
      rewrites: Array.from({ length: messages }, (_, i) => i),
      reads: [],
    }),
    client: () => null,
    connection: () => connections++,
    rewrite: (connection, message, out) => {
      asked.push(`${connection}: ${message}`);
      out.copy(0, out.recorded.length - 1);
      out.put(Buffer.from(`${'+'.repeat(more)}\n`));
      return 'ready';
    },
  };
  return { module, asked };
}

/** Room for a user whose requests are a few octets each, and three of these besides what nobody may reserve. */
const ROOM_BYTES = 256;
const MEMORY_FOR_3 = 4 * ROOM_BYTES;

describe('users for whom there is no room', () => {
  test('do not start, are counted, and do not try again; the others play all', () => {
    const { heard, server } = echo(50);
    const { counters, arenaBytes } = talk({
      sessions: [sessionOf('a', 'b')],
      modules: [padding(100).module],
      server,
      options: { users: 5, iterations: 4, ratePerSecond: 1e6 },
      arenaBytes: MEMORY_FOR_3,
    });
    expect({
      completed: counters[Counter.COMPLETED],
      notStarted: counters[Counter.ABORTED_NOT_STARTED],
      aborted: counters[Counter.ABORTED],
      connected: counters[Counter.CONNECTED],
    }).toEqual({ completed: 3 * 4, notStarted: 2, aborted: 2, connected: 3 * 4 });
    expect([...heard.values()].every((lines) => lines.length === 2)).toBe(true);
    expect(arenaBytes).toBe(0);
  });

  test('those that come when others have ended start', () => {
    const { server } = echo(0);
    const { counters } = talk({
      sessions: [sessionOf('a')],
      modules: [padding(1).module],
      server,
      options: { users: 40, ratePerSecond: 100 },
      arenaBytes: MEMORY_FOR_3,
    });
    expect(counters[Counter.COMPLETED]).toBe(40);
  });

  test('of clients with several connections those count whose connections found room', () => {
    const { server } = echo(50);
    const session = sessionOf('a');
    const { counters, arenaBytes } = talk({
      sessions: [session, session, session],
      modules: [padding(1).module],
      server,
      scripts: { clientAddress: Uint32Array.of(7, 7, 7) },
      options: { per: 'client', users: 2, iterations: 3, ratePerSecond: 1e6 },
      arenaBytes: MEMORY_FOR_3,
    });
    const { [Counter.CLIENTS_COMPLETED]: completed, [Counter.CLIENTS_ABORTED]: aborted } = counters;
    expect(completed + aborted).toBe(counters[Counter.CLIENTS_STARTED]);
    expect(counters[Counter.ABORTED_NOT_STARTED]).toBeGreaterThan(0);
    expect(counters[Counter.CONNECTED]).toBe(counters[Counter.COMPLETED]);
    expect(arenaBytes).toBe(0);
  });
});

describe('users that have started', () => {
  test('are never without room for what was planned, although all of it is taken', () => {
    const { heard, server } = echo(20);
    const { counters } = talk({
      sessions: [sessionOf('a', 'b', 'c', 'd')],
      modules: [padding(120).module],
      server,
      options: { users: 3, ratePerSecond: 1e6 },
      arenaBytes: MEMORY_FOR_3,
    });
    expect(counters[Counter.COMPLETED]).toBe(3);
    expect(heard.get(2)?.map((line) => line.length)).toEqual([121, 121, 121, 121]);
    expect(counters[Counter.START_LAG_NS_MAX]).toBe(0);
  });

  test('wait where a request is longer than anybody had reckoned with: that is lag, and asked for once', () => {
    const { heard, server } = echo(20);
    const { module, asked } = padding(300);
    const { counters, latency, failures } = talk({
      sessions: [sessionOf('a', 'b')],
      modules: [module],
      server,
      options: { users: 3, ratePerSecond: 1e6 },
      // One such request at a time has room.
      arenaBytes: 6 * ROOM_BYTES,
    });
    expect(counters[Counter.COMPLETED]).toBe(3);
    expect([...failures.keys()]).toEqual([]);
    expect(asked).toHaveLength(6);
    expect([...heard.values()].map((lines) => lines.map((line) => line.length))).toEqual(
      Array.from({ length: 3 }, () => [301, 301]),
    );
    expect(latency.maxNs(Latency.LAG)).toBeGreaterThanOrEqual(5 * NS_PER_MS);
  });

  test('whoever comes later has as much room as the longest request took', () => {
    const { server } = echo(20);
    const { counters, latency } = talk({
      sessions: [sessionOf('a')],
      modules: [padding(400).module],
      server,
      // One at a time, and then two at once, for whom there is no room together.
      options: { users: 2, iterations: 2, ratePerSecond: 20 },
      arenaBytes: 2 * ROOM_BYTES + 512,
    });
    expect(counters[Counter.ABORTED_REWRITE_MEMORY]).toBe(0);
    expect(counters[Counter.COMPLETED] + counters[Counter.ABORTED_NOT_STARTED]).toBe(
      counters[Counter.STARTED],
    );
    expect(latency.count(Latency.CONNECT)).toBe(counters[Counter.CONNECTED]);
  });

  test('what never finds room ends its user', () => {
    const { heard, server } = echo(0);
    const { counters, arenaBytes } = talk({
      sessions: [sessionOf('a')],
      modules: [padding(2000).module],
      server,
      options: { users: 2, ratePerSecond: 1e6 },
      arenaBytes: MEMORY_FOR_3,
    });
    expect(counters[Counter.ABORTED_REWRITE_MEMORY]).toBe(2);
    expect(heard.size).toBe(0);
    expect(arenaBytes).toBe(0);
  });
});
