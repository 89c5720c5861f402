/** What is said before a replay of what a server will not take as it stands. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type CaptureIndex, indexCaptures } from '../../src/run/captures/index-captures.ts';
import { warnOfHints, warnOfPorts } from '../../src/run/plan/capture-hints.ts';
import type { ReplayOptions } from '../../src/run/plan/options.ts';
import { planOf } from '../helpers/plan.ts';
import { OPTIONS } from '../replay/play.ts';

const fixture = (name: string) =>
  new URL(`../../fixtures/public/${name}`, import.meta.url).pathname;

let index: CaptureIndex;

beforeAll(async () => {
  index = await indexCaptures([fixture('mqtt-big.pcap'), fixture('ftp-active-passive.pcap')], {
    seed: 1,
  });
});
afterAll(() => index.close());

/** The kinds of warnings, by their first words. */
function warnings(options: Partial<ReplayOptions>, recordedPort: number | null = null): string[] {
  const route = {
    recordedAddress: null,
    recordedPort,
    label: 'x:1',
    address: '192.0.2.7',
    port: 1,
  };
  const target = { kind: 'network' as const, routes: [route] };
  const plan = planOf(index.scripts(), { ...OPTIONS, target, maxGapNs: 1e9, ...options });
  return warnOfHints(index, plan, options.modules).map((text) =>
    text.replace(/^.*? with (\w+).*$/, '$1'),
  );
}

test('a data connection of FTP always matters', () => {
  expect(warnings({})).toEqual(['FTP']);
});

test('names matter where two users bear the same', () => {
  expect(warnings({ users: 100 })).toEqual(['FTP', 'MQTT']);
});

test('names that a log-in gives each client anew do not matter', () => {
  const logIn = (protocol: string) => ({
    ...{ kind: 'log-in' as const, protocol, perClient: false, readOnly: false },
    accounts: [{ recorded: null, user: 'a', password: 'b' }],
  });
  expect(warnings({ users: 100, modules: [logIn('ftp')] })).toEqual(['FTP', 'MQTT']);
  expect(warnings({ users: 100, modules: [logIn('ftp'), logIn('mqtt')] })).toEqual(['FTP']);
});

test('what is not played does not matter', () => {
  expect(warnings({ users: 100 }, 1883)).toEqual(['MQTT']);
  expect(warnings({ users: 100 }, 21)).toEqual(['FTP']);
});

test('what is said of a port that no session was recorded to changes nothing', () => {
  const ports = (...said: (number | null)[]): string[] => {
    const protocols = said.map((port) => ({ port, protocol: 'redis' }));
    return warnOfPorts(planOf(index.scripts(), { ...OPTIONS, maxGapNs: 1e9, protocols }));
  };
  expect(ports()).toEqual([]);
  expect(ports(21, null)).toEqual([]);
  expect(ports(6_379, 1_883, 6_379)).toEqual([
    '--protocol or --framing for port 6379 changes nothing: sessions were recorded to port 21, 1883, 33582, 37835',
  ]);
});
