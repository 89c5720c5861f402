/** An HTTP server that answers after 20 ms, every twentieth time after 200 ms: uneven-http.mjs PORT */
import { createServer } from 'node:http';

const body = 'x'.repeat(1024);
let asked = 0;
/** Connections that may wait while this process waits for a core: one more is dropped, and comes again after a second. */
const BACKLOG = 4_096;
createServer((_, response) => {
  setTimeout(() => response.end(body), ++asked % 20 === 0 ? 200 : 20);
}).listen(Number(process.argv[2]), '0.0.0.0', BACKLOG);
