/**
 * The server that whole replays are measured against, and a capture of what is asked of it: nginx
 * with one worker and a page of 1 KB, in a namespace beside the client's.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import '../../test/helpers/typescript.mjs';

const { startCapture } = await import('../../test/helpers/capture.ts');
const { makeLab, mustInside } = await import('../../test/helpers/netns.ts');
const { makeFolder, startNginx } = await import('../../test/helpers/servers.ts');

const RECORDED_SESSIONS = 4;
/** As nginx-bench.conf has them. */
const LENGTHS = Array.from({ length: 10 }, (_, i) => 600 + 100 * i);
const MEAN = LENGTHS.reduce((sum, bytes) => sum + bytes) / LENGTHS.length;

/**
 * Makes client and server, gives them to `measure`, and removes them whatever comes of it.
 * @param requestsPerUser how many GETs each connection of the capture has
 * @param measure `async ({ lab, capture, captures, nginx })`: the namespaces, and the paths of the captures, the first
 *   one and all, a page each
 * @param pages `any.html` is one of ten files by chance, of 600 to 1,500 octets; `ten.html` is, too, but all
 *   ten have 1,050
 * @param rate how many GETs a second, as curl has it (`100/s`); else one after another
 * @param bodyBytes they are POSTs of so many octets; 0: GETs
 * @param headers more of a request's header lines
 * @param backlog the most connections that wait to be accepted; nginx asks for 4096
 */
export async function withPageServer(
  requestsPerUser,
  measure,
  { pages = ['page.html'], rate = null, bodyBytes = 0, headers = [], backlog = 4096 } = {},
) {
  const folder = makeFolder('bench');
  // Offloads stay on, as on any machine: wrk would pay for their absence, the replay would not.
  const lab = await makeLab({ offload: true });
  try {
    await mustInside(lab.target, ['sysctl', '-qw', `net.core.somaxconn=${backlog}`]);
    await mustInside(lab.target, ['sysctl', '-qw', 'net.ipv4.tcp_max_syn_backlog=8192']);
    const nginx = await startNginx(lab.target, 'nginx-bench');
    for (const bytes of LENGTHS) {
      nginx.addPage(`${bytes}.html`, bytes);
      nginx.addPage(`ten-${bytes}.html`, MEAN);
    }
    const captures = [];
    for (const page of pages) {
      const path = join(folder.path, `${page}.pcap`);
      const more = headers.flatMap((line) => ['-H', line]);
      const asks = [...pacedBy(rate), ...posting(bodyBytes, folder.path), ...more];
      await recordSessions(lab, path, requestsPerUser, page, asks);
      captures.push(path);
    }
    await measure({ lab, capture: captures[0], captures, nginx });
    await nginx.stop();
  } finally {
    await lab.close();
    folder.remove();
  }
}

const pacedBy = (rate) => (rate === null ? [] : ['--rate', rate]);

function posting(bodyBytes, folder) {
  if (bodyBytes === 0) return [];
  const body = join(folder, 'body');
  writeFileSync(body, 'x'.repeat(bodyBytes));
  return ['--data-binary', `@${body}`, '-H', 'Expect:', '-H', 'Content-Type:'];
}

/** Some connections with as many requests as a user is to send, of the same octets as wrk's. */
async function recordSessions({ client, target }, path, requestsPerUser, page, asks) {
  const recording = await startCapture(target, path, { filter: 'tcp port 80' });
  const bare = ['-H', 'User-Agent:', '-H', 'Accept:', '-o', '/dev/null'];
  const url = `http://${target.ipv4}/${page}#[1-${requestsPerUser}]`;
  for (let session = 0; session < RECORDED_SESSIONS; session++) {
    await mustInside(client, ['curl', '-sS', ...asks, ...bare, url]);
  }
  await recording.stop();
}
