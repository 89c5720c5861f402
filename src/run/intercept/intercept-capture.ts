/**
 * The capture thread of an intercept: takes what the source hands over, sorts it into the outboxes,
 * wakes the main thread when that sleeps, and waits in the kernel. It never waits for a replay.
 */
import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads';
import { undoAfter } from '../../base/errors.ts';
import { failureOf } from '../../base/posted-failure.ts';
import { RecordRing } from '../../base/record-ring.ts';
import { NS_PER_MS } from '../../base/time.ts';
import { HandoverPace } from '../../intercept/handover-pace.ts';
import { InterceptCore, Tally } from '../../intercept/intercept-core.ts';
import type { PacketSource } from '../../intercept/ports.ts';
import { Waiter } from '../../io/receive/wait.ts';
import { takeEvent } from '../../io/sys/eventfd.ts';
import {
  type CaptureCommand,
  type CaptureJob,
  type CaptureMessage,
  type PostedOwner,
  Wake,
} from './intercept-job.ts';

/** Packets taken before the main thread is told of them. */
const PACKETS_PER_TURN = 256;
const WAIT_NS_MAX = 100 * NS_PER_MS;
/** How often the kernel is asked what it has dropped: a system call. */
const COUNT_EVERY_MS = 250;

/**
 * Captures until it is told to close. The source is closed on every way out, and what it could not
 * remove is told.
 */
export function runCapture(
  job: CaptureJob,
  port: MessagePort,
  openSource: () => PacketSource,
): void {
  const post = (message: CaptureMessage): void => port.postMessage(message);
  let source: PacketSource | null = null;
  try {
    source = openSource();
    post({ type: 'opened', lines: source.describe() });
    captureUntilClosed(job, port, source);
  } catch (error) {
    const fault = undoAfter(error, () => source?.close());
    post({ type: 'failed', failure: failureOf(fault, 'ERR_INTERCEPT_THREAD') });
    return;
  }
  try {
    source.close();
    post({ type: 'closed' });
  } catch (error) {
    post({ type: 'failed', failure: failureOf(error, 'ERR_INTERCEPT_THREAD') });
  }
}

function captureUntilClosed(job: CaptureJob, port: MessagePort, source: PacketSource): void {
  const { tally, wake, fd } = job;
  const core = new InterceptCore(source.data, tally);
  let { fds } = source;
  let waiter = new Waiter([...fds, fd]);
  const rest = new Waiter([fd]);
  const pace = new HandoverPace();
  let countedMs = 0;
  try {
    while (true) {
      const received = source.receive(PACKETS_PER_TURN, core);
      pace.onTaken(received);
      let restNs = 0;
      if (core.hasForwarded) {
        const nowNs = performance.now() * NS_PER_MS;
        if (pace.isDue(nowNs)) {
          core.hasForwarded = false;
          if (Atomics.exchange(wake, Wake.MAIN, 1) === 0) port.postMessage({ type: 'wake' });
        }
        restNs = pace.restNs(nowNs);
      }
      if (received === PACKETS_PER_TURN) continue;
      // A look at the port costs microseconds, at this word nothing.
      if (Atomics.exchange(wake, Wake.COMMANDS, 0) !== 0) {
        takeEvent(fd);
        if (!obey(port, source, core)) return;
        if (source.fds !== fds) {
          ({ fds } = source);
          waiter.close();
          waiter = new Waiter([...fds, fd]);
        }
      }
      const nowMs = performance.now();
      if (nowMs - countedMs > COUNT_EVERY_MS) {
        countedMs = nowMs;
        tally[Tally.KERNEL_DROPPED] = source.readDropped();
      }
      if (restNs > 0) rest.wait(restNs);
      else waiter.wait(WAIT_NS_MAX);
    }
  } finally {
    waiter.close();
    rest.close();
  }
}

/** Does what the main thread has posted. @returns false when it is to close */
function obey(port: MessagePort, source: PacketSource, core: InterceptCore): boolean {
  for (;;) {
    const found = receiveMessageOnPort(port) as { message: CaptureCommand } | undefined;
    if (found === undefined) return true;
    if (found.message.type === 'close') return false;
    setOwners(found.message.owners, port, source, core);
  }
}

function setOwners(
  owners: readonly PostedOwner[],
  port: MessagePort,
  source: PacketSource,
  core: InterceptCore,
): void {
  const post = (message: CaptureMessage): void => port.postMessage(message);
  try {
    source.setRegistrations(owners.map(({ registration }) => registration));
  } catch (error) {
    post({ type: 'owners', failure: failureOf(error), lines: source.describe() });
    return;
  }
  core.setOwners(
    owners.map(({ registration, outbox, forwarded }) => ({
      registration,
      outbox: new RecordRing(outbox),
      forwarded,
    })),
    source.data,
  );
  post({ type: 'owners', failure: null, lines: source.describe() });
}
