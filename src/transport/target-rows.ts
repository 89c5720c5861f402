/** Which target a packet comes from. */

/** What headers of either IP version say of where a packet comes from. */
interface Source {
  /** The address's last 32 bits. */
  readonly srcLow32: number;
  srcMatches(address: Uint8Array): boolean;
}

interface Row {
  readonly row: number;
  readonly address: Uint8Array;
  readonly port: number;
}

/** The rows of targets, found by a hash of their ends. */
export class TargetRows {
  readonly #rows = new Map<number, Row[]>();

  constructor(targets: readonly { readonly address: Uint8Array; readonly port: number }[]) {
    for (const [row, { address, port }] of targets.entries()) {
      const data = new DataView(address.buffer, address.byteOffset, address.byteLength);
      const key = keyOf(data.getUint32(address.length - 4), port);
      const rows = this.#rows.get(key);
      if (rows === undefined) this.#rows.set(key, [{ row, address, port }]);
      else rows.push({ row, address, port });
    }
  }

  /** The target's row, or -1. */
  rowOf(source: Source, port: number): number {
    const rows = this.#rows.get(keyOf(source.srcLow32, port));
    if (rows === undefined) return -1;
    for (let i = 0; i < rows.length; i++) {
      if (rows[i].port === port && source.srcMatches(rows[i].address)) return rows[i].row;
    }
    return -1;
  }
}

const keyOf = (low: number, port: number): number => Math.imul(low, 0x9e37_79b1) ^ port;
