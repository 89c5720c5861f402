/**
 * An intercept with made-up packets: `node made-up-intercept.mjs PORT [secret]`. On a socket of its
 * own, whose port it says, it sends back what it is sent.
 */
import { createServer } from 'node:net';
import { keyOfToken } from '../../dist/io/channel/channel-secret.js';
import { runIntercept } from '../../dist/run/intercept/intercept-run.js';

const [port, secret] = process.argv.slice(2);
const controller = new AbortController();
process.on('SIGTERM', () => controller.abort());
process.on('SIGUSR1', () => {
  const { user, system } = process.cpuUsage();
  const rss = process.memoryUsage().rss;
  process.stderr.write(`usage: ${JSON.stringify({ cpuUs: user + system, rss })}\n`);
});
const echo = createServer({ noDelay: true }, (socket) => {
  socket.on('data', (octets) => socket.write(octets));
  socket.on('error', () => undefined);
}).listen(0, '127.0.0.1', () => process.stderr.write(`echo: ${echo.address().port}\n`));
await runIntercept(
  {
    mode: 'sink',
    host: '127.0.0.1',
    port: Number(port),
    key: secret === undefined ? null : keyOfToken(secret, 'the command line'),
    prefixBytes: Number(process.env.MADE_UP_PREFIX ?? 1_024),
    prefixBytesMax: Number(process.env.MADE_UP_PREFIX ?? 1_024),
    source: {},
    logFile: null,
    pidFile: null,
    metrics: null,
  },
  {
    version: '0.0.0-bench',
    isTerminal: false,
    write: (text) => process.stderr.write(text),
    interrupted: controller.signal,
    worker: new URL('./made-up-worker.mjs', import.meta.url),
  },
);
process.exit(0);
