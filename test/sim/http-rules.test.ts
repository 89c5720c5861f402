/** Rules for HTTP in the engine, through a bad network: the server has what a naive edit gives. */
import { expect, test } from 'vitest';
import { WHOLE_PACKET_BYTES } from '../../src/base/prefix-bytes.ts';
import { NS_PER_MS } from '../../src/base/time.ts';
import { Counter } from '../../src/measure/counters.ts';
import { httpModule } from '../../src/rewrite/http/http-module.ts';
import { StreamEnd } from '../../src/session/script/scripts.ts';
import type { RecordedMessage } from '../helpers/recorded.ts';
import { answer, get, post, settingsOf } from '../rewrite/http/play.ts';
import { simulateRewriting } from './rewriting-simulation.ts';

const said = (from: 'client' | 'server', text: string): RecordedMessage => ({
  from,
  octets: Buffer.from(text, 'latin1'),
  thinkNs: NS_PER_MS,
});

const LONG = 'x'.repeat(5_000);
const FORM = 'application/x-www-form-urlencoded';
/** What the recorded client said, and what is said instead; the answers are the recorded ones. */
const EXCHANGES = [
  {
    recorded: get('/login'),
    sent: (client: number) => get('/login', `X-Client: ${client}\r\n`),
    answer: answer('{"token":"recorded-token"}', 'Set-Cookie: sid=recorded-sid\r\n'),
  },
  {
    recorded: post('/cart', FORM, `old=1&note=${LONG}`, 'Cookie: sid=recorded-sid\r\n'),
    sent: (client: number) =>
      post(
        '/cart',
        FORM,
        `old=${client}-of-all&note=${LONG}`,
        'Cookie: sid=recorded-sid\r\n',
      ).replace(/(Content-Length: \d+\r\n)/, `$1X-Client: ${client}\r\n`),
    answer: answer(LONG),
  },
  {
    recorded: get('/logout'),
    sent: () => '',
    answer: answer('bye'),
  },
  {
    recorded: get('/end?t=recorded-token', 'Authorization: Bearer recorded-token\r\n'),
    sent: (client: number) =>
      get(
        '/end?t=recorded-token',
        `Authorization: Bearer recorded-token\r\nX-Client: ${client}\r\n`,
      ),
    answer: answer(''),
  },
];

test('what rules set reaches the server of every user, over a path that loses, doubles and delays', () => {
  const users = 12;
  const messages = EXCHANGES.flatMap(({ recorded, answer: told }) => [
    said('client', recorded),
    said('server', told),
  ]);
  const end = { how: StreamEnd.FIN } as const;
  const module = httpModule(
    settingsOf({
      cookies: 'auto',
      unbound: 'fail',
      learn: [{ name: 'token', from: { json: '$.token' } }],
      send: [{ headers: { 'X-Client': '{{client}}' } }, { form: { old: '{{client}}-of-all' } }],
      skip: [{ when: { path: '/logout' } }],
    }),
  );
  const faults = { loss: 0.05, duplicate: 0.05, reorder: 0.1 };
  const { counters, streamOf, replay } = simulateRewriting({
    sessions: [{ messages, clientEnd: end, serverEnd: { ...end, afterPeer: true } }],
    ...{ users, seed: 7, modules: [module], toServer: faults, toClient: faults },
    target: { prefixBytes: WHOLE_PACKET_BYTES },
  });
  expect([...(replay.rewriting?.host.failures ?? [])]).toEqual([]);
  expect(counters[Counter.COMPLETED]).toBe(users);
  for (let user = 0; user < users; user++) {
    const wanted = EXCHANGES.map(({ sent }) => sent(user)).join('');
    expect(Buffer.from(streamOf(user)).toString('latin1')).toBe(wanted);
  }
});
