/**
 * Answers each line with `ok`, keeps connections alive with probes (each after so many idle ms), and pushes a
 * line to all of them at each SIGUSR2: `push.mjs PORT MS [PROCESSES]`. More than one process where more
 * connections are meant than one may have descriptors for; they get them in turn.
 */
import cluster from 'node:cluster';
import { createServer } from 'node:net';

const [port, idleMs, processes = 1] = process.argv.slice(2).map(Number);
if (cluster.isPrimary && processes > 1) share();
else serve();

function share() {
  for (let i = 0; i < processes; i++) cluster.fork();
  process.on('SIGUSR2', () => {
    for (const worker of Object.values(cluster.workers)) worker.process.kill('SIGUSR2');
  });
  process.on('SIGTERM', () => {
    for (const worker of Object.values(cluster.workers)) worker.process.kill('SIGKILL');
    process.exit(0);
  });
}

function serve() {
  const open = new Set();
  const server = createServer((socket) => {
    open.add(socket);
    socket.setKeepAlive(true, idleMs);
    socket.on('data', () => socket.write('ok\n'));
    socket.on('error', () => undefined);
    socket.on('close', () => open.delete(socket));
  });
  server.listen({ port, backlog: 4_096 });
  process.on('SIGUSR2', () => {
    for (const socket of open) socket.write('push\n');
  });
}
