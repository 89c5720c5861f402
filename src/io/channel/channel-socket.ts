/** The channel's streams: TCP, with TLS and a pre-shared key around it where there is a secret. */
import { createServer, connect as netConnect, type Server, type Socket } from 'node:net';
import { TLSSocket, type TLSSocketOptions, connect as tlsConnect } from 'node:tls';
import { ReplayError } from '../../base/errors.ts';
import { PSK_IDENTITY, PSK_OPTIONS } from './channel-secret.ts';
import { userOfPeer } from './peer-user.ts';
import { STRANGERS_MAX, Strangers } from './strangers.ts';

/** A peer that does not get through TLS's handshake in this time is none. */
const HANDSHAKE_MS = 3_000;
/** An intercept that does not answer a SYN in this time cannot be reached. */
const CONNECT_MS = 3_000;
/** Octets that may wait for a peer that does not read. */
const UNREAD_BYTES_MAX = 4 << 20;
/** What was sent last must leave within this time when a connection is closed. */
const LINGER_MS = 1_000;

/** An open stream whose peer has proved that it knows the secret, if there is one. */
export interface ChannelStream {
  /** `ADDRESS:PORT` of the other end. */
  readonly peer: string;
  /** The user id of the other end's process, where that is on this machine; else null. */
  readonly peerUser: () => number | null;
  /** Octets that wait to be sent. */
  readonly pendingBytes: () => number;
  readonly send: (octets: Uint8Array) => void;
  /** Sends what waits, then closes; at the latest after a second. */
  readonly close: () => void;
  /** Whoever has shown what it is may stay: it counts no longer among the strangers. */
  readonly welcome: () => void;
}

/** What happens on a connection of the channel. */
export interface StreamEvents {
  readonly onOctets: (chunk: Uint8Array) => void;
  /** What waited has been sent. */
  readonly onDrain: () => void;
  /** Once; nothing follows. */
  readonly onClosed: (reason: string) => void;
}

/** A socket that listens for channels. */
export interface ChannelServer {
  /** The address and port it listens on. */
  readonly address: string;
  readonly close: () => void;
}

/** Where to listen, the key that both ends know (null: none), and what becomes of who comes. */
export interface ListenOptions {
  readonly host: string;
  readonly port: number;
  readonly key: Uint8Array | null;
  /** A peer is there; returns what is to be done with what it sends. */
  readonly onStream: (stream: ChannelStream) => StreamEvents;
  /** Somebody was turned away: who, and why. */
  readonly onStranger: (peer: string, reason: string) => void;
}

/**
 * Listens for replays.
 * @throws ReplayError ERR_CHANNEL_LISTEN
 */
export async function listenForStreams(options: ListenOptions): Promise<ChannelServer> {
  const strangers = new Strangers<Socket>();
  const open = new Set<Socket>();
  const server = createServer({ noDelay: true, allowHalfOpen: false });
  server.on('connection', (socket) => {
    const peer = `${socket.remoteAddress}:${socket.remotePort}`;
    const leaving = strangers.add(socket, socket.remoteAddress ?? '');
    if (leaving !== null) {
      const from = `${leaving.remoteAddress}:${leaving.remotePort}`;
      leaving.destroy();
      options.onStranger(from, 'too many connections that have not registered');
    }
    open.add(socket);
    socket.on('close', () => {
      strangers.delete(socket);
      open.delete(socket);
    });
    const welcome = () => strangers.delete(socket);
    if (options.key === null) serve(socket, peer, welcome, options);
    else secure(socket, options.key, peer, welcome, options);
  });
  await listen(server, options);
  const bound = server.address();
  const port = typeof bound === 'object' && bound !== null ? bound.port : options.port;
  const address = options.host.includes(':')
    ? `[${options.host}]:${port}`
    : `${options.host}:${port}`;
  return {
    address,
    close: () => {
      server.close();
      for (const socket of open) socket.destroy();
    },
  };
}

function secure(
  socket: Socket,
  key: Uint8Array,
  peer: string,
  welcome: () => void,
  options: ListenOptions,
): void {
  const secured = new TLSSocket(socket, {
    isServer: true,
    ...PSK_OPTIONS,
    pskCallback: (_socket: unknown, identity: string) => (identity === PSK_IDENTITY ? key : null),
    // Taken at run time, as by tls.createServer; the types leave it out here.
  } as TLSSocketOptions);
  const timer = setTimeout(() => {
    options.onStranger(peer, 'it did not get through the handshake in time');
    socket.destroy();
  }, HANDSHAKE_MS);
  const fail = (error: Error): void => {
    clearTimeout(timer);
    options.onStranger(peer, `no handshake: ${reasonOf(error)}`);
    socket.destroy();
  };
  secured.once('error', fail);
  socket.once('close', () => clearTimeout(timer));
  secured.once('secure', () => {
    clearTimeout(timer);
    secured.off('error', fail);
    // Who knows the secret is none; what follows has its own time.
    welcome();
    serve(secured, peer, welcome, options);
  });
}

function serve(socket: Socket, peer: string, welcome: () => void, options: ListenOptions): void {
  const stream = streamOf(socket, peer, welcome);
  attach(socket, options.onStream(stream));
}

/** Where an intercept listens, and the key that both ends know; null: none. */
export interface DialOptions {
  readonly host: string;
  readonly port: number;
  readonly key: Uint8Array | null;
}

/** A stream that is open; nothing is lost before `attach`, which is called once. */
export interface DialledStream {
  readonly stream: ChannelStream;
  attach(events: StreamEvents): void;
}

/**
 * Connects to an intercept.
 * @throws ReplayError ERR_CHANNEL_UNREACHABLE, ERR_CHANNEL_SECRET (unreachable)
 */
export async function dialStream(options: DialOptions): Promise<DialledStream> {
  const { host, port, key } = options;
  const socket: Socket =
    key === null
      ? netConnect({ host, port, noDelay: true })
      : tlsConnect({
          host,
          port,
          ...PSK_OPTIONS,
          // There is no certificate to check: the key itself says who they are.
          checkServerIdentity: () => undefined,
          pskCallback: () => ({ psk: key, identity: PSK_IDENTITY }),
        });
  socket.setNoDelay(true);
  await opened(socket, options);
  const stream = streamOf(socket, `${host}:${port}`, () => undefined);
  return { stream, attach: (events) => attach(socket, events) };
}

/** Resolves when the stream is open: connected, and with a secret proved on both sides. */
function opened(socket: Socket, options: DialOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (fault: ReplayError | null): void => {
      clearTimeout(timer);
      socket.off('error', onError);
      socket.off('close', onClose);
      if (fault === null) {
        resolve();
        return;
      }
      socket.on('error', () => undefined);
      socket.destroy();
      reject(fault);
    };
    const onError = (error: Error): void => settle(dialError(options, error));
    const onClose = (): void => settle(secretError(options, 'it ended the handshake'));
    const timer = setTimeout(() => {
      settle(unreachable(options, `no answer in ${CONNECT_MS / 1_000} s`));
    }, CONNECT_MS);
    socket.once('error', onError);
    socket.once('close', onClose);
    socket.once(options.key === null ? 'connect' : 'secureConnect', () => settle(null));
  });
}

function attach(socket: Socket, events: StreamEvents): void {
  let reason = 'the other end closed the connection';
  socket.on('data', events.onOctets);
  socket.on('drain', events.onDrain);
  socket.on('error', (error) => {
    reason = reasonOf(error);
  });
  socket.on('close', () => events.onClosed(reason));
  // It may have ended before anybody listened.
  if (socket.destroyed) queueMicrotask(() => events.onClosed(reason));
}

function streamOf(socket: Socket, peer: string, welcome: () => void): ChannelStream {
  return {
    peer,
    peerUser: () => userOf(socket),
    pendingBytes: () => socket.writableLength,
    send: (octets) => {
      if (!socket.writable) return;
      // Records are held back long before; whoever asks and never reads gets no more memory.
      if (socket.writableLength > UNREAD_BYTES_MAX) socket.destroy(new Error('it does not read'));
      else socket.write(octets);
    },
    close: () => {
      socket.end();
      setTimeout(() => socket.destroy(), LINGER_MS).unref();
    },
    welcome,
  };
}

function userOf({ localAddress, localPort, remoteAddress, remotePort }: Socket): number | null {
  if (localAddress === undefined || localPort === undefined) return null;
  if (remoteAddress === undefined || remotePort === undefined) return null;
  return userOfPeer(
    { address: localAddress, port: localPort },
    { address: remoteAddress, port: remotePort },
  );
}

function listen(server: Server, { host, port }: ListenOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const isTaken = cause.code === 'EADDRINUSE';
      reject(
        new ReplayError({
          code: 'ERR_CHANNEL_LISTEN',
          kind: 'environment',
          message: `cannot listen on ${host}:${port}: ${cause.code ?? cause.message}`,
          hint: isTaken
            ? 'another intercept may be running there: choose a port with --listen'
            : 'give an address of this machine with --listen',
          cause,
        }),
      );
    });
    server.listen({ host, port, backlog: STRANGERS_MAX }, resolve);
  });
}

function dialError(options: DialOptions, error: Error): ReplayError {
  const { code = '' } = error as NodeJS.ErrnoException;
  if (
    code.startsWith('ERR_SSL') ||
    code === 'EPROTO' ||
    /SSL|TLS|socket disconnected/.test(error.message)
  ) {
    const isPlain = /WRONG_VERSION|wrong version|UNEXPECTED_MESSAGE/i.test(
      `${code}${error.message}`,
    );
    return secretError(
      options,
      isPlain ? 'it was started without a secret' : 'it has another secret',
    );
  }
  return unreachable(options, code === '' ? error.message : code);
}

const unreachable = ({ host, port }: DialOptions, why: string): ReplayError =>
  new ReplayError({
    code: 'ERR_CHANNEL_UNREACHABLE',
    kind: 'unreachable',
    message: `the intercept at ${host}:${port} cannot be reached: ${why}`,
    hint: `start it there: gryphon intercept --mode advanced --listen ${host}:${port} --token-file FILE`,
  });

const secretError = ({ host, port }: DialOptions, why: string): ReplayError =>
  new ReplayError({
    code: 'ERR_CHANNEL_SECRET',
    kind: 'unreachable',
    message: `the intercept at ${host}:${port} did not accept this replay's secret: ${why}`,
    hint: 'give both the same --token-file (or GRYPHON_TOKEN)',
  });

const reasonOf = (error: Error): string => (error as NodeJS.ErrnoException).code ?? error.message;
