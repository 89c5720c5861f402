/**
 * An HTTP server whose answers are other ones each time: `live-http.mjs PORT LEDGER MS`. Each comes after so many
 * milliseconds, by its path:
 *
 * /length    600 to 1,500 octets        /chunks  cut by chance, in one to four writes
 * /slow      in three writes, 5 ms apart    /gzip    compressed, of no length that anybody knows before
 * /hints     behind a 103               /upload  behind a 100, once the body is there
 * /refused   413 as soon as the header is there; what comes of the body is thrown away
 *
 * The ledger has a line for each answer: path, and octets of the body.
 *
 * As a client, `live-http.mjs record HOST PORT CONNECTIONS PATH…`, it asks for each of these once on each connection; a
 * number instead of a path is a pause in milliseconds, on each connection another one.
 */
import { writeFileSync } from 'node:fs';
import { Agent, request as ask, createServer } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';

/** xorshift32: the same each time. */
let state = 1;
function chance(below) {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return (state >>> 0) % below;
}
const text = () => 'some text or other, '.repeat(30 + chance(46));

function serve(port, ledger, delayMs) {
  const lines = [];
  const answer = (request, response) => {
    const path = request.url ?? '';
    let bytes = 0;
    response.once('finish', () => {
      lines.push(`${JSON.stringify({ path, bytes })}\n`);
    });
    const write = (octets) => {
      bytes += octets.length;
      response.write(octets);
    };
    const end = (octets = '') => {
      bytes += octets.length;
      response.end(octets);
    };
    const whole = (octets) => {
      response.setHeader('Content-Length', octets.length);
      end(octets);
    };
    const pieces = (body, count, pauseMs) => {
      const size = 1 + Math.floor(body.length / count);
      write(body.slice(0, size));
      if (body.length <= size) end();
      else setTimeout(() => pieces(body.slice(size), Math.max(1, count - 1), pauseMs), pauseMs);
    };
    if (path === '/refused') {
      response.statusCode = 413;
      request.resume();
      whole('too much');
      return;
    }
    if (path === '/hints') response.writeEarlyHints({ link: '</style.css>; rel=preload' });
    request.resume();
    request.once('end', () => {
      setTimeout(() => {
        if (path === '/chunks') pieces(text(), 1 + chance(4), 0);
        else if (path === '/slow') pieces(text(), 3, 5);
        else if (path === '/gzip') {
          response.setHeader('Content-Encoding', 'gzip');
          const body = gzipSync(text() + chance(2 ** 31));
          write(body.subarray(0, 20));
          end(body.subarray(20));
        } else whole(text());
      }, delayMs);
    });
  };
  const server = createServer({ keepAliveTimeout: 60_000 }, answer);
  server.on('checkContinue', (request, response) => {
    response.writeContinue();
    answer(request, response);
  });
  server.listen({ port, host: '0.0.0.0', backlog: 4_096 }, () => console.log('ready'));
  process.on('SIGTERM', () => {
    writeFileSync(ledger, lines.join(''));
    process.exit(0);
  });
}

async function record(host, port, connections, paths) {
  const exchange = (agent, path) =>
    new Promise((resolve, reject) => {
      const body = path === '/upload' || path === '/refused' ? 'b'.repeat(1_000) : undefined;
      const headers = { Host: 'a' };
      if (body !== undefined) headers['Content-Length'] = body.length;
      if (path === '/upload') headers.Expect = '100-continue';
      const method = body === undefined ? 'GET' : 'POST';
      // An early answer is no reason to leave.
      let left = 2;
      const over = () => --left === 0 && resolve();
      const sent = ask({ host, port, path, method, headers, agent }, (response) => {
        response.resume();
        response.once('end', over);
      });
      sent.once('finish', over);
      sent.once('error', reject);
      if (path === '/upload') sent.once('continue', () => sent.end(body));
      else if (path !== '/refused') sent.end();
      else {
        // Half of it before the server has refused it, half behind.
        sent.write(body.slice(0, 500));
        setTimeout(() => sent.end(body.slice(500)), 20);
      }
    });
  const one = async (connection) => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    for (const path of paths) {
      if (path.startsWith('/')) await exchange(agent, path);
      else await pause(Number(path) * (1 + connection / connections));
    }
    agent.destroy();
  };
  await Promise.all(Array.from({ length: connections }, (_, i) => one(i)));
}

const [first = '', ...rest] = process.argv.slice(2);
if (first === 'record') await record(rest[0], Number(rest[1]), Number(rest[2]), rest.slice(3));
else serve(Number(first), rest[0], Number(rest[1]));
