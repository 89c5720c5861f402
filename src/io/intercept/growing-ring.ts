/**
 * A packet ring whose frames grow with what registrations ask for: frames cannot be made longer in a
 * ring, so another one takes its place.
 */
import type { BpfInstruction } from '../../base/bpf-instruction.ts';
import { PacketRing, type PacketRingOptions } from '../receive/packet-ring.ts';

/** A packet ring, and those that it took the place of. */
export class GrowingRing {
  readonly #options: PacketRingOptions;
  #ring: PacketRing;
  #snapBytes: number;
  #fds: readonly number[];
  /** Packets lost by rings that are closed. */
  #droppedBefore = 0;

  /** @throws ReplayError as PacketRing does */
  constructor(options: PacketRingOptions) {
    this.#options = options;
    this.#snapBytes = options.snapBytes;
    this.#ring = new PacketRing(options);
    this.#fds = [this.#ring.fd];
  }

  /** The ring in use: another one, after `setFilter`, where its frames were too short. */
  get ring(): PacketRing {
    return this.#ring;
  }

  /** The ring's descriptor: the same list as long as it is the same ring. */
  get fds(): readonly number[] {
    return this.#fds;
  }

  /**
   * Another filter from now on. Where the frames are too short for it, a new ring with longer ones is
   * there before the former is closed; packets that still wait in that one count as dropped.
   * @param snapBytes the most the filter ever returns
   * @throws ReplayError ERR_IO_FILTER, ERR_IO_SOCKET, ERR_IO_MMAP: ring and filter are as they were
   */
  setFilter(filter: readonly BpfInstruction[], snapBytes: number): void {
    if (snapBytes <= this.#snapBytes) {
      this.#ring.setFilter(filter);
      return;
    }
    const former = this.#ring;
    this.#ring = new PacketRing({ ...this.#options, filter, snapBytes });
    this.#snapBytes = snapBytes;
    this.#fds = [this.#ring.fd];
    for (; former.hasPacket(); former.release()) this.#droppedBefore++;
    this.#droppedBefore += former.readDropped();
    former.close();
  }

  /** Packets that no ring had room for, and those lost when one took another's place. */
  readDropped(): number {
    return this.#droppedBefore + this.#ring.readDropped();
  }

  /** Harmless when called twice. */
  close(): void {
    this.#ring.close();
  }
}
