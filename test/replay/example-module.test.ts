/** The module of examples/modules, played by the engine against a server that checks what it is told. */
import { createHmac } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { beforeAll, expect, test } from 'vitest';
import { NS_PER_MS } from '../../src/base/time.ts';
import { Counter } from '../../src/measure/counters.ts';
import type { ProtocolModule } from '../../src/rewrite/module.ts';
import { makeModules } from '../../src/run/plan/modules.ts';
import { StreamEnd } from '../../src/session/script/scripts.ts';
import { type RecordedSession, said } from '../helpers/recorded.ts';
import { type Answer, talk } from './talking.ts';

const PATH = fileURLToPath(new URL('../../examples/modules/tickets.mjs', import.meta.url));
const KEY = 'k';

const SESSION: RecordedSession = {
  messages: [
    said('server', 'HELLO old\n'),
    said('client', 'LOGIN alice 5d0c\n', NS_PER_MS),
    said('server', 'OK\n'),
    said('client', 'OPEN printer\n', NS_PER_MS),
    said('server', 'TICKET 17\n'),
    said('client', 'OPEN scanner\n', NS_PER_MS),
    said('server', 'TICKET 18\n'),
    said('client', 'CLOSE 17\n', NS_PER_MS),
    said('server', 'CLOSED\n'),
    said('client', 'CLOSE 18\n', NS_PER_MS),
    said('server', 'CLOSED\n'),
  ],
  clientEnd: { how: StreamEnd.FIN },
  serverEnd: { how: StreamEnd.FIN, afterPeer: true },
};

/**
 * Gives tickets from 1030 on; it has no scanner. Notes what it was told that is wrong. Its answers are not as
 * long as the recorded ones.
 */
function ticketServer(key: string) {
  const open = new Set<string>();
  const names: string[] = [];
  const wrong: string[] = [];
  const answer = (line: string, connection: number): Answer => {
    const [word, first = '', digest] = line.split(' ');
    if (word === 'LOGIN') {
      const right = createHmac('sha256', key).update(`${first} n${connection}`).digest('hex');
      if (digest !== right) return 'DENIED\n';
      names.push(first);
      return 'OK\n';
    }
    if (word === 'OPEN' && first === 'scanner') return { text: 'NOT HERE\n', delayMs: 40 };
    if (word === 'OPEN') {
      const ticket = `${1030 + names.length + open.size}`;
      open.add(`${connection} ${ticket}`);
      return { text: `TICKET ${ticket}\n`, delayMs: 40 };
    }
    if (!open.delete(`${connection} ${first}`)) wrong.push(line);
    return 'CLOSED\n';
  };
  const server = (heard: string, connection: number): Answer[] => {
    if (heard === '') return ['HEL', `LO n${connection}\n`];
    const lines = heard.split('\n').slice(0, -1);
    return lines.map((line) => answer(line, connection));
  };
  return { server, open, names, wrong };
}

let modules: readonly ProtocolModule[];
beforeAll(async () => {
  modules = await makeModules([{ kind: 'file', path: PATH, options: { key: KEY } }]);
});

test.each(['think', 'schedule'] as const)(
  'users log in, and close the tickets that they were given (%s)',
  (pace) => {
    const { server, open, names, wrong } = ticketServer(KEY);
    const { counters, failures } = talk({
      ...{ sessions: [SESSION], modules, server },
      options: { users: 5, pace },
    });
    expect([...failures.keys()]).toEqual([]);
    expect(counters[Counter.COMPLETED]).toBe(5);
    expect(names.sort()).toEqual(['load0', 'load1', 'load2', 'load3', 'load4']);
    expect({ wrong, open: [...open] }).toEqual({ wrong: [], open: [] });
    // As the module says, and not by length or quiet.
    expect(counters[Counter.ANSWER_BY_PROTOCOL]).toBe(15);
    expect(counters[Counter.EXCHANGES_ANSWERED]).toBe(15);
    // What the server has no scanner for is not closed.
    expect(counters[Counter.EXCHANGES_SKIPPED]).toBe(5);
  },
);

test('users that are not let in end with what the server says', () => {
  const { counters, failures } = talk({
    ...{ sessions: [SESSION], modules, server: ticketServer('another').server },
    options: { users: 5 },
  });
  expect(counters[Counter.ABORTED_MODULE]).toBe(5);
  expect([...failures]).toEqual([['tickets: the server says: DENIED', 5]]);
});

test('sessions of another protocol are as they were recorded', () => {
  const other = { ...SESSION, messages: [said('client', 'PING\n'), said('server', 'PONG\n')] };
  const { counters } = talk({
    ...{ sessions: [other], modules },
    server: (heard) => (heard === 'PING\n' ? ['PONG\n'] : []),
  });
  expect(counters[Counter.MESSAGES_REWRITTEN]).toBe(0);
  expect(counters[Counter.COMPLETED]).toBe(1);
});
