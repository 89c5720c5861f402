/**
 * A shop that gives each visitor something of its own and answers whatever is not with 403:
 * shop.mjs PORT LOG. A cookie session that changes with the log-in, CSRF tokens in forms and in a meta tag,
 * a bearer token (a JWT of a minute), a cart, order numbers in Location, and a page of forms that each take
 * their own token alone, once. A line of LOG a request.
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { openSync, writeSync } from 'node:fs';
import { createServer } from 'node:http';
import { gzipSync } from 'node:zlib';

const [port, logPath] = process.argv.slice(2);
const TOKEN_SECONDS = 60;
const log = openSync(logPath, 'a');
/** Of this start alone: what was signed before it is foreign. */
const secret = randomBytes(32);
const sessions = new Map();
const orders = new Map();
const carts = new Map();
let nextOrder = 100_000 + randomBytes(3).readUIntBE(0, 3);

const base64 = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
const signed = (text) => createHmac('sha256', secret).update(text).digest('base64url');

function tokenOf(user) {
  const expires = Math.floor(Date.now() / 1000) + TOKEN_SECONDS;
  const text = `${base64({ alg: 'HS256', typ: 'JWT' })}.${base64({ sub: user, exp: expires, n: randomBytes(4).toString('hex') })}`;
  return `${text}.${signed(text)}`;
}

function userOf(request) {
  const [, text = '', signature = ''] =
    /^Bearer ([\w-]+\.[\w-]+)\.([\w-]+)$/.exec(request.headers.authorization ?? '') ?? [];
  const right = Buffer.from(signed(text));
  const given = Buffer.from(signature);
  if (right.length !== given.length || !timingSafeEqual(right, given)) return null;
  const { sub, exp } = JSON.parse(Buffer.from(text.split('.')[1], 'base64url'));
  return exp * 1000 > Date.now() ? sub : null;
}

function sessionOf(request) {
  const id = /(?:^|; )sid=([^;]*)/.exec(request.headers.cookie ?? '')?.[1];
  return sessions.get(id) ?? null;
}

function newSession(user) {
  const session = {
    id: randomBytes(16).toString('hex'),
    user,
    csrf: new Set(),
    /** What each form of the latest page of devices may do, by its token. */
    devices: new Map(),
    latest: '',
    cart: '',
    nonce: '',
  };
  sessions.set(session.id, session);
  return session;
}

/** As careful template engines write what stands in an attribute. */
const escaped = (text) =>
  text.replace(/[^\w.-]/g, (character) => `&#x${character.charCodeAt(0).toString(16)};`);

const page = (session, body) => `<!DOCTYPE html>
<html><head><meta name="viewport" content="width=device-width, initial-scale=1.0">
<meta name="csrf-token" content="${escaped(session.latest)}"><link rel="stylesheet" href="/assets/site.3f2a9c1b.css">
<script>var build = "2026.11.28-7f3a9c21";</script></head>
<body>${body}</body></html>`;

function form(action, session, fields) {
  session.latest = randomBytes(18).toString('base64');
  session.csrf.add(session.latest);
  const hidden = { version: '20261128', csrf: session.latest, ...fields };
  const inputs = Object.entries(hidden).map(
    ([name, value]) => `<input type="hidden" name="${name}" value="${escaped(value)}">`,
  );
  return page(session, `<form method="post" action="${action}">${inputs.join('\n')}</form>`);
}

/** Forms with tokens of one name: one says by its action which it is, two by their place alone, one by an id. */
function devicesPage(session) {
  session.devices.clear();
  const inputs = (deed) => {
    const token = randomBytes(18).toString('base64');
    session.devices.set(token, deed);
    return `<input type="hidden" name="form_token" value="${escaped(token)}">`;
  };
  const rename = (device) =>
    `<form method="post">${inputs(`rename ${device}`)}<input name="name"></form>`;
  return page(
    session,
    `<form method="post" action="/devices/forget">${inputs('forget')}<button>Forget all</button></form>
${rename(1)}
${rename(2)}
<form id="alerts" method="post">${inputs('alerts')}<button>Alert me</button></form>`,
  );
}

/** A form is sent with its token, and what it is to do; the token is good for that. */
function isDeviceForm(session, path, fields) {
  const token = fields.get('form_token');
  const deed = session?.devices.get(token);
  session?.devices.delete(token);
  const asked = path === '/devices' ? fields.get('do') : 'forget';
  return deed !== undefined && deed === asked;
}

const FORBIDDEN = { status: 403, body: 'not yours' };
const json = (body, status = 200) => ({
  ...{ status, type: 'application/json', body: JSON.stringify(body) },
});

function answer(request, path, body) {
  const session = sessionOf(request);
  const fields = new URLSearchParams(body);
  const isOwn = session?.csrf.has(fields.get('csrf')) === true;
  const [, cart] = /^\/api\/carts\/([^/]+)\/items$/.exec(path) ?? [];
  const [, order, isPaid] = /^\/orders\/(\d+)(\/pay)?$/.exec(path) ?? [];
  switch (`${request.method} ${path}`) {
    case 'GET /login': {
      const fresh = newSession(null);
      return {
        body: form('/login', fresh, {}),
        cookies: [`sid=${fresh.id}; Path=/; HttpOnly`, 'lang=en-GB-2026; Path=/'],
      };
    }
    case 'POST /login': {
      if (!isOwn || fields.get('password') !== `pass-of-${fields.get('user')}`) return FORBIDDEN;
      sessions.delete(session.id);
      const own = newSession(fields.get('user'));
      return { status: 303, to: '/account', cookies: [`sid=${own.id}; Path=/; HttpOnly`] };
    }
    case 'GET /account':
      if (session?.user == null) return FORBIDDEN;
      session.cart = `c-${randomBytes(6).toString('hex')}`;
      carts.set(session.cart, session.user);
      return { body: form('/orders', session, { cart: session.cart }) };
    case 'POST /api/token':
      if (session?.user == null || !session.csrf.has(request.headers['x-csrf-token']))
        return FORBIDDEN;
      return json({
        user: { name: session.user },
        access_token: tokenOf(session.user),
        expires_in: TOKEN_SECONDS,
      });
    case 'POST /api/refresh': {
      const user = userOf(request);
      return user === null
        ? FORBIDDEN
        : json({ access_token: tokenOf(user), expires_in: TOKEN_SECONDS });
    }
    case 'POST /orders': {
      if (!isOwn || session.cart === '' || fields.get('cart') !== session.cart) return FORBIDDEN;
      const number = String(nextOrder++);
      orders.set(number, session.user);
      session.nonce = randomBytes(8).toString('hex');
      return { status: 303, to: `/orders/${number}?n=${session.nonce}` };
    }
    case 'GET /devices':
      return session?.user == null ? FORBIDDEN : { body: devicesPage(session) };
    case 'POST /devices':
    case 'POST /devices/forget':
      return isDeviceForm(session, path, fields) ? { status: 303, to: '/devices' } : FORBIDDEN;
    case 'GET /assets/site.3f2a9c1b.css':
      return { type: 'text/css', body: 'body { margin: 0 }' };
  }
  if (cart !== undefined && request.method === 'POST') {
    const user = userOf(request);
    return user !== null && carts.get(cart) === user ? json({ cart, items: 1 }, 201) : FORBIDDEN;
  }
  if (order === undefined) return { status: 404, body: 'nothing there' };
  if (session === null || orders.get(order) !== session.user) return FORBIDDEN;
  if (isPaid !== undefined) return isOwn ? { body: 'paid' } : FORBIDDEN;
  const { searchParams } = new URL(request.url, 'http://shop');
  if (searchParams.get('n') !== session.nonce) return FORBIDDEN;
  return { body: form(`/orders/${order}/pay`, session, {}) };
}

createServer((request, response) => {
  const parts = [];
  request.on('data', (part) => parts.push(part));
  request.on('end', () => {
    const [path = ''] = request.url.split('?', 1);
    const {
      status = 200,
      type = 'text/html',
      body = '',
      to,
      cookies,
    } = answer(request, path, Buffer.concat(parts).toString());
    const isPacked = /gzip/.test(request.headers['accept-encoding'] ?? '');
    // Before it is answered: whoever has the answer finds it in the log.
    const { remoteAddress: address, remotePort } = request.socket;
    writeSync(
      log,
      `${JSON.stringify({ address, port: remotePort, method: request.method, path, status })}\n`,
    );
    response.statusCode = status;
    response.setHeader('Content-Type', type);
    if (to !== undefined) response.setHeader('Location', to);
    if (cookies !== undefined) response.setHeader('Set-Cookie', cookies);
    if (isPacked) response.setHeader('Content-Encoding', 'gzip');
    // In chunks, as applications answer that do not know how long it gets.
    response.write(isPacked ? gzipSync(body) : body);
    response.end();
  });
}).listen(Number(port), '0.0.0.0', () => console.log('listening'));
