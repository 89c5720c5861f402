/** What routers say of packets that are too big, on its way through an intercept's kernel filter. */
import { afterEach, describe, expect, test } from 'vitest';
import { openSource, type SourceMode } from '../../src/io/intercept/intercept-source.ts';
import { inNamespace } from '../../src/io/sys/namespace.ts';
import { packetTooBig } from '../helpers/icmp.ts';
import { onLabGround } from '../helpers/lab-ground.ts';
import { DEVICE, type Host, type Lab, mustInside, routeClients } from '../helpers/netns.ts';
import { canRun } from '../helpers/privilege.ts';
import { octetsOf, rangeOf, registrationOf, targetOf } from '../helpers/raw-client.ts';
import { naivePacket } from '../wire/naive.ts';

const SEND = `
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
for packet in sys.argv[2:]:
    s.sendto(bytes.fromhex(packet), (sys.argv[1], 0))
`;
const CLIENT = '198.18.0.7';
const PATIENCE_MS = 10_000;

describe.runIf(canRun('routers’ messages', ['ip', 'ethtool', 'iptables', '/usr/bin/python3']))(
  'a router’s message that a client’s packet was too big',
  () => {
    let lab: Lab;
    let close = (): void => undefined;
    let isRouted = false;

    onLabGround({}, (ground) => {
      ({ lab } = ground);
    });

    afterEach(() => {
      close();
      close = () => undefined;
    });

    const messageAbout = (target: string, mtu: number): string => {
      const ends = { src: [...octetsOf(CLIENT)], dst: [...octetsOf(target)] };
      const tcp = { ipId: 1, srcPort: 2_500, dstPort: 80, seq: 9, ack: 1, flags: 0x10, window: 9 };
      const quoted = naivePacket({ ...ends, ...tcp, options: [], payload: [1, 2, 3] });
      const router = octetsOf(lab.target.ipv4);
      const packet = packetTooBig({ quoted: Uint8Array.from(quoted), mtu, router });
      return Buffer.from(packet).toString('hex');
    };

    test.each([
      { mode: 'sink', at: 'target', from: 'target' },
      { mode: 'nfqueue', at: 'target', from: 'target' },
      // As where the network leads what is for clients to the target's machine.
      { mode: 'nfqueue', at: 'target', from: 'client' },
      { mode: 'advanced', at: 'client', from: 'target' },
    ] as const)('is taken by $mode at the $at, from the $from', async ({ mode, at, from }) => {
      const host: Host = lab[at];
      // A sink makes routes of its own; nfqueue needs one, though nothing leaves by it.
      if (mode !== 'sink' && !isRouted) {
        await routeClients(lab);
        isRouted = true;
      }
      const open: SourceMode = mode;
      const interfaces = mode === 'advanced' ? { interfaces: [DEVICE] } : {};
      if (from === 'client') {
        const route = ['ip', 'route', 'replace', '198.18.0.0/15', 'via', lab.target.ipv4];
        await mustInside(lab.client, route);
      }
      const opened = inNamespace(host.name, () => openSource(open, interfaces));
      close = () => inNamespace(host.name, () => opened.close());
      const registration = registrationOf(
        1,
        [rangeOf('198.18.0.0', 256)],
        [targetOf(lab.target.ipv4, 80)],
      );
      inNamespace(host.name, () => opened.setRegistrations([registration]));

      const messages = [messageAbout('10.77.0.99', 1_300), messageAbout(lab.target.ipv4, 1_400)];
      await mustInside(lab[from], ['/usr/bin/python3', '-c', SEND, CLIENT, ...messages]);

      const mtus: number[] = [];
      const sink = {
        onPacket: (start: number) => {
          mtus.push(opened.data.getUint16(start + 26));
        },
      };
      const endMs = performance.now() + PATIENCE_MS;
      while (mtus.length === 0 && performance.now() < endMs) {
        inNamespace(host.name, () => opened.receive(100, sink));
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      // Not the one about a target that nobody has registered for, which was sent first.
      expect(mtus).toEqual([1_400]);
    });
  },
);
