/** Registrations for tests, from text. */

import { addressBytes, parseAddress } from '../../src/base/address.ts';
import { parseClients } from '../../src/cli/values/clients.ts';
import type { RegistrationRequest } from '../../src/intercept/registration.ts';

export const octetsOf = (text: string): Uint8Array => {
  const address = parseAddress(text);
  if (address === null) throw new Error(`${text} is no address`);
  return addressBytes(address);
};

/** @param targets `ADDRESS PORT` */
export function request(
  clients: string,
  ports: readonly [number, number] = [1024, 65_535],
  targets: readonly string[] = [clients.includes(':') ? 'fd77::1 80' : '10.77.0.1 80'],
): RegistrationRequest {
  const { family, ranges } = parseClients(clients);
  return {
    name: 'test:1',
    run: `run of ${clients}`,
    family,
    ranges,
    ports: { first: ports[0], last: ports[1] },
    targets: targets.map((text) => {
      const [address = '', port] = text.split(' ');
      return { address: octetsOf(address), port: Number(port) };
    }),
    prefixBytes: 16,
  };
}
