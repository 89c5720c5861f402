/**
 * An HTTP server that gives each connection a token as JSON (/token), and says of what is posted to it in gzip
 * whether that has the connection's token: packed.mjs PORT
 */
import { createServer } from 'node:http';
import { gunzipSync } from 'node:zlib';

const [port] = process.argv.slice(2).map(Number);
const tokens = new WeakMap();
let given = 0;
createServer((request, response) => {
  const { socket, url } = request;
  if (url === '/token') {
    tokens.set(socket, `token-${'x'.repeat(given % 50)}-${given++}`);
    response.setHeader('Content-Type', 'application/json');
    response.end(JSON.stringify({ token: tokens.get(socket) }));
    return;
  }
  const parts = [];
  request.on('data', (part) => parts.push(part));
  request.on('end', () => {
    let token = null;
    try {
      token = JSON.parse(gunzipSync(Buffer.concat(parts)).toString()).token;
    } catch {
      // It is none of ours.
    }
    const isRight = token !== null && token === tokens.get(socket);
    console.log(isRight ? 'right' : 'wrong');
    response.statusCode = isRight ? 200 : 403;
    response.end();
  });
}).listen(port, '0.0.0.0', () => console.log('listening'));
