/** Prometheus looks at a replay while it runs; on loopback, without privilege. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { run, startProgram, until } from '../helpers/process.ts';
import { fixture } from '../helpers/replay.ts';

const REPLAY = [process.execPath, 'bin/gryphon.js', 'replay', fixture('http-keepalive.pcap')];

/** A server at a port that the kernel picks. */
function takePort(): Promise<{ port: number; release: () => Promise<void> }> {
  const server = createServer();
  const release = () => new Promise<void>((resolve) => server.close(() => resolve()));
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      resolve({ port: (server.address() as AddressInfo).port, release });
    });
  });
}

async function scrape(port: number): Promise<Map<string, number>> {
  const text = await fetch(`http://127.0.0.1:${port}/metrics`).then(
    (response) => response.text(),
    () => '',
  );
  return new Map(
    text.split('\n').map((line) => {
      const space = line.lastIndexOf(' ');
      return [line.slice(0, space), Number(line.slice(space + 1))];
    }),
  );
}

test('the counts grow while it runs, and nobody listens afterwards', async () => {
  const { port, release } = await takePort();
  await release();
  const load = ['-u', '20', '--duration', '30s', '--real-time', '--metrics', String(port)];
  const program = startProgram([...REPLAY, ...load]);
  const exchanges = async () => (await scrape(port)).get('gryphon_exchanges_total') ?? 0;
  try {
    await until('exchanges are counted', async () => (await exchanges()) > 20);
    const found = await scrape(port);
    expect(found.get('gryphon_users{state="live"}')).toBeGreaterThan(0);
    expect(found.get('gryphon_packets_sent_total')).toBeGreaterThan(20);
    const answered = found.get('gryphon_response_seconds_bucket{le="+Inf"}');
    expect(answered).toBe(found.get('gryphon_response_seconds_count'));
    expect(answered).toBeGreaterThan(20);
    const before = await exchanges();
    await until('more are counted', async () => (await exchanges()) > before);
  } finally {
    await program.stop();
  }
  expect((await scrape(port)).size).toBe(1);
});

test('a port that is taken ends it before anything is played', async () => {
  const { port, release } = await takePort();
  const { code, stderr } = await run([...REPLAY, '--metrics', String(port)]);
  await release();
  expect({ code, stderr }).toMatchObject({ code: 4 });
  expect(stderr).toContain(`metrics cannot be served on 127.0.0.1:${port}: EADDRINUSE`);
});
