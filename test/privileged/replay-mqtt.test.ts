/** Replays to mosquitto, which publishes to its subscribers what and when others do; its log is the oracle. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { captureWhile } from '../helpers/capture.ts';
import {
  CLIENTS_ROUTED,
  type Lab,
  makeLab,
  mustInside,
  routeClients,
  startInside,
} from '../helpers/netns.ts';
import { canRun } from '../helpers/privilege.ts';
import { type Running, until } from '../helpers/process.ts';
import { completed, fixture, replay } from '../helpers/replay.ts';
import { type Folder, listening, makeFolder } from '../helpers/servers.ts';

const PORT = 1_883;
const USERS = 20;
const TOOLS = ['ip', 'ethtool', 'ss', 'tcpdump', 'mosquitto', 'mosquitto_pub', 'mosquitto_sub'];

describe.runIf(canRun('replays to mosquitto', TOOLS))('a broker that publishes', () => {
  let lab: Lab;
  let folder: Folder;
  let broker: Running | undefined;

  beforeAll(async () => {
    lab = await makeLab();
    folder = makeFolder('mqtt');
    await routeClients(lab);
    writeFileSync(
      join(folder.path, 'mosquitto.conf'),
      [
        `listener ${PORT} ${lab.target.ipv4}`,
        ...['user root', 'allow_anonymous true', 'log_dest stderr', 'log_type all', ''],
      ].join('\n'),
    );
    writeFileSync(join(folder.path, 'password'), 'any');
  });

  async function startBroker(): Promise<void> {
    await broker?.stop();
    broker = startInside(lab.target, ['mosquitto', '-c', join(folder.path, 'mosquitto.conf')]);
    await listening(lab.target, broker, PORT);
  }
  beforeEach(startBroker);

  afterAll(async () => {
    await broker?.stop();
    await lab?.close();
    folder?.remove();
  });

  const publish = (topic: string, ...more: string[]) => [
    ...['mosquitto_pub', '-h', lab.target.ipv4, '-t', topic, '-m', 'x'.repeat(3_000), ...more],
  ];
  /** Each user has a client id of its own: of two with the same one the broker would end the older. */
  const play = (capture: string, user: string, accel = '50') =>
    replay(lab.client, [
      ...[capture, '--target', `${lab.target.ipv4}:${PORT}`, '--clients', CLIENTS_ROUTED.ipv4],
      ...['--users', `${USERS}`, '--rate', '20/s', '--accel', accel],
      ...['--mqtt-user', `${user}:@${join(folder.path, 'password')}`],
    ]);
  const said = (): string => broker?.output() ?? '';
  const times = (each: RegExp): number => said().match(each)?.length ?? 0;
  /** What a user has published, and what was published to one, with QoS 1 and 2. */
  const sent = (qos: number) =>
    times(new RegExp(`Sending PUBLISH to \\S+ \\(d0, q${qos}[^\\n]*`, 'g'));

  /** All that was published to users is answered by them, and nothing else. */
  async function expectAnswered(): Promise<void> {
    const text = said();
    expect(text).not.toMatch(/protocol error|unknown packet identifier|already connected/i);
    expect(text).not.toMatch(/Sending PUBLISH to \S+ \(d1/);
    const answered = (type: string): number =>
      times(new RegExp(`Received ${type} from [^\\n]*`, 'g'));
    // Some was still on its way to users who had left.
    expect(answered('PUBACK')).toBeLessThanOrEqual(sent(1));
    expect(answered('PUBACK')).toBeGreaterThan(0.8 * sent(1));
    expect(answered('PUBREC')).toBeLessThanOrEqual(sent(2));
    expect(answered('PUBREC')).toBeGreaterThan(0.8 * sent(2));
    expect(answered('PUBCOMP')).toBeGreaterThan(0.7 * sent(2));
  }

  test('to who subscribes to what it publishes, and to what others do, before it and meanwhile', async () => {
    await mustInside(lab.client, publish('test/retained', '-r', '-q', '1'));
    const others = startInside(lab.client, [
      ...publish('test/others', '-q', '2', '--repeat', '60', '--repeat-delay', '0.02'),
    ]);
    const result = completed(await play(fixture('public/mqtt-big.pcap'), 'testuser'), USERS);
    await others.stop();
    expect(result.exchanges).toMatchObject({ answered: 8 * USERS, unsolicited: 0, failed: 0 });
    expect(result.answerRules).toMatchObject({ protocol: 8 * USERS });
    expect(result.exchanges.pushesAnswered).toBeGreaterThan(5 * USERS);
    expect(sent(2)).toBeGreaterThan(USERS);
    await expectAnswered();
  });

  test('to who has subscribed and is silent', async () => {
    const result = completed(await play(fixture('public/mqtt-sub-v6.pcap'), 'user'), USERS);
    expect(result.exchanges).toMatchObject({ answered: 2 * USERS, unsolicited: 0, failed: 0 });
  });

  test.each(['mqttv31', 'mqttv311', 'mqttv5'])('a recorded subscriber of %s', async (version) => {
    const capture = join(folder.path, `${version}.pcap`);
    const subscribe = ['mosquitto_sub', '-h', lab.target.ipv4, '-V', version, '-q', '2', '-v'];
    await captureWhile(lab.client, capture, { filter: `tcp port ${PORT}` }, async () => {
      const client = ['-i', 'room', '-u', 'me', '-t', 'rooms/1', '-t', 'rooms/2', '-C', '4'];
      const subscriber = startInside(lab.client, [...subscribe, ...client]);
      await until('subscribed', () => times(/Sending SUBACK to room/g) === 1);
      // From the broker's own machine, so that the subscriber is all that is recorded.
      await mustInside(lab.target, publish('rooms/1', '-q', '1', '--repeat', '2'));
      await mustInside(lab.target, publish('rooms/2', '-q', '2', '--repeat', '2'));
      await until('all heard', () => subscriber.hasEnded());
      expect(subscriber.exitCode()).toBe(0);
    });
    await startBroker();
    await mustInside(lab.client, publish('rooms/1', '-r', '-q', '1'));
    await mustInside(lab.client, publish('rooms/2', '-r', '-q', '2'));
    const others = startInside(lab.client, [
      ...publish('rooms/2', '-q', '2', '--repeat', '60', '--repeat-delay', '0.02'),
    ]);
    const { exchanges } = completed(await play(capture, 'me', '1'), USERS);
    expect(exchanges).toMatchObject({ unsolicited: 0, failed: 0 });
    expect(exchanges.pushesAnswered).toBeGreaterThanOrEqual(2 * USERS);
    await others.stop();
    await expectAnswered();
  });
});
