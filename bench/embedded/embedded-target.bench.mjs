/**
 * The whole pipeline without a kernel: engine and embedded target in virtual time, every checksum
 * and every octet verified. `node bench/embedded/embedded-target.bench.mjs [USERS [ROUNDS]]`, each
 * round in a process of its own.
 *
 * A user connects, sends three requests of 120 octets, gets three answers of 1000, and closes: 14
 * packets, both directions together.
 */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import '../../test/helpers/typescript.mjs';
import { moved } from '../figures.mjs';

const CHILD = '--one-round';
const PACKETS_PER_TURN = 4096;
const THINK_NS = { client: 100e6, server: 1e6 };

const isSmoke = process.argv.includes('--smoke');
const [users = isSmoke ? 1_000 : 1_000_000, rounds = isSmoke ? 1 : 5] = process.argv
  .slice(2)
  .map(Number)
  .filter(Number.isFinite);
if (process.argv.includes(CHILD)) process.stdout.write(JSON.stringify(await play(users)));
else report(users, rounds);

async function play(count) {
  const { makeEnds } = await import('../../test/sim/simulation.ts');
  const { randomOctets } = await import('../../test/helpers/recorded.ts');
  const { Replay } = await import('../../src/replay/replay.ts');
  const { LatencyRecorder } = await import('../../src/measure/histograms.ts');
  const { Counter } = await import('../../src/measure/counters.ts');
  const message = (from, bytes, seed) => ({
    from,
    octets: randomOctets(bytes, seed),
    thinkNs: THINK_NS[from],
  });
  const sessions = Array.from({ length: 20 }, (_, i) => ({
    connectNs: 1e5,
    messages: [0, 1, 2].flatMap((turn) => [
      message('client', 120, 6 * i + turn),
      message('server', 1000, 6 * i + turn + 3),
    ]),
    clientEnd: { how: 1 },
    serverEnd: { how: 1, afterPeer: true },
  }));
  const ends = makeEnds({ sessions, users: count, seed: 1, ratePerSecond: count / 10 });
  const { plan, target, recorded, counters } = ends;
  const replay = new Replay(
    plan,
    target,
    target,
    recorded.capture,
    new LatencyRecorder(),
    counters,
  );
  const start = process.hrtime.bigint();
  for (let nowNs = 0; !replay.isDone; ) {
    nowNs = Math.max(nowNs, Math.min(replay.nextDueNs(), target.nextDueNs()));
    target.onTimeout(nowNs);
    target.receive(PACKETS_PER_TURN, replay);
    replay.onTimeout(nowNs);
    replay.flush();
  }
  return {
    seconds: Number(process.hrtime.bigint() - start) / 1e9,
    packets: counters[Counter.PACKETS_SENT] + counters[Counter.PACKETS_RECEIVED],
    completed: counters[Counter.COMPLETED],
    checked: counters[Counter.EMBEDDED_OCTETS_CHECKED],
    wrong: counters[Counter.EMBEDDED_BAD_OCTETS] + counters[Counter.EMBEDDED_BAD_CHECKSUM],
    rssMb: process.memoryUsage().rss / 1e6,
  };
}

function report(count, times) {
  const results = Array.from({ length: times }, () => {
    const args = [fileURLToPath(import.meta.url), String(count), CHILD];
    return JSON.parse(execFileSync(process.execPath, args).toString());
  });
  const bySeconds = results.sort((a, b) => a.seconds - b.seconds);
  const rate = ({ packets, seconds }) =>
    `${(moved('packets/s', packets / seconds) / 1e6).toFixed(2)} M packets/s`;
  const line = (name, result) =>
    `${name.padEnd(7)} ${result.seconds.toFixed(2)} s, ${rate(result)}, ${result.rssMb.toFixed(0)} MB\n`;
  const best = bySeconds[0];
  moved('users completed', best.completed);
  moved('octets checked', best.checked);
  process.stdout.write(
    `${count} users, ${best.packets} packets both ways, ${best.completed} completed, ` +
      `${best.checked} octets checked, ${best.wrong} wrong\n` +
      line('minimum', best) +
      line('median', bySeconds[times >>> 1]),
  );
}
