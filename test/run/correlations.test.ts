/** Which recorded sessions correlation looks at, and the times by which it tells what came first. */
import { expect, test } from 'vitest';
import { correlate } from '../../src/run/captures/correlations.ts';
import { type Connection, httpCapture } from '../helpers/http-capture.ts';
import { readCapture } from '../helpers/recording.ts';
import { answer, get } from '../rewrite/http/play.ts';

const MIB = 2 ** 20;

function correlatedIn(connections: readonly Connection[], bytesMax?: number) {
  const file = httpCapture(connections);
  const read = (offset: number, into: Uint8Array) => {
    into.set(file.subarray(offset, offset + into.length));
  };
  return correlate(readCapture(file).scripts(), read, bytesMax);
}

const told = (client: string, value: string, padding = 0): Connection => ({
  client,
  exchanges: [
    [get('/a'), answer(`{"token":"${value}"${' '.repeat(padding)}}`)],
    [get('/b', `Authorization: Bearer ${value}\r\n`), answer('')],
  ],
});

test('sessions are grouped by their clients, and those beyond the limit are left and counted', () => {
  const connections = [told('10.0.0.7', 'aaaa1111bbbb'), told('10.0.0.8', 'cccc2222dddd', 3000)];
  const all = correlatedIn(connections);
  expect(all).toMatchObject({ sessions: 2, clients: 2, sessionsLeft: 0, isCut: false });
  expect(all.rows).toMatchObject([{ clients: 2, differs: 'yes', rule: 'token' }]);
  const some = correlatedIn(connections, 2000);
  expect(some).toMatchObject({ sessions: 1, clients: 1, sessionsLeft: 1 });
  expect(some.rows).toMatchObject([{ clients: 1, differs: 'unknown', rule: 'token' }]);
});

test('what was asked for on one connection before it came on another is no correlation', () => {
  const [answered, asked] = [
    { client: '10.0.0.7', exchanges: [[get('/a'), answer('{"token":"aaaa1111bbbb"}')]] },
    { client: '10.0.0.7', exchanges: [[get('/b?token=aaaa1111bbbb'), answer('')]] },
  ] as const satisfies readonly Connection[];
  expect(correlatedIn([answered, asked]).rows).toMatchObject([{ isAcross: true }]);
  expect(correlatedIn([asked, answered]).rows).toEqual([]);
});

test('how much of an answer has to be read is known', () => {
  const page = answer(`${' '.repeat(MIB / 8)}<input name="csrf" value="aaaa1111bbbb">`);
  const { bodyBytes, rules } = correlatedIn([
    {
      client: '10.0.0.7',
      exchanges: [
        [get('/a'), page],
        [get('/b?csrf=aaaa1111bbbb'), answer('')],
      ],
    },
  ]);
  expect(rules.learn).toHaveLength(1);
  expect(bodyBytes).toBe(MIB / 8 + '<input name="csrf" value="aaaa1111bbbb'.length);
});
