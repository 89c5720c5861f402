/** Changes the octets of an index file at random, and reads the capture beside it as a run would. */
import { createHash } from 'node:crypto';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Prng } from '../../src/base/prng.ts';
import { BLOCK_BYTES, BlockDigests, DIGEST_BYTES } from '../../src/run/captures/index-body.ts';
import { indexCaptures, indexPlayed } from '../../src/run/captures/index-captures.ts';
import { findHints } from '../../src/session/script/protocol-hints.ts';
import { mutate } from './mutate.ts';

/** As `index-store.ts` has them. */
const MAGIC_BYTES = 16;
const SEAL_BYTES = 32;

/** A capture with its index in a folder of their own. */
export class IndexOctets {
  readonly #folder = mkdtempSync(join(tmpdir(), 'gryphon-fuzz-index-'));
  readonly #path = join(this.#folder, 'x.pcap');
  #octets = new Uint8Array(0);
  #sessions = '';

  /** Makes the index. */
  async open(capture: string): Promise<void> {
    copyFileSync(capture, this.#path);
    this.#sessions = await this.#read();
    this.#octets = new Uint8Array(readFileSync(this.#indexPath));
  }

  /**
   * @returns whether other tables than those of the capture were believed, since their digest was made to fit
   * @throws Error where a changed index keeps the capture from being read, or is believed with a digest
   *   that does not fit
   */
  async readChanged(prng: Prng): Promise<boolean> {
    const changed = mutate(this.#octets, this.#octets, prng);
    const isSealed = (prng.nextUint32() & 1) === 0;
    writeFileSync(this.#indexPath, isSealed ? sealed(changed) : changed);
    const isOther = (await this.#read()) !== this.#sessions;
    if (isOther && !isSealed) throw new Error('an index whose digest does not fit is believed');
    return isOther;
  }

  close(): void {
    rmSync(this.#folder, { recursive: true });
  }

  get #indexPath(): string {
    return `${this.#path}.gryphon-index`;
  }

  /** @returns everything that is said of its sessions */
  async #read(): Promise<string> {
    const onWarning = (): void => undefined;
    const wanted = { sessionsMax: 3, isWanted: () => true };
    const options = { seed: 1, store: true, onWarning };
    const played = await indexPlayed([this.#path], options, wanted);
    try {
      findHints(played.played(), () => undefined);
    } finally {
      played.close();
    }
    const index = await indexCaptures([this.#path], options);
    try {
      index.scripts();
      return JSON.stringify([...index.sessionList({ digests: true })]);
    } finally {
      index.close();
    }
  }
}

/** With the digests of the body as it is now, and the seal, where it still has a head. */
function sealed(octets: Uint8Array): Uint8Array {
  const lengthAt = octets.length - SEAL_BYTES - 8;
  if (lengthAt < MAGIC_BYTES) return octets;
  const data = new DataView(octets.buffer, octets.byteOffset);
  const headAt = lengthAt - data.getFloat64(lengthAt, true);
  if (!(headAt >= MAGIC_BYTES && headAt <= lengthAt)) return octets;
  const blocks = Math.ceil((headAt - MAGIC_BYTES) / (BLOCK_BYTES + DIGEST_BYTES));
  const body = octets.subarray(MAGIC_BYTES, Math.max(MAGIC_BYTES, headAt - blocks * DIGEST_BYTES));
  const digests = new BlockDigests();
  digests.add(body);
  const behind = Buffer.concat([digests.finish(), octets.subarray(headAt, lengthAt + 8)]);
  const digest = createHash('sha256').update(behind).digest();
  return Buffer.concat([octets.subarray(0, MAGIC_BYTES), body, behind, digest]);
}
