/** Captures inside a host of a lab, and what tshark, who is not us, makes of a capture. */
import { statSync } from 'node:fs';
import { type Host, startInside } from './netns.ts';
import { must, until } from './process.ts';

/** A tcpdump that is running. */
export interface Capture {
  /** Ends it after everything that has arrived is in the file; an error when packets were lost. */
  readonly stop: () => Promise<void>;
}

export interface CaptureOptions {
  /** What tcpdump is to keep, in its own language. */
  readonly filter?: string;
  /** More of tcpdump's options: `-y LINUX_SLL`, `-s 96`. */
  readonly options?: readonly string[];
  /** `any` for every device at once; the host's own by default. */
  readonly device?: string;
}

/** Starts tcpdump inside a host; when this returns, it sees every packet. */
export async function startCapture(
  host: Host,
  path: string,
  { filter = 'tcp', options = [], device = host.device }: CaptureOptions = {},
): Promise<Capture> {
  // Immediate: else the kernel keeps packets back for up to a second and SIGINT loses them. A
  // buffer of 64 MB, and no change of user: the file lies where only root may write.
  const listen = ['tcpdump', '-n', '--immediate-mode', '-U', '-Z', 'root', '-B', '65536'];
  const argv = [...listen, '-i', device, '-w', path];
  const program = startInside(host, [...argv, ...options, filter]);
  await until('tcpdump listening', () => {
    if (program.hasEnded()) throw new Error(`tcpdump ended at once:\n${program.output()}`);
    return program.output().includes('listening on');
  });
  const stop = async () => {
    await settled(path);
    await program.stop('SIGINT');
    const dropped = /(\d+) packets dropped by kernel/.exec(program.output())?.at(1);
    if (dropped !== '0') throw new Error(`tcpdump lost packets:\n${program.output()}`);
  };
  return { stop };
}

/**
 * Captures what goes on inside a host while something is done.
 * @param path the file; its folder exists
 * @returns what was done
 */
export async function captureWhile<T>(
  host: Host,
  path: string,
  options: CaptureOptions,
  act: () => Promise<T>,
): Promise<T> {
  const recording = await startCapture(host, path, options);
  const done = await act();
  await recording.stop();
  return done;
}

/**
 * What tshark reads from a capture: a row a packet, a column a field.
 * @param filter a display filter; every packet when empty
 */
export async function packetFields(
  path: string,
  fields: readonly string[],
  filter = '',
): Promise<string[][]> {
  // Checksums are looked at only when asked; the sequence numbers are the real ones.
  const preferences = ['ip.check_checksum', 'tcp.check_checksum'].flatMap((name) => [
    '-o',
    `${name}:TRUE`,
  ]);
  const wanted = fields.flatMap((field) => ['-e', field]);
  const argv = ['tshark', '-n', '-r', path, ...preferences, '-T', 'fields', ...wanted];
  const text = await must(filter === '' ? argv : [...argv, '-Y', filter], { timeoutMs: 120_000 });
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.split('\t'));
}

/**
 * What each client of a capture without losses sent, in the order of the connections' first
 * packets.
 * @param serverPort tells the client's packets from the server's
 */
export async function clientStreams(path: string, serverPort: number): Promise<Buffer[]> {
  const filter = `tcp.dstport == ${serverPort} && !tcp.analysis.retransmission`;
  const rows = await packetFields(path, ['tcp.stream', 'tcp.payload'], filter);
  const streams = new Map<string, string>();
  for (const [stream = '', payload = ''] of rows) {
    streams.set(stream, (streams.get(stream) ?? '') + payload);
  }
  return [...streams.values()].map((hex) => Buffer.from(hex, 'hex'));
}

/** Waits until a file has not grown for a moment: the last packets are on their way to it. */
async function settled(path: string): Promise<void> {
  let bytes = -1;
  let quietRounds = 0;
  await until(`${path} complete`, async () => {
    const now = statSync(path).size;
    quietRounds = now === bytes ? quietRounds + 1 : 0;
    bytes = now;
    return quietRounds > 10;
  });
}
