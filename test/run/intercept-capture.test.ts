/** The loop of an intercept's capture thread, with a source that is made up. */
import { MessageChannel } from 'node:worker_threads';
import { expect, test } from 'vitest';
import { createRecordRing } from '../../src/base/record-ring.ts';
import { TALLIES, Tally } from '../../src/intercept/intercept-core.ts';
import type { InterceptedSink, PacketSource } from '../../src/intercept/ports.ts';
import { closeEventFd, openEventFd, raiseEvent } from '../../src/io/sys/eventfd.ts';
import { runCapture } from '../../src/run/intercept/intercept-capture.ts';
import {
  type CaptureCommand,
  type CaptureJob,
  WAKE_WORDS,
  Wake,
} from '../../src/run/intercept/intercept-job.ts';
import { packetOf } from '../intercept/packets.ts';
import { request } from '../intercept/registrations.ts';

const TURNS = 200;

test.each([2, 20])(
  'a source that always has %i packets is looked at once a hand-over',
  (packets) => {
    const ready = openEventFd();
    const commands = openEventFd();
    const wake = new Int32Array(new SharedArrayBuffer(WAKE_WORDS * 4));
    const tally = new Float64Array(new SharedArrayBuffer(TALLIES * 8));
    const job: CaptureJob = { mode: 'nfqueue', source: {}, tally, wake, fd: commands };
    const { port1, port2 } = new MessageChannel();
    const command = (message: CaptureCommand): void => {
      port1.postMessage(message);
      Atomics.store(wake, Wake.COMMANDS, 1);
    };
    const packet = packetOf({ src: '10.77.0.1', dst: '10.0.0.5', srcPort: 80, dstPort: 2_000 });
    let looks = 0;
    let wakeUps = 0;
    const source: PacketSource = {
      data: new DataView(packet.buffer),
      fds: [ready],
      setRegistrations: () => undefined,
      receive: (_limit: number, sink: InterceptedSink): number => {
        // As the main thread does, which is this one.
        wakeUps += Atomics.exchange(wake, Wake.MAIN, 0);
        if (wakeUps >= TURNS) command({ type: 'close' });
        looks++;
        for (let i = 0; i < packets; i++) sink.onPacket(0, packet.length, 1, 0);
        return packets;
      },
      readDropped: () => 0,
      describe: () => [],
      close: () => undefined,
    };
    try {
      raiseEvent(ready);
      const registration = { ...request('10.0.0.0/24'), id: 1 };
      const forwarded = new Float64Array(new SharedArrayBuffer(8));
      command({
        type: 'owners',
        owners: [{ registration, outbox: createRecordRing(1 << 20), forwarded }],
      });
      runCapture(job, port2, () => source);
      expect(wakeUps).toBe(TURNS);
      expect(tally[Tally.FORWARDED]).toBeGreaterThan(TURNS);
      // A wait may end early, but seldom does.
      expect(looks).toBeLessThan(1.2 * TURNS);
    } finally {
      port1.close();
      port2.close();
      closeEventFd(ready);
      closeEventFd(commands);
    }
  },
);
