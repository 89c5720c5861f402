/** On loopback, at a port that the kernel picks. */
import { afterEach, expect, test } from 'vitest';
import { type MetricsServer, serveMetrics } from '../../src/io/metrics-server.ts';

const LOOPBACK = { host: '127.0.0.1', port: 0 };
const PAGE = { contentType: 'text/plain; version=0.0.4', render: async () => 'up 1\n' };

const open: MetricsServer[] = [];

async function serve(page = PAGE): Promise<MetricsServer> {
  const server = await serveMetrics(LOOPBACK, page);
  open.push(server);
  return server;
}

afterEach(() => {
  for (const each of open.splice(0)) each.close();
});

test('/metrics is the page, with its type', async () => {
  const response = await fetch((await serve()).url);
  expect(response.status).toBe(200);
  expect(response.headers.get('content-type')).toBe(PAGE.contentType);
  expect(await response.text()).toBe('up 1\n');
});

test.each([
  { method: 'GET', path: '/', status: 404 },
  { method: 'GET', path: '/metrics/x', status: 404 },
  { method: 'POST', path: '/metrics', status: 405 },
  { method: 'HEAD', path: '/metrics', status: 200 },
  { method: 'GET', path: '/metrics?name=up', status: 200 },
])('$method $path is answered with $status', async ({ method, path, status }) => {
  const { url } = await serve();
  const response = await fetch(new URL(path, url), { method });
  expect(response.status).toBe(status);
});

test('a page that cannot be made is a 500, and the server goes on', async () => {
  const render = async () => Promise.reject(new Error('no counts'));
  const { url } = await serve({ ...PAGE, render });
  for (let i = 0; i < 2; i++) {
    const response = await fetch(url);
    expect([response.status, await response.text()]).toEqual([500, 'no counts\n']);
  }
});

test('a port that is taken is said, with what to do', async () => {
  const port = Number(new URL((await serve()).url).port);
  await expect(serveMetrics({ ...LOOPBACK, port }, PAGE)).rejects.toMatchObject({
    code: 'ERR_METRICS_LISTEN',
    kind: 'environment',
    message: `metrics cannot be served on 127.0.0.1:${port}: EADDRINUSE`,
    hint: 'another program listens there: choose another port with --metrics',
  });
});

test('an address that is not of this machine is said', async () => {
  await expect(serveMetrics({ host: '192.0.2.1', port: 0 }, PAGE)).rejects.toMatchObject({
    code: 'ERR_METRICS_LISTEN',
    hint: expect.stringContaining('an address of this machine'),
  });
});

test('nothing answers any more once it is closed', async () => {
  const server = await serve();
  await fetch(server.url);
  server.close();
  await expect(fetch(server.url)).rejects.toThrow();
});
