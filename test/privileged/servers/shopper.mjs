/**
 * A client of shop.mjs, from an address of its own, over two connections: shopper.mjs HOST PORT ADDRESS USER
 */
import { Agent, request } from 'node:http';
import { gunzipSync } from 'node:zlib';

const [host, port, localAddress, user] = process.argv.slice(2);
const agents = { pages: agent(), api: agent() };
const cookies = new Map();

function agent() {
  return new Agent({ keepAlive: true, maxSockets: 1 });
}

async function ask(by, method, path, { body = '', headers = {} } = {}) {
  const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ');
  const given = {
    'User-Agent': 'shopper',
    ...(by === 'pages' ? { 'Accept-Encoding': 'gzip' } : {}),
    ...(cookie === '' ? {} : { Cookie: cookie }),
    ...(body === '' ? {} : { 'Content-Length': Buffer.byteLength(body) }),
    ...headers,
  };
  const options = { host, port, method, path, localAddress, agent: agents[by], headers: given };
  return await new Promise((done, fail) => {
    const asked = request(options, (response) => {
      const parts = [];
      response.on('data', (part) => parts.push(part));
      response.on('end', () => {
        for (const each of response.headers['set-cookie'] ?? []) {
          const [, name, value] = /^([^=]*)=([^;]*)/.exec(each);
          cookies.set(name, value);
        }
        const octets = Buffer.concat(parts);
        const isPacked = response.headers['content-encoding'] === 'gzip';
        const text = (isPacked ? gunzipSync(octets) : octets).toString();
        const { statusCode: status } = response;
        if (status >= 400) fail(new Error(`${method} ${path}: ${status}`));
        done({ text, to: response.headers.location });
      });
    });
    asked.on('error', fail);
    asked.end(body);
  });
}

const field = (text, name) =>
  new RegExp(`name="${name}" value="([^"]*)"`)
    .exec(text)[1]
    .replace(/&#x(..);/g, (_, code) => String.fromCharCode(Number.parseInt(code, 16)));
const form = (fields) => ({
  body: new URLSearchParams(fields).toString(),
  headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
});
const bearer = (token, body) => ({
  body: JSON.stringify(body),
  headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${token}` },
});

const login = await ask('pages', 'GET', '/login');
await ask('pages', 'GET', '/assets/site.3f2a9c1b.css');
const csrf = field(login.text, 'csrf');
const version = field(login.text, 'version');
const given = form({ user, password: `pass-of-${user}`, version, csrf });
const { to } = await ask('pages', 'POST', '/login', given);
const account = await ask('pages', 'GET', to);
const headers = { 'X-CSRF-Token': field(account.text, 'csrf'), 'Content-Type': 'application/json' };
const told = await ask('api', 'POST', '/api/token', { headers, body: '{"scope":"cart"}' });
const cart = field(account.text, 'cart');
const first = JSON.parse(told.text).access_token;
await ask('api', 'POST', `/api/carts/${cart}/items`, bearer(first, { product: 4711, count: 1 }));
const again = JSON.parse((await ask('api', 'POST', '/api/refresh', bearer(first, {}))).text);
const second = again.access_token;
await ask('api', 'POST', `/api/carts/${cart}/items`, bearer(second, { product: 4712, count: 2 }));
const ordered = await ask(
  'pages',
  'POST',
  '/orders',
  form({ cart, csrf: field(account.text, 'csrf') }),
);
const order = await ask('pages', 'GET', ordered.to);
const [path] = ordered.to.split('?');
await ask('pages', 'POST', `${path}/pay`, form({ csrf: field(order.text, 'csrf') }));
// Of a page with four forms three are sent, not in its order.
const devices = await ask('pages', 'GET', '/devices');
const tokens = devices.text
  .split('<form')
  .slice(1)
  .map((text) => field(text, 'form_token'));
for (const [place, path, deed] of [
  [3, '/devices', { do: 'alerts' }],
  [2, '/devices', { do: 'rename 2', name: 'phone' }],
  [0, '/devices/forget', {}],
]) {
  await ask('pages', 'POST', path, form({ form_token: tokens[place], ...deed }));
}
for (const each of Object.values(agents)) each.destroy();
