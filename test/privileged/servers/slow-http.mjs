/** An HTTP server that answers everything with 1 KB after so many milliseconds: slow-http.mjs PORT MS */
import { createServer } from 'node:http';

const [port, delayMs] = process.argv.slice(2).map(Number);
const body = 'x'.repeat(1024);
createServer((_, response) => {
  setTimeout(() => response.end(body), delayMs);
}).listen(port, '0.0.0.0');
