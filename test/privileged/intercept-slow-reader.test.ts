/** An intercept with made-up packets, a replay that does not read, and one that does. */
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { RECORD_HEADER_BYTES } from '../../src/base/record-ring.ts';
import { CAPABILITIES, emitHello, type Hello } from '../../src/intercept/protocol.ts';
import { ReplayPeer } from '../../src/intercept/replay-peer.ts';
import { type Running, startProgram, until } from '../helpers/process.ts';
import { request } from '../intercept/registrations.ts';

/** On this machine's own loopback: another for each process that runs this test. */
const PORT = 20_000 + (process.pid % 10_000);
const RATE = 100_000;
/**
 * Packets of the quick replay in all, of its half of the rate four seconds: as many of the one that
 * does not read are more than all buffers on the way hold.
 */
const PACKETS = 2 * RATE;
/** A busy machine may take a while to make them. */
const PATIENCE_MS = 60_000;

const HELLO: Hello = {
  oldest: 1,
  newest: 1,
  offered: CAPABILITIES,
  required: CAPABILITIES,
  bootId: new Uint8Array(16),
  software: 'test',
};

/** A replay that registers these clients; `reads` says whether it takes what it is sent. */
function register(clients: string, reads: boolean) {
  const socket = connect({ port: PORT, host: '127.0.0.1' });
  const seen = { records: 0, isRegistered: false, isEnded: false };
  const peer = new ReplayPeer(
    {
      hello: HELLO,
      request: request(clients),
      send: (octets) => socket.write(octets),
      now: () => ({ seconds: 0, nanoseconds: 0 }),
      onRegistered: () => {
        seen.isRegistered = true;
        if (!reads) socket.pause();
      },
      onRecords: (data, start, end) => {
        for (let at = start; at < end; at += RECORD_HEADER_BYTES + data.getUint16(at + 8)) {
          seen.records++;
        }
      },
      onClockKnown: () => undefined,
      end: () => {
        seen.isEnded = true;
        socket.destroy();
      },
    },
    performance.now() * 1e6,
  );
  const timer = setInterval(() => {
    // Who does not read still lives: it pings.
    if (reads) peer.onTimeout(performance.now() * 1e6);
    else if (seen.isRegistered) peer.ping();
  }, 200);
  socket.on('data', (chunk) => peer.onOctets(chunk, performance.now() * 1e6));
  socket.on('error', () => undefined);
  const close = () => {
    clearInterval(timer);
    socket.destroy();
  };
  return { seen, peer, close };
}

describe('an intercept under load', () => {
  let daemon: Running;

  beforeAll(async () => {
    daemon = startProgram(['node', 'bench/intercept/made-up-intercept.mjs', String(PORT)], {
      env: { ...process.env, MADE_UP_RATE: String(RATE), MADE_UP_PAYLOAD: '100' },
    });
    await until('ready', () => daemon.output().includes('"msg":"ready"'));
  });

  afterAll(async () => {
    await daemon?.stop();
  });

  test('an old version on the port is told why it is refused', async () => {
    const socket = connect({ port: PORT, host: '127.0.0.1' });
    let said = '';
    socket.on('data', (chunk) => {
      said += chunk.toString('latin1');
    });
    const old = { ...HELLO, oldest: 0, newest: 0, software: 'gryphon 0.0' };
    socket.write(emitHello(old));
    await until('closed', () => socket.readableEnded);
    expect(said).toContain('it speaks version 0 of the channel (gryphon 0.0), this end version 1');
  });

  test('a replay that does not read loses its own records, which are counted, and nobody else does', async () => {
    const slow = register('10.0.0.0/24', false);
    const quick = register('10.0.1.0/24', true);
    await until('both registered', () => slow.seen.isRegistered && quick.seen.isRegistered);
    // It pings by itself; each answer tells the totals.
    const isThrough = () => quick.peer.status.forwarded >= PACKETS;
    await until(`${PACKETS} packets of the one that reads`, isThrough, PATIENCE_MS);
    const { forwarded, dropped } = quick.peer.status;
    // What was forwarded before the totals has arrived before them.
    const { records } = quick.seen;
    slow.close();
    quick.close();
    await until('both gone', () => daemon.output().split('a replay is gone').length === 3);
    expect(dropped).toBe(0);
    expect(records).toBeGreaterThanOrEqual(forwarded - RATE / 10);
    const lost = [...daemon.output().matchAll(/"dropped":(\d+),"msg":"a replay is gone"/g)];
    const drops = lost.map(([, count]) => Number(count)).sort((a, b) => a - b);
    expect(drops[0]).toBe(0);
    expect(drops[1]).toBeGreaterThan(1_000);
  });
});
