/**
 * Latencies where client and server take processors from each other, and requests are sent behind unanswered ones:
 * tcpdump at the server and tshark are the oracle.
 */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { evenAnswerTimesMs, PAYLOAD_FILTER, percentileOf } from '../helpers/answer-times.ts';
import { captureWhile } from '../helpers/capture.ts';
import { CLIENTS_ON_LINK, type Lab, makeLab, mustInside } from '../helpers/netns.ts';
import { canRun } from '../helpers/privilege.ts';
import { FIRST, replay } from '../helpers/replay.ts';
import { type Folder, makeFolder, startNginx } from '../helpers/servers.ts';

const TOOLS = ['ip', 'ss', 'chrt', 'nginx', 'curl', 'tcpdump', 'tshark'];
const REQUESTS = 50;

describe.runIf(canRun('latencies beside the server', TOOLS))(
  'latencies of 5,000 requests/s',
  () => {
    let lab: Lab;
    let folder: Folder;
    let nginx: Awaited<ReturnType<typeof startNginx>>;
    let recorded: string;

    beforeAll(async () => {
      lab = await makeLab();
      folder = makeFolder('latency-busy');
      nginx = await startNginx(lab.target, 'nginx-bench');
      recorded = join(folder.path, 'recorded.pcap');
      const url = `http://${lab.target.ipv4}/page.html#[1-${REQUESTS}]`;
      // A request every 2 ms, so that some are sent while earlier ones are unanswered.
      await captureWhile(lab.target, recorded, { filter: 'tcp port 80' }, () =>
        mustInside(lab.client, ['curl', '-sS', '--rate', '500/s', '-o', '/dev/null', url]),
      );
    });
    afterAll(async () => {
      await nginx?.stop();
      await lab?.close();
      folder?.remove();
    });

    test('are those of the packets at the server, within 100 µs or 2 %', async () => {
      const path = join(folder.path, 'server.pcap');
      const load = ['--request-rate', '5000/s', '--duration', '2s', '--check', 'off'];
      const ends = ['--target', `${lab.target.ipv4}:80`, '--clients', CLIENTS_ON_LINK.ipv4];
      const { result } = await captureWhile(
        lab.target,
        path,
        { filter: PAYLOAD_FILTER, options: ['-s', '96'] },
        // What a generator without a core does between a stamp and the packet is in its latencies, and rightly so.
        () => replay(lab.client, [recorded, ...ends, ...load], FIRST),
      );
      if (result === null || result === undefined) throw new Error('no result');
      const { exchanges, bytes, latency } = result;
      expect(exchanges.answered).toBe(exchanges.planned);
      expect(exchanges.answered).toBeGreaterThan(9_000);
      const told = await evenAnswerTimesMs(path, {
        requestBytes: bytes.planned / exchanges.planned,
        answerBytes: bytes.received / exchanges.answered,
      });
      expect(told).toHaveLength(exchanges.answered);
      for (const percent of [50, 90] as const) {
        const exact = percentileOf(told, percent);
        const found = latency.service?.[`p${percent}`] ?? Number.NaN;
        expect(found, `p${percent}`).toBeGreaterThanOrEqual(exact);
        expect(found - exact, `p${percent}`).toBeLessThanOrEqual(Math.max(0.1, 0.02 * exact));
      }
    });
  },
);
