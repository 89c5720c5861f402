/**
 * Answers each line with `ok`, keeps connections alive with probes (each after so many idle ms), and pushes a
 * line to all of them at each SIGUSR2: `push.mjs PORT MS`.
 */
import { createServer } from 'node:net';

const [port, idleMs] = process.argv.slice(2).map(Number);
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
