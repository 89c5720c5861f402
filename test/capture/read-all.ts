/** Drives a reader over a file in memory, piece by piece. */
import { readerOf } from '../../src/capture/format.ts';
import { OctetWindow } from '../../src/capture/octet-window.ts';
import { type Damage, ReadResult } from '../../src/capture/packet-reader.ts';

export interface ReadPacket {
  readonly octets: readonly number[];
  readonly original: number;
  readonly seconds: number;
  readonly nanoseconds: number;
  readonly linkType: number;
}

export interface ReadFile {
  readonly packets: readonly ReadPacket[];
  readonly damage: Damage | null;
}

export function readAll(file: Uint8Array, pieceBytes = Number.POSITIVE_INFINITY): ReadFile {
  const window = new OctetWindow();
  const fill = (limit: number): boolean => {
    const room = window.room();
    const from = window.nextOffset;
    const octets = file.subarray(from, from + Math.min(limit, room.length));
    room.set(octets);
    window.added(octets.length);
    return octets.length > 0;
  };
  fill(Math.max(4, pieceBytes));
  const reader = readerOf(window);
  const packets: ReadPacket[] = [];
  for (;;) {
    const step = reader.next();
    if (step === ReadResult.END) return { packets, damage: reader.damage };
    if (step === ReadResult.MORE) {
      if (!fill(pieceBytes)) reader.end();
      continue;
    }
    const { packetStart, capturedBytes, originalBytes, seconds, nanoseconds, linkType } = reader;
    packets.push({
      octets: [...window.bytes.subarray(packetStart, packetStart + capturedBytes)],
      original: originalBytes,
      seconds,
      nanoseconds,
      linkType,
    });
  }
}
