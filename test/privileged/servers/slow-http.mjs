/**
 * An HTTP server that answers everything with 1 KB after so many milliseconds, with 503 where the target
 * ends with a given text: slow-http.mjs PORT MS [TEXT]
 */
import { createServer } from 'node:http';

const [port, delayMs] = process.argv.slice(2, 4).map(Number);
const refused = process.argv[4];
const body = 'x'.repeat(1024);
createServer(({ url }, response) => {
  if (refused !== undefined && url.endsWith(refused)) response.statusCode = 503;
  setTimeout(() => response.end(body), delayMs);
}).listen(port, '0.0.0.0');
