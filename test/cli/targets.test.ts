import { describe, expect, test } from 'vitest';
import { isPublic, isUnicast } from '../../src/cli/address-kinds.ts';
import { publicClientsWarning, resolveTarget } from '../../src/cli/targets.ts';
import { UsageError } from '../../src/cli/usage-error.ts';
import { parseEndpoint, parseRoute } from '../../src/cli/values/endpoints.ts';
import { fakeContext } from './fake-context.ts';
import { readOptions } from './read-options.ts';

describe('a target as it is written', () => {
  test.each([
    { text: '10.0.0.1:80', host: '10.0.0.1', port: 80 },
    { text: '10.0.0.1:65535', host: '10.0.0.1', port: 65_535 },
    { text: '[2001:db8:0::1]:443', host: '2001:db8::1', port: 443 },
    { text: 'web-1.lab.example:8080', host: 'web-1.lab.example', port: 8080 },
    { text: ' localhost:1 ', host: 'localhost', port: 1 },
  ])('$text is read', ({ text, host, port }) => {
    expect(parseEndpoint(text)).toEqual({ label: text.trim(), host, port });
  });

  test.each([
    { text: '', message: "'' is not a host and port" },
    { text: '10.0.0.1', message: 'is not a host and port', hint: 'add the port: 10.0.0.1:80' },
    { text: 'web.lab', message: 'is not a host and port', hint: 'add the port: web.lab:80' },
    { text: '2001:db8::1', message: 'not a host and port', hint: 'did you mean [2001:db8::1]:80?' },
    { text: '10.0.0.1:0', message: 'port 0 is not from 1 to 65535' },
    { text: '10.0.0.1:65536', message: 'port 65536 is not from 1 to 65535' },
    { text: '10.0.0.1:http', message: 'is not a host and port' },
    { text: '10.0.0.256:80', message: "'10.0.0.256' is neither an address nor a host name" },
    { text: '10.0.1:80', message: "'10.0.1' is neither an address nor a host name" },
    { text: '[10.0.0.1]:80', message: "'10.0.0.1' is not an IPv6 address" },
    { text: '[::g]:80', message: "'::g' is not an IPv6 address" },
    { text: '-x:80', message: 'neither an address nor a host name' },
    { text: 'a..b:80', message: 'neither an address nor a host name' },
    { text: 'http://a:80', message: 'is not a host and port' },
  ])('$text is refused', ({ text, message, hint }) => {
    expect(() => parseEndpoint(text)).toThrow(message);
    if (hint !== undefined) {
      expect(() => parseEndpoint(text)).toThrow(expect.objectContaining({ hint }));
    }
  });
});

describe('a mapping in the old spelling', () => {
  test.each([
    { text: '80-10.0.0.5:8080', address: null, port: 80, host: '10.0.0.5' },
    { text: '10.1.1.1:80-web-1:8080', address: '10.1.1.1', port: 80, host: 'web-1' },
    { text: '[2001:DB8::1]:80-[::1]:8080', address: '2001:db8::1', port: 80, host: '::1' },
  ])('$text is read', ({ text, address, port, host }) => {
    const route = parseRoute(text);
    expect(route.recordedAddress).toBe(address);
    expect(route.recordedPort).toBe(port);
    expect(route.target).toMatchObject({ host, port: 8080 });
  });

  test.each([
    { text: '80', message: 'is not a mapping' },
    { text: '80-10.0.0.5', message: 'is not a host and port' },
    { text: '0-10.0.0.5:80', message: 'port 0 is not from 1 to 65535' },
    { text: 'web:80-10.0.0.5:80', message: "'web' is not an IP address" },
    { text: '10.0.0.300:80-10.0.0.5:80', message: "'10.0.0.300' is not an IP address" },
    {
      text: '80@02:00:00:00:00:01-10.0.0.5:80@02:00:00:00:00:02',
      message: 'not available in this version',
    },
  ])('$text is refused', ({ text, message }) => {
    expect(() => parseRoute(text)).toThrow(message);
  });
});

describe('kinds of addresses', () => {
  test.each([
    ['10.255.255.255', false],
    ['11.0.0.0', true],
    ['9.255.255.255', true],
    ['127.0.0.1', false],
    ['169.254.169.254', false],
    ['172.15.255.255', true],
    ['172.16.0.0', false],
    ['172.31.255.255', false],
    ['172.32.0.0', true],
    ['192.0.2.1', false],
    ['192.168.0.1', false],
    ['198.17.255.255', true],
    ['198.18.0.0', false],
    ['198.19.255.255', false],
    ['198.20.0.0', true],
    ['203.0.113.9', false],
    ['8.8.8.8', true],
    ['100.64.0.1', true],
    ['::1', false],
    ['fe80::1', false],
    ['febf::1', false],
    ['fec0::1', true],
    ['fd00::1', false],
    ['fe00::1', true],
    ['2001:db8::1', false],
    ['2001:db9::1', true],
    ['2001:2::1', false],
    ['2001:2:1::1', true],
    ['::ffff:10.0.0.1', false],
    ['::ffff:8.8.8.8', true],
  ])('%s public: %s', (address, expected) => {
    expect(isPublic(address)).toBe(expected);
  });

  test.each(['0.0.0.0', '224.0.0.1', '239.255.255.255', '255.255.255.255', '::', 'ff02::1'])(
    '%s is not one host’s',
    (address) => {
      expect(isUnicast(address)).toBe(false);
    },
  );
});

describe('looking targets up', () => {
  const hosts = {
    'both.lab': [
      { address: '2001:db8::5', family: 6 },
      { address: '10.0.0.5', family: 4 },
    ],
    'public.example': [{ address: '8.8.8.8', family: 4 }],
  };
  const { lookup } = fakeContext({ hosts });
  const route = (text: string) => ({
    recordedAddress: null,
    recordedPort: null,
    target: parseEndpoint(text),
  });
  const resolve = (text: string, options: { family?: 4 | 6; allowPublic?: boolean } = {}) =>
    resolveTarget([route(text)], { family: 4, allowPublic: false, lookup, ...options });

  test('of a name’s addresses the first of the clients’ family is taken', async () => {
    await expect(resolve('both.lab:80')).resolves.toMatchObject({
      kind: 'network',
      routes: [{ label: 'both.lab:80', address: '10.0.0.5', port: 80 }],
    });
    await expect(resolve('both.lab:80', { family: 6 })).resolves.toMatchObject({
      routes: [{ address: '2001:db8::5' }],
    });
  });

  test('a name without an address cannot be reached', async () => {
    await expect(resolve('nowhere.lab:80')).rejects.toMatchObject({
      kind: 'unreachable',
      message: 'target nowhere.lab: the name has no address',
    });
  });

  test('a public target is refused, unless it is allowed, also behind a name', async () => {
    await expect(resolve('8.8.8.8:80')).rejects.toThrow('8.8.8.8 is a public address');
    await expect(resolve('public.example:80')).rejects.toThrow('public.example:80 (8.8.8.8)');
    await expect(resolve('8.8.8.8:80', { allowPublic: true })).resolves.toMatchObject({
      routes: [{ address: '8.8.8.8' }],
    });
  });

  test('a group’s address is refused, allowed or not', async () => {
    await expect(resolve('224.0.0.1:80', { allowPublic: true })).rejects.toThrow(
      'not the address of one host',
    );
  });

  test('all refused targets are named at once', async () => {
    const both = [route('8.8.8.8:80'), route('0.0.0.0:80')];
    const error = await resolveTarget(both, { family: 4, allowPublic: false, lookup }).catch(
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(UsageError);
    expect((error as UsageError).faults).toHaveLength(2);
  });
});

describe('clients with public addresses', () => {
  const warningFor = async (clients: string, isEmbedded = false) => {
    const flags = isEmbedded ? [] : ['--target', '10.0.0.1:80'];
    return publicClientsWarning(await readOptions(['replay', 'x', '-c', clients, ...flags]));
  };

  test.each([
    '8.8.8.0/24',
    '10.0.0.1,11.0.0.1',
    '9.255.255.255-10.0.0.5',
    '10.255.255.250-11.0.0.1',
  ])('%s are worth a warning', async (clients) => {
    expect(await warningFor(clients)).toContain(`the clients ${clients} have public addresses`);
  });

  test('none is given for private ones, nor when nothing leaves the process', async () => {
    expect(await warningFor('10.0.0.0/8')).toBe(null);
    expect(await warningFor('198.18.0.0/15')).toBe(null);
    expect(await warningFor('2001:2::/96', true)).toBe(null);
    expect(await warningFor('8.8.8.0/24', true)).toBe(null);
  });
});
