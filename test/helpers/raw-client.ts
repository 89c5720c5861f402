/** Clients whose addresses nobody owns: their packets are written by hand, and nobody resets them. */
import { type AddressRange, addressBytes, parseAddress } from '../../src/base/address.ts';
import type { EndpointOctets, Registration } from '../../src/intercept/ports.ts';
import { inNamespace } from '../../src/io/sys/namespace.ts';
import { AF_PACKET, packetAddress, SOCK_RAW, Socket } from '../../src/io/sys/socket.ts';
import { findInterface } from '../../src/io/way/interfaces.ts';
import { sumOctets } from '../../src/wire/checksum.ts';
import { EtherType, emitEthernet } from '../../src/wire/ethernet.ts';
import { FrameBatch } from '../../src/wire/frame-batch.ts';
import { FrameWriter, OptionsKind } from '../../src/wire/frame-writer.ts';
import { DEVICE, type Host, startInside } from './netns.ts';
import { until } from './process.ts';

export const TcpFlag = { SYN: 0x02, RST: 0x04, PSH_ACK: 0x18, ACK: 0x10, SYN_ACK: 0x12 } as const;

/** A packet of a client's; the address is the host's part of the client range. */
export interface ClientPacket {
  readonly client: string;
  readonly port: number;
  readonly flags: number;
  readonly seq: number;
  readonly ack?: number;
  readonly payload?: string;
  readonly targetPort?: number;
}

/** Sends packets from any address from one host of a lab to another one on its link. */
export class RawClients {
  readonly #socket: Socket;
  readonly #link: readonly [Uint8Array, Uint8Array];
  readonly #to: Host;
  readonly #opened: ClientPacket[] = [];

  constructor(from: Host, to: Host) {
    const mac = (host: Host) =>
      inNamespace(host.name, () => findInterface(DEVICE).mac) as Uint8Array;
    const [destination, source] = [mac(to), mac(from)];
    this.#link = [
      emitEthernet({ destination, source, etherType: EtherType.IPV4 }),
      emitEthernet({ destination, source, etherType: EtherType.IPV6 }),
    ];
    this.#to = to;
    this.#socket = inNamespace(from.name, () => {
      const socket = new Socket(AF_PACKET, SOCK_RAW, 0);
      socket.bind(packetAddress(0, findInterface(DEVICE).index));
      return socket;
    });
  }

  send(packet: ClientPacket): void {
    const { client, port, flags, seq, ack = 0, payload = '', targetPort = 80 } = packet;
    if (flags === TcpFlag.SYN) this.#opened.push(packet);
    const source = octetsOf(client);
    const family = source.length === 4 ? 4 : 6;
    const target = octetsOf(family === 4 ? this.#to.ipv4 : this.#to.ipv6);
    const batch = new FrameBatch(1);
    const writer = new FrameWriter(batch, { family });
    const route = writer.addRoute(this.#link[family === 4 ? 0 : 1], target, source);
    const low = new DataView(source.buffer).getUint32(source.length - 4);
    const octets = Buffer.from(payload);
    const kind = flags === TcpFlag.SYN ? OptionsKind.SYN : OptionsKind.NONE;
    writer.synOptions = { mss: 1440, windowScale: 7, timestamps: false, sackPermitted: false };
    const sum = sumOctets(octets, 0, octets.length);
    const window = 512;
    writer.writeTcp(
      route,
      low,
      port,
      targetPort,
      1,
      seq,
      ack,
      flags,
      window,
      kind,
      0,
      0,
      octets.length,
      sum,
    );
    const frame = Buffer.concat([batch.headers.subarray(0, batch.headerBytes[0]), octets]);
    if (!this.#socket.trySend(frame)) throw new Error('the frame was not sent');
  }

  /** Ends connections that got no further than their SYN: else the target answers again for minutes. */
  forget(): void {
    for (const packet of this.#opened.splice(0)) {
      this.send({ ...packet, flags: TcpFlag.RST, seq: packet.seq + 1 });
    }
  }

  close(): void {
    this.#socket.close();
  }
}

export function octetsOf(text: string): Uint8Array {
  const address = parseAddress(text);
  if (address === null) throw new Error(`${text} is no address`);
  return addressBytes(address);
}

/** `count` addresses from `first` on. */
export function rangeOf(first: string, count: number): AddressRange {
  const address = parseAddress(first);
  if (address === null) throw new Error(`${first} is no address`);
  return { prefix: address.prefix, start: address.low, count };
}

export const targetOf = (address: string, port: number): EndpointOctets => ({
  address: octetsOf(address),
  port,
});

/** All ports above 1023, unless told otherwise. */
export function registrationOf(
  id: number,
  ranges: readonly AddressRange[],
  targets: readonly EndpointOctets[],
  ports = { first: 1_024, last: 65_535 },
  prefixBytes = 32,
): Registration {
  return {
    id,
    family: ranges[0]?.prefix.length === 0 ? 4 : 6,
    ranges,
    targets,
    ports,
    prefixBytes,
  };
}

/** Packets that a host sees on its link, counted by tcpdump while `work` runs. */
export async function countOnWire(
  host: Host,
  filter: string,
  work: () => Promise<void>,
): Promise<number> {
  const argv = ['tcpdump', '-n', '--immediate-mode', '-U', '-l', '-Z', 'root', '-i', host.device];
  const program = startInside(host, [...argv, filter]);
  await until('tcpdump listening', () => program.output().includes('listening on'));
  await work();
  await new Promise((resolve) => setTimeout(resolve, 200));
  await program.stop('SIGINT');
  return Number(/(\d+) packets? captured/.exec(program.output())?.[1]);
}
