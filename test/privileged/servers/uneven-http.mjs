/** An HTTP server that answers after 20 ms, every twentieth time after 200 ms: uneven-http.mjs PORT */
import { createServer } from 'node:http';

const body = 'x'.repeat(1024);
let asked = 0;
createServer((_, response) => {
  setTimeout(() => response.end(body), ++asked % 20 === 0 ? 200 : 20);
}).listen(Number(process.argv[2]), '0.0.0.0');
