import { expect, test } from 'vitest';
import { CONNECTION_BYTES, ConnectionTable } from '../../src/embedded/connection-table.ts';
import { EMBEDDED_BYTES_PER_USER } from '../../src/embedded/embedded-bytes.ts';

type Column = Uint8Array | Uint16Array | Int32Array | Uint32Array | Float64Array;

const columnsOf = (table: ConnectionTable): Column[] =>
  Object.values(table).filter((each): each is Column => ArrayBuffer.isView(each));

test('a connection takes what is said of it, and no more than 128 octets', () => {
  const [first, ...others] = columnsOf(new ConnectionTable(3));
  for (const { buffer } of others) expect(buffer).toBe(first.buffer);
  expect(first.buffer.byteLength).toBe(3 * CONNECTION_BYTES);
  expect(EMBEDDED_BYTES_PER_USER).toBeLessThanOrEqual(128);
});

test('no field of a row lies in another, or in the next row', () => {
  const places = columnsOf(new ConnectionTable(1)).map((column) => {
    const { byteOffset, BYTES_PER_ELEMENT } = column;
    return { from: byteOffset, to: byteOffset + BYTES_PER_ELEMENT };
  });
  places.sort((a, b) => a.from - b.from);
  for (const [i, { from }] of places.entries()) {
    expect(from).toBeGreaterThanOrEqual(places[i - 1]?.to ?? 0);
  }
  expect(places.at(-1)?.to).toBeLessThanOrEqual(CONNECTION_BYTES);
});
