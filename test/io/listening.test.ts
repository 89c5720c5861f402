import { expect, test } from 'vitest';
import { listeningOf, openPortsOf } from '../../src/io/way/listening.ts';

const line = (address: string, port: string, state = '0A'): string =>
  `   0: ${address}:${port} 00000000:0000 ${state} 00000000:00000000 00:00000000 00000000     0\n`;
const HEAD = '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid\n';
const ANY6 = '00000000000000000000000000000000';
const LOOPBACK6 = '00000000000000000000000001000000';

test.each([
  ['', 'nobody'],
  [line('00000000', '1F91'), 'nobody'],
  [line('00000000', '1F90', '01'), 'nobody'],
  [line('00000000', '1F90'), 'everybody'],
  [line('0100007F', '1F90'), 'loopback'],
  [line('0100007F', '1F90') + line('0100630A', '1F90'), 'everybody'],
  [line(ANY6, '1F90'), 'everybody'],
  [line(LOOPBACK6, '1F90'), 'loopback'],
] as const)('who listens on port 8080: %j', (lines, listening) => {
  expect(listeningOf(HEAD + lines, 8080)).toBe(listening);
});

test('the ports that everybody can reach, each once', () => {
  const lines = [
    line('00000000', '1F91'),
    line(ANY6, '1F91'),
    line('0100630A', '0050'),
    line('0100007F', '1F90'),
    line('00000000', '1F92', '01'),
  ];
  expect(openPortsOf(HEAD + lines.join(''))).toEqual([80, 8081]);
  expect(openPortsOf('')).toEqual([]);
});
