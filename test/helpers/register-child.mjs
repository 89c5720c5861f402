/**
 * A replay that only registers: `node register-child.mjs HOST PORT CLIENTS TARGET,…`, a target as
 * `ADDRESS PORT`. It says `registered` with the intercept's notes or `refused: WHY`, and stays
 * until it is ended; with GRYPHON_TOKEN in its environment it has a secret.
 */
import './typescript.mjs';

const { keyOfToken } = await import('../../src/io/channel/channel-secret.ts');
const { dialStream } = await import('../../src/io/channel/channel-socket.ts');
const { ReplayPeer } = await import('../../src/intercept/replay-peer.ts');
const { helloOf, wallClock } = await import('../../src/run/channel/channel-ends.ts');
const { request } = await import('../intercept/registrations.ts');

const [host, port, clients, targets] = process.argv.slice(2);
const token = process.env.GRYPHON_TOKEN;
const key = token === undefined ? null : keyOfToken(token, 'GRYPHON_TOKEN');
const nowNs = () => performance.now() * 1e6;
const say = (text) => process.stdout.write(`${text}\n`);

const { stream, attach } = await dialStream({ host, port: Number(port), key });
const peer = new ReplayPeer(
  {
    hello: helloOf('test'),
    request: request(clients, [1_024, 65_535], targets.split(',')),
    send: stream.send,
    now: wallClock(),
    onRegistered: ({ notes }) => say(`registered ${notes.join('\n')}`),
    onRecords: () => undefined,
    onClockKnown: () => undefined,
    end: ({ code, text }) => {
      say(`refused: ${code} ${text}`);
      stream.close();
      clearInterval(timer);
    },
  },
  nowNs(),
);
const timer = setInterval(() => peer.onTimeout(nowNs()), 100);
attach({
  onOctets: (chunk) => peer.onOctets(chunk, nowNs()),
  onDrain: () => undefined,
  onClosed: (reason) => peer.onClosed(reason),
});
