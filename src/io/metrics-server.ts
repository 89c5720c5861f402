/** Serves a text over HTTP to whoever scrapes it: counts of a running command. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ReplayError } from '../base/errors.ts';

/** Where scrapers look unless they are told otherwise. */
const METRICS_PATH = '/metrics';

/** Some scrapers and a curious operator; a scan must not cost memory. */
const CONNECTIONS_MAX = 16;
/** A scraper sends its request at once; who does not, gives its place to another. */
const REQUEST_MS_MAX = 5_000;

/** What is served to whoever asks: a page in Prometheus' text format. */
export interface MetricsPage {
  readonly contentType: string;
  /** The page as it is now. */
  render(): Promise<string>;
}

/** An HTTP server of one page. */
export interface MetricsServer {
  /** `http://127.0.0.1:9100/metrics`, with the port that was taken where 0 was asked for. */
  readonly url: string;
  /** Nothing is served any more; open connections end. */
  close(): void;
}

/** @throws ReplayError ERR_METRICS_LISTEN (environment) */
export async function serveMetrics(
  { host, port }: { readonly host: string; readonly port: number },
  page: MetricsPage,
): Promise<MetricsServer> {
  const server = createServer(
    { headersTimeout: REQUEST_MS_MAX, requestTimeout: REQUEST_MS_MAX },
    (request, response) => void answer(page, request, response),
  );
  server.maxConnections = CONNECTIONS_MAX;
  const taken = await listen(server, host, port);
  const at = host.includes(':') ? `[${host}]` : host;
  return {
    url: `http://${at}:${taken}${METRICS_PATH}`,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

async function answer(
  page: MetricsPage,
  { method, url }: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const say = (status: number, contentType: string, text: string): void => {
    response.writeHead(status, { 'Content-Type': contentType });
    response.end(method === 'HEAD' ? undefined : text);
  };
  const plain = 'text/plain; charset=utf-8';
  if (method !== 'GET' && method !== 'HEAD') {
    response.setHeader('Allow', 'GET, HEAD');
    return say(405, plain, 'GET only\n');
  }
  if (url?.split('?')[0] !== METRICS_PATH) return say(404, plain, `look at ${METRICS_PATH}\n`);
  try {
    say(200, page.contentType, await page.render());
  } catch (error) {
    say(500, plain, `${error instanceof Error ? error.message : String(error)}\n`);
  }
}

function listen(server: Server, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const isTaken = cause.code === 'EADDRINUSE';
      reject(
        new ReplayError({
          code: 'ERR_METRICS_LISTEN',
          kind: 'environment',
          message: `metrics cannot be served on ${host}:${port}: ${cause.code ?? cause.message}`,
          hint: isTaken
            ? 'another program listens there: choose another port with --metrics'
            : 'give an address of this machine with --metrics, and a port that you may use',
          cause,
        }),
      );
    });
    server.listen({ host, port }, () => resolve((server.address() as AddressInfo).port));
  });
}
