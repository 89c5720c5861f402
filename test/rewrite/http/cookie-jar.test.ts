/** The jar against tough-cookie, whose reading of RFC 6265 is nobody's here. */
import fc from 'fast-check';
import { CookieJar as ToughJar } from 'tough-cookie';
import { expect, test } from 'vitest';
import {
  CookieJar,
  parseCookieDate,
  parseSetCookie,
} from '../../../src/rewrite/http/cookie-jar.ts';
import '../../helpers/property-seed.ts';

const NOW = Date.UTC(2026, 10, 29);

const host = fc.constantFrom('a.test', 'www.a.test', 'b.test', 'x.www.a.test', '10.0.0.5');
const path = fc.constantFrom('/', '/a', '/a/b', '/ab', '/a/', '/a/b/c');
const attribute = fc.constantFrom(
  ...[
    'Path=/',
    'Path=/a',
    'path=/a/',
    'Path=',
    'Path=x',
    'Domain=a.test',
    'Domain=.a.test',
    'domain=www.a.test',
  ],
  ...[
    'Domain=b.test',
    'Domain=',
    'Max-Age=0',
    'Max-Age=-1',
    'Max-Age=10',
    'Max-Age=x',
    'Secure',
    'HttpOnly',
    'SameSite=Lax',
  ],
  ...[
    'Expires=Thu, 01 Jan 1970 00:00:00 GMT',
    'Expires=Fri, 01-Jan-2038 00:00:00 GMT',
    'Expires=nonsense',
  ],
);
const cookie = fc
  .tuple(
    fc.constantFrom('a', 'b', 'sid'),
    fc.constantFrom('1', '2', '', '"q"', 'x=y'),
    fc.array(attribute, { maxLength: 4 }),
  )
  .map(([name, value, attributes]) => [`${name}=${value}`, ...attributes].join('; '));

test('after any cookies from anywhere each request brings those that tough-cookie would send', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(host, path, cookie), { maxLength: 12 }),
      host,
      path,
      (sets, toHost, toPath) => {
        const own = new CookieJar();
        const other = new ToughJar(null, {
          rejectPublicSuffixes: false,
          allowSpecialUseDomain: true,
        });
        for (const [i, [fromHost, fromPath, text]] of sets.entries()) {
          const parsed = parseSetCookie(text);
          if (parsed !== null) own.set(parsed, { host: fromHost, path: fromPath }, NOW);
          // Secure cookies are for everybody here, so all is https there; in the order of their making.
          const options = { ignoreError: true, now: new Date(NOW + i) };
          other.setCookieSync(text, `https://${fromHost}${fromPath}`, options);
        }
        const mine = own.cookiesFor({ host: toHost, path: toPath }, NOW);
        const theirs = other.getCookiesSync(`https://${toHost}${toPath}`, { expire: false });
        const texts = (all: readonly { name?: string; key?: string; value: string }[]) =>
          all.map((each) => `${each.name ?? each.key}=${each.value}`);
        const live = theirs.filter(
          (each) => each.expiryTime() === undefined || (each.expiryTime() ?? Infinity) > NOW,
        );
        expect(texts(mine).sort()).toEqual(texts(live).sort());
      },
    ),
    { numRuns: 1_000 },
  );
});

test('cookies with longer paths come first, and among those the older ones', () => {
  const jar = new CookieJar();
  for (const text of ['a=1; Path=/', 'b=2; Path=/x', 'c=3; Path=/x', 'a=4; Path=/']) {
    const parsed = parseSetCookie(text);
    if (parsed !== null) jar.set(parsed, { host: 'h', path: '/' }, NOW);
  }
  const names = jar
    .cookiesFor({ host: 'h', path: '/x/y' }, NOW)
    .map(({ name, value }) => name + value);
  expect(names).toEqual(['b2', 'c3', 'a4']);
});

test('a cookie ends when its time is up', () => {
  const jar = new CookieJar();
  const parsed = parseSetCookie('a=1; Max-Age=10');
  if (parsed !== null) jar.set(parsed, { host: 'h', path: '/' }, NOW);
  expect(jar.cookiesFor({ host: 'h', path: '/' }, NOW + 9_999)).toHaveLength(1);
  expect(jar.cookiesFor({ host: 'h', path: '/' }, NOW + 10_000)).toHaveLength(0);
});

test.each([
  ['Wed, 09 Jun 2021 10:18:14 GMT', Date.UTC(2021, 5, 9, 10, 18, 14)],
  ['Wednesday, 09-Jun-21 10:18:14 GMT', Date.UTC(2021, 5, 9, 10, 18, 14)],
  ['Wed Jun  9 10:18:14 1994', Date.UTC(1994, 5, 9, 10, 18, 14)],
  ['31 Feb 2021 00:00:00', null],
  ['Jun 2021 10:18:14', null],
  ['09 Jun 2021 24:00:00', null],
])('%s is the time that it is', (text, ms) => {
  expect(parseCookieDate(text)).toBe(ms);
});
