/** A TCP server on the kernel's own sockets that answers as the recorded servers did, without delay. */
import { createServer, type Server, type Socket } from 'node:net';
import { ReplayError } from '../../base/errors.ts';
import { type RecordedAnswers, RecordedConversation } from './recorded-answers.ts';

/** As many connections as wait to be accepted; the kernel bounds it by net.core.somaxconn. */
const BACKLOG = 65_535;

/** What a GET of somebody who looks around gets that is in no capture. */
const NOT_RECORDED = 'this request is not in the capture\n';
const HTTP_NOT_FOUND =
  'HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\n' +
  `Content-Length: ${NOT_RECORDED.length}\r\n\r\n${NOT_RECORDED}`;
const BODILESS_REQUEST = /^(?:GET|HEAD) \S+ HTTP\/1\.[01]\r\n(?:[^\r\n]+\r\n)*\r\n/;

/**
 * Serves on a port of all addresses, in this thread's network namespace.
 * @throws ReplayError ERR_LAB_LISTEN (environment)
 */
export async function serveRecorded(answers: RecordedAnswers, port: number): Promise<Server> {
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) =>
    converse(socket, answers),
  );
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) =>
      reject(
        new ReplayError({
          code: 'ERR_LAB_LISTEN',
          kind: 'environment',
          message: `the built-in server cannot listen on port ${port}: ${cause.code}`,
          hint: 'give another --port',
          cause,
        }),
      ),
    );
    server.listen({ port, host: '0.0.0.0', backlog: BACKLOG }, resolve);
  });
  return server;
}

function converse(socket: Socket, answers: RecordedAnswers): void {
  const conversation = new RecordedConversation(answers);
  const say = (pieces: readonly Buffer[], hasClientEnded: boolean): void => {
    for (const piece of pieces) socket.write(piece);
    const end = conversation.endOf(hasClientEnded);
    if (end === 'fin') socket.end();
    // What was written before a reset has to leave first.
    if (end === 'rst') socket.write('', () => socket.resetAndDestroy());
  };
  // Clients that go away are the load's business, and counted there.
  socket.on('error', () => undefined);
  socket.on('data', (octets: Buffer) => {
    const pieces = conversation.onOctets(octets);
    say(pieces.length > 0 ? pieces : unknownAnswer(conversation), false);
  });
  socket.on('end', () => say([], true));
  say(conversation.onOpen(), false);
}

/** Whoever asks by hand is told; what may still become a recorded message is waited for. */
function unknownAnswer(conversation: RecordedConversation): Buffer[] {
  return conversation.forgetUnknown(BODILESS_REQUEST) ? [Buffer.from(HTTP_NOT_FOUND)] : [];
}
