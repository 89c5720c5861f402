/** Changes the octets of an index file at random, and reads the capture beside it as a run would. */
import { createHash } from 'node:crypto';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Prng } from '../../src/base/prng.ts';
import { indexCaptures } from '../../src/run/captures/index-captures.ts';
import { mutate } from './mutate.ts';

/** Octets before the head: a magic and its length. */
const HEAD_AT = 24;
const HEAD_LENGTH_AT = 16;

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
    const index = await indexCaptures([this.#path], { seed: 1, store: true, onWarning });
    try {
      index.scripts();
      return JSON.stringify([...index.sessionList({ digests: true })]);
    } finally {
      index.close();
    }
  }
}

/** With the digest of the tables as they are now, where the head still has one. */
function sealed(octets: Uint8Array): Uint8Array {
  if (octets.length < HEAD_AT) return octets;
  const data = new DataView(octets.buffer, octets.byteOffset);
  const tablesAt = HEAD_AT + data.getFloat64(HEAD_LENGTH_AT, true);
  if (!(tablesAt <= octets.length)) return octets;
  const head = Buffer.from(octets.subarray(HEAD_AT, tablesAt)).toString('latin1');
  const digest = createHash('sha256').update(octets.subarray(tablesAt)).digest('hex');
  const text = head.replace(/"sha256":"[0-9a-f]{64}"/, `"sha256":"${digest}"`);
  return Buffer.concat([
    octets.subarray(0, HEAD_AT),
    Buffer.from(text, 'latin1'),
    octets.subarray(tablesAt),
  ]);
}
