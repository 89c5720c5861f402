import { expect, test } from 'vitest';
import { CONNECTION_BYTES, ConnectionTable } from '../../src/embedded/connection-table.ts';
import { EMBEDDED_BYTES_PER_USER } from '../../src/embedded/embedded-bytes.ts';

test('a connection takes what is said of it, and no more than 128 octets', () => {
  const columns = Object.values(new ConnectionTable(1)).filter((each) => ArrayBuffer.isView(each));
  expect(columns.reduce((bytes, column) => bytes + column.byteLength, 0)).toBe(CONNECTION_BYTES);
  expect(EMBEDDED_BYTES_PER_USER).toBeLessThanOrEqual(128);
});
