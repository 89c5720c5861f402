/** The ground of tests of packet sources: a laboratory with nginx, and clients that write their packets by hand. */
import { afterAll, afterEach, beforeAll } from 'vitest';
import { keepGround } from './ground.ts';
import { type Lab, makeLab } from './netns.ts';
import { RawClients } from './raw-client.ts';
import { type Nginx, startNginx } from './servers.ts';

/** Tools that it takes. */
export const SOURCE_TOOLS = ['ip', 'iptables', 'ip6tables', 'tcpdump', 'nginx', 'curl', 'sysctl'];

export interface SourceGround {
  readonly lab: Lab;
  readonly nginx: Nginx;
  readonly clients: RawClients;
}

/**
 * Makes it for the tests of a file; each of them leaves it as it was.
 * @param onReady gets it before the first test
 * @returns what a test has opened: closed behind it, the newest first
 */
export function onSourceGround(
  isReady: boolean,
  onReady: (ground: SourceGround) => void,
): { close: () => void }[] {
  const opened: { close: () => void }[] = [];
  let ground: SourceGround;

  beforeAll(async () => {
    if (!isReady) return;
    const lab = await makeLab();
    const nginx = await startNginx(lab.target);
    ground = { lab, nginx, clients: new RawClients(lab.client, lab.target) };
    onReady(ground);
  });

  keepGround(() => (isReady ? [ground.lab.client, ground.lab.target] : []));

  afterEach(() => {
    for (const one of opened.splice(0).reverse()) one.close();
    if (isReady) ground.clients.forget();
  });

  afterAll(async () => {
    if (!isReady) return;
    ground.clients.close();
    await ground.nginx.stop();
    await ground.lab.close();
  });

  return opened;
}
