/**
 * A protocol that nobody knows: a request is a line, its answer a length of four octets and as many more, written in two
 * pieces. The first connection, which is recorded, is answered shortly, the others at other lengths. At SIGTERM it says
 * `done` and, as JSON, how many requests there were, and how many came before the answer before had been sent: `framed.mjs PORT`.
 */
import { createServer } from 'node:net';

const SHORT_BYTES = 20;
const PIECE_MS = 3;
const told = { requests: 0, early: 0 };
let connections = 0;

const server = createServer((socket) => {
  const number = connections++;
  let isSending = false;
  let rest = '';
  const answer = () => {
    const bytes = number === 0 ? SHORT_BYTES : 10 + ((told.requests * 997) % 4_000);
    const octets = Buffer.alloc(4 + bytes, 'x');
    octets.writeUInt32BE(bytes);
    isSending = true;
    socket.write(octets.subarray(0, 9));
    setTimeout(() => {
      isSending = false;
      socket.write(octets.subarray(9));
    }, PIECE_MS);
  };
  socket.setNoDelay(true);
  socket.on('data', (data) => {
    const lines = (rest + data.toString('latin1')).split('\n');
    rest = lines.pop() ?? '';
    for (const _ of lines) {
      told.requests++;
      if (isSending) told.early++;
      answer();
    }
  });
  socket.on('error', () => undefined);
});
server.listen(Number(process.argv[2]));
process.on('SIGTERM', () => {
  process.stdout.write(`done ${JSON.stringify(told)}\n`, () => process.exit());
});
