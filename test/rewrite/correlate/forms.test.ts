/** Tokens that belong to one form, or one row, of a page with several: as frameworks write them. */
import { describe, expect, test } from 'vitest';
import type { HttpRules } from '../../../src/rewrite/http/rules.ts';
import { answer, get, type PlayedSession, play, post, session } from '../http/play.ts';
import { asClient, brief, correlated } from './clients.ts';

const FORM = 'application/x-www-form-urlencoded';
const HTML = 'Content-Type: text/html\r\n';
/** Who has which tokens: recorded clients, and one that the live server knows. */
const CLIENTS = ['ann', 'bob', 'cyd'];
const LIVE = 'liv';

/** An application whose pages have forms, each with a token that is good for it alone. */
interface App {
  readonly field: string;
  /** The page with a token a form, in the order of `posts`. */
  page(token: (form: number) => string): string;
  /** Where the forms are sent to. */
  readonly posts: readonly string[];
}

const APPS: Readonly<Record<string, App>> = {
  'Rails: forms with an action, and buttons that are forms': {
    field: 'authenticity_token',
    posts: ['/posts/7', '/session', '/posts/7/comments'],
    page: (token) => `<meta name="csrf-token" content="${token(9)}" />
<form class="button_to" method="post" action="/posts/7"><input type="hidden" name="_method" value="delete" autocomplete="off" /><button type="submit">Delete</button><input type="hidden" name="authenticity_token" value="${token(0)}" autocomplete="off" /></form>
<form class="button_to" method="post" action="/session"><input type="hidden" name="_method" value="delete" autocomplete="off" /><button type="submit">Log out</button><input type="hidden" name="authenticity_token" value="${token(1)}" autocomplete="off" /></form>
<form action="/posts/7/comments" accept-charset="UTF-8" method="post"><input type="hidden" name="authenticity_token" value="${token(2)}" autocomplete="off" /><textarea name="comment[body]"></textarea></form>`,
  },
  'ASP.NET: a field before its type': {
    field: '__RequestVerificationToken',
    posts: ['/Account/LogOff', '/Cart/Add'],
    page: (
      token,
    ) => `<form action="/Account/LogOff" id="logoutForm" method="post"><input name="__RequestVerificationToken" type="hidden" value="${token(0)}" /><a href="javascript:document.getElementById('logoutForm').submit()">Log off</a></form>
<form action="/Cart/Add" method="post"><input name="__RequestVerificationToken" type="hidden" value="${token(1)}" /></form>`,
  },
  'Django: single quotes, and forms without an action': {
    field: 'csrfmiddlewaretoken',
    posts: ['/account/', '/account/password/'],
    page: (
      token,
    ) => `<form method="post" id="name"><input type='hidden' name='csrfmiddlewaretoken' value='${token(0)}' /></form>
<form method="post" id="password"><input type='hidden' name='csrfmiddlewaretoken' value='${token(1)}' /></form>`,
  },
  'Laravel: nothing tells the forms apart but their number': {
    field: '_token',
    posts: ['/like', '/share', '/report'],
    page: (token) =>
      [0, 1, 2]
        .map(
          (form) =>
            `<form method="POST"><input type="hidden" name="_token" value="${token(form)}" autocomplete="off"></form>`,
        )
        .join('\n'),
  },
  'Spring: the value before the name, and two forms to one action': {
    field: '_csrf',
    posts: ['/cart/add', '/cart/remove'],
    page: (
      token,
    ) => `<form action="/cart" method="post"><input type="hidden" value="${token(0)}" name="_csrf"/></form>
<form action="/cart" method="post"><input type="hidden" value="${token(1)}" name="_csrf"/></form>`,
  },
  'rows of a table, with buttons of a script': {
    field: 'token',
    posts: ['/remove/a', '/remove/b'],
    page: (
      token,
    ) => `<table><tr id="row-a"><td>A</td><td><button data-token="${token(0)}">x</button></td></tr>
<tr id="row-b"><td>B</td><td><button data-token="${token(1)}">x</button></td></tr></table>`,
  },
};

const tokenOf = (client: string) => (form: number) => `${client}Tok${form}x8f3a9c21d4`;

/** One who sends these forms, each from a page of its own. */
const clientOf = (
  { field, page, posts }: App,
  client: string,
  forms: readonly number[],
): PlayedSession =>
  session(
    ...forms.flatMap((form) => [
      [get('/page'), answer(page(tokenOf(client)), HTML)] as const,
      [
        post(posts[form] ?? '', FORM, `${field}=${tokenOf(client)(form)}&a=1`),
        answer('', '', 303),
      ] as const,
    ]),
  );

describe.each(Object.entries(APPS))('%s', (_, app) => {
  const all = app.posts.map((_, form) => form);
  // Nobody sends all of them, nor in the order of the page.
  const recorded = CLIENTS.flatMap((client, i) =>
    asClient(`10.0.0.${i + 1}`, [
      clientOf(
        app,
        client,
        all.toReversed().filter((form) => all.length < 3 || form !== i),
      ),
    ]),
  );
  const { rules, rows } = correlated(recorded);

  test('each form’s token has a rule', () => {
    const tokens = rows.map(brief).filter(({ sent }) => sent.join() === `form ${app.field}`);
    expect(tokens.filter(({ rule }) => rule === null)).toEqual([]);
    expect(rules.learn?.length).toBeGreaterThanOrEqual(app.posts.length);
  });

  test('each form is sent with its own', () => {
    // Each connection is a client of its own.
    const played = play(
      rules,
      recorded,
      recorded.map(() => () => answer(app.page(tokenOf(LIVE)), HTML)),
    );
    for (const [i, { messages }] of recorded.entries()) {
      const wanted = messages.map((text) => text.replaceAll(CLIENTS[i] ?? '', LIVE));
      expect(played[i]?.sent).toEqual(wanted);
    }
  });
});

test('the form of a page that has one is found by its field alone', () => {
  const page = (client: string) =>
    `<form action="/a"><input type="hidden" name="t" value="${tokenOf(client)(0)}"></form>`;
  const { rules } = correlated(
    CLIENTS.flatMap((client, i) =>
      asClient(`10.0.0.${i + 1}`, [
        session(
          [get('/page'), answer(page(client), HTML)],
          [post('/a', FORM, `t=${tokenOf(client)(0)}`), answer('')],
        ),
      ]),
    ),
  );
  const expected: HttpRules = {
    learn: [{ name: 't', when: { path: '/page' }, from: { between: ['name="t" value="', '"'] } }],
  };
  expect(rules).toEqual(expected);
});

test('tokens of JSON are told apart by their place', () => {
  const list = (client: string) =>
    JSON.stringify({ items: [0, 1].map((id) => ({ id, token: tokenOf(client)(id) })) });
  const { rules } = correlated(
    CLIENTS.flatMap((client, i) =>
      asClient(`10.0.0.${i + 1}`, [
        session(
          [get('/items'), answer(list(client), 'Content-Type: application/json\r\n')],
          [post('/remove', FORM, `t=${tokenOf(client)(1)}`), answer('')],
          [post('/remove', FORM, `t=${tokenOf(client)(0)}`), answer('')],
        ),
      ]),
    ),
  );
  expect(rules.learn?.map(({ from }) => from)).toEqual([
    { json: '$.items[0].token' },
    { json: '$.items[1].token' },
  ]);
});
