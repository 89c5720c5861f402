/** Conversations made at random, of each protocol that is followed but HTTP. */
import fc from 'fast-check';
import {
  binAsk,
  binSay,
  bytes,
  command,
  DEFINITION,
  EOF,
  ERR,
  GREETING,
  lengthFirst,
  login,
  long,
  mqtt,
  mqttConnect,
  mqttPublish,
  OK,
  packet,
  packets,
  pg,
  pgError,
  READY,
  type Row,
  resp,
  START,
  type Talk,
  u16,
} from './talks.ts';

type Made = fc.Arbitrary<Omit<Talk, 'protocol' | 'title'>>;

/** Octets that look like what frames messages, and any others. */
const text = (maxLength = 30): fc.Arbitrary<string> =>
  fc
    .array(
      fc.oneof(
        fc.constantFrom(
          '\r\n',
          '.\r\n',
          'END\r\n',
          '250 ',
          '$3\r\n',
          '+OK',
          '{3}',
          'Z',
          '\0',
          '\xfe',
          '\xff',
        ),
        fc.string({ unit: 'binary', maxLength: 4 }).map(latin),
      ),
      { maxLength: 8 },
    )
    .map((parts) => parts.join('').slice(0, maxLength));
const latin = (any: string): string => Buffer.from(any, 'utf8').toString('latin1');
const word = fc.string({ unit: fc.constantFrom(...'abcxyz019'), minLength: 1, maxLength: 9 });
/** A line's text. */
const words = fc.array(word, { maxLength: 4 }).map((parts) => parts.join(' '));

const talkOf = (row: fc.Arbitrary<Row>, greeting?: string, before: readonly Row[] = []): Made =>
  fc.array(row, { minLength: 1, maxLength: 6 }).map((rows) => ({
    rows: [...before, ...rows],
    ...(greeting === undefined ? {} : { greeting }),
  }));

// ---- Redis -------------------------------------------------------------------------------------

const bulk = (octets: string): string => `$${octets.length}\r\n${octets}\r\n`;
const simple = fc.oneof(
  word.map((it) => `+${it}\r\n`),
  words.map((it) => `-ERR ${it}\r\n`),
  fc.integer().map((it) => `:${it}\r\n`),
  fc.constantFrom('_\r\n', '#t\r\n', ',1.5\r\n', '(349\r\n', '$-1\r\n', '*-1\r\n'),
  text().map(bulk),
  text().map((it) => `=${it.length + 4}\r\ntxt:${it}\r\n`),
  text().map((it) => `!${it.length}\r\n${it}\r\n`),
);
const { value } = fc.letrec<{ value: string }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    simple,
    fc
      .tuple(fc.constantFrom('*', '~'), fc.array(tie('value'), { maxLength: 3 }))
      .map(([type, all]) => `${type}${all.length}\r\n${all.join('')}`),
    fc
      .array(fc.tuple(tie('value'), tie('value')), { maxLength: 2 })
      .map((all) => `%${all.length}\r\n${all.flat().join('')}`),
    fc
      .tuple(tie('value'), tie('value'), tie('value'))
      .map(([name, of, it]) => `|1\r\n${name}${of}${it}`),
  ),
}));
const push = fc
  .array(value, { minLength: 1, maxLength: 3 })
  .map((all) => `>${all.length}\r\n${bulk('invalidate')}${all.slice(1).join('')}`);
/** What a channel says to who has subscribed to others before. */
const published = fc
  .tuple(fc.constantFrom('*', '>'), fc.constantFrom('message', 'smessage', 'pmessage'), text())
  .map(([type, is, it]) => {
    const words = is === 'pmessage' ? [is, 'z*', 'z', it] : [is, 'z', it];
    return `${type}${words.length}\r\n${words.map(bulk).join('')}`;
  });
const noise = fc.array(published, { maxLength: 2 }).map((all) => all.join(''));
/** Words as long as those that what is published begins with. */
const likeMessage = fc.constantFrom(
  'subject',
  'mess\nge',
  'a\r\nb\r\nc',
  '\r\n\r\n\r\n\r\n',
  'messages',
);
const askRow = fc
  .tuple(
    fc.array(text(60), { minLength: 1, maxLength: 4 }),
    fc.array(push, { maxLength: 2 }),
    value,
  )
  .map(([args, pushes, it]): Row => [resp('GET', ...args), pushes.join('') + it]);
const listRow = fc
  .array(likeMessage, { minLength: 1, maxLength: 3 })
  .map((all): Row => [resp('LRANGE', 'l'), `*${all.length}\r\n${all.map(bulk).join('')}`]);
const pingRow = fc
  .tuple(noise, fc.oneof(fc.constant('pong'), likeMessage))
  .map(([before, it]): Row => [resp('PING'), `${before}*2\r\n${bulk(it)}${bulk('')}`]);
const subscribeRow = fc
  .tuple(
    fc.constantFrom('subscribe', 'PSUBSCRIBE', 'unsubscribe'),
    fc.array(fc.tuple(word, noise), { minLength: 1, maxLength: 3 }),
    fc.constantFrom('*', '>'),
  )
  .map(([name, channels, type]): Row => {
    const said = channels.map(([it, before], i) => {
      const confirmed = `${type}3\r\n${bulk(name.toLowerCase())}${bulk(it)}:${i}\r\n`;
      return before + confirmed;
    });
    return [resp(name, ...channels.map(([it]) => it)), said.join('')];
  });
const redisTalk: Made = fc
  .tuple(
    fc.array(fc.oneof(askRow, listRow), { maxLength: 4 }),
    fc.array(fc.oneof(subscribeRow, pingRow), { maxLength: 4 }),
    subscribeRow,
  )
  .map(([asked, subscribed, first]) => ({ rows: [...asked, first, ...subscribed] }));

// ---- lines -------------------------------------------------------------------------------------

const reply = fc
  .tuple(fc.constantFrom('200', '354', '450', '550'), fc.array(words, { maxLength: 3 }), words)
  .map(
    ([code, more, last]) => `${more.map((it) => `${code}-${it}\r\n`).join('')}${code} ${last}\r\n`,
  );
const smtpRow: fc.Arbitrary<Row> = fc.oneof(
  fc.tuple(words, reply).map(([it, said]): Row => [`NOOP ${it}\r\n`, said]),
  fc.tuple(text(), reply).map(([it, said]): Row => [`BDAT ${it.length}\r\n${it}`, said]),
);
const ftpRow = fc
  .tuple(
    words,
    fc.option(fc.constant('150 it comes\r\n'), { nil: '' }),
    fc.array(words, { maxLength: 3 }),
    reply,
  )
  .map(([it, before, between, said]): Row => {
    const code = said.slice(0, 3);
    // Lines within need not bear the code.
    const lines = between.map((each) => ` ${each}\r\n`).join('');
    return [`STAT ${it}\r\n`, `${before}${lines === '' ? '' : `${code}-x\r\n${lines}`}${said}`];
  });
const status = fc.tuple(fc.constantFrom('+OK', '-ERR'), words).map(([is, it]) => `${is} ${it}\r\n`);
/** Lines, a dot before each that begins with one. */
const stuffed = fc
  .array(words, { maxLength: 4 })
  .map((all) => `${all.map((it) => `${it}\r\n..\r\n`).join('')}.\r\n`);
const popRow = fc.oneof(
  fc.tuple(word, status).map(([it, said]): Row => [`USER ${it}\r\n`, said]),
  fc
    .tuple(fc.constantFrom('LIST', 'RETR 3', 'TOP 1 0', 'uidl', 'CAPA'), status, stuffed)
    .map(([it, said, lines]): Row => [`${it}\r\n`, said.startsWith('+') ? said + lines : said]),
);
const untagged = fc
  .tuple(words, fc.option(text()))
  .map(([it, octets]) =>
    octets === null ? `* ${it}\r\n` : `* ${it} {${octets.length}}\r\n${octets} ${it}\r\n`,
  );
const imapRow = fc
  .tuple(
    fc.nat(99),
    word,
    fc.array(untagged, { maxLength: 3 }),
    fc.constantFrom('OK', 'NO', 'BAD'),
    words,
  )
  .map(
    ([tag, it, lines, is, end]): Row => [
      `t${tag} ${it} x\r\n`,
      `${lines.join('')}t${tag} ${is} ${end}\r\n`,
    ],
  );
const memcachedRow = fc.oneof(
  fc
    .tuple(word, fc.array(text(), { maxLength: 3 }))
    .map(
      ([key, all]): Row => [
        `get ${key}\r\n`,
        `${all.map((it) => `VALUE ${key} 0 ${it.length}\r\n${it}\r\n`).join('')}END\r\n`,
      ],
    ),
  fc
    .tuple(word, text(), fc.constantFrom('STORED', 'NOT_STORED', 'SERVER_ERROR no'))
    .map(([key, it, said]): Row => [`set ${key} 0 0 ${it.length}\r\n${it}\r\n`, `${said}\r\n`]),
  fc
    .tuple(word, text())
    .map(([key, it]): Row => [`mg ${key} v\r\n`, `VA ${it.length}\r\n${it}\r\n`]),
  fc
    .array(words, { maxLength: 3 })
    .map((all): Row => ['stats\r\n', `${all.map((it) => `STAT ${it}\r\n`).join('')}END\r\n`]),
);

// ---- packets -----------------------------------------------------------------------------------

const binaryRow = fc.oneof(
  fc
    .tuple(fc.nat(2 ** 31), text(), fc.constantFrom(0, 1, 0x82))
    .map(([number, it, is]): Row => [binAsk(0, number), binSay(0, number, it, is)]),
  fc
    .tuple(fc.nat(2 ** 31), fc.array(word, { maxLength: 3 }))
    .map(
      ([number, all]): Row => [
        binAsk(0x10, number, ''),
        all.map((it) => binSay(0x10, number, it)).join('') + binSay(0x10, number),
      ],
    ),
  // A quiet one's answer comes before that of the one behind it, or not at all.
  fc
    .tuple(fc.nat(2 ** 30), fc.option(text()))
    .map(
      ([number, it]): Row => [
        binAsk(0x0a, number, ''),
        (it === null ? '' : binSay(0x09, number + 1, it)) + binSay(0x0a, number),
      ],
    ),
);

/** What a server pushes before an answer. */
const mqttPushes = fc
  .array(
    fc.oneof(
      fc
        .tuple(text(), text(200), fc.nat(2), fc.nat(0xffff))
        .map(([topic, it, qos, id]) => mqttPublish(topic, it, qos, id)),
      fc.nat(0xffff).map((id) => mqtt(0x62, u16(id))),
    ),
    { maxLength: 3 },
  )
  .map((all) => all.join(''));
const mqttRow = fc.oneof(
  fc
    .tuple(fc.nat(0xffff), text(200), mqttPushes)
    .chain(
      ([id, it, before]): fc.Arbitrary<Row> =>
        fc.constantFrom<Row>(
          [mqttPublish('t', it, 1, id), before + mqtt(0x40, u16(id))],
          [mqttPublish('t', it, 2, id), `${before}${mqtt(0x50, `${u16(id)}\0`)}`],
          [mqtt(0x62, u16(id)), before + mqtt(0x70, u16(id))],
          [mqtt(0x82, `${u16(id)}${lengthFirst(it)}\0`), `${before}${mqtt(0x90, `${u16(id)}\0`)}`],
          [mqtt(0xa2, u16(id) + lengthFirst(it)), before + mqtt(0xb0, u16(id))],
          [mqtt(0xc0), before + mqtt(0xd0)],
        ),
    ),
  text(200).map((it): Row => [mqttPublish('t', it), '']),
);
const mqttTalk: Made = fc
  .array(mqttRow, { maxLength: 6 })
  .map((rows) => ({ rows: [[mqttConnect(4), mqtt(0x20, '\0\0')], ...rows] }));

/** Rows of a result: one that begins as an end of rows does is longer than that may be. */
const rows = fc.array(
  fc.oneof(
    word.map((it) => `${bytes(it.length)}${it}`),
    fc.constant(`\xfe${'y'.repeat(20)}`),
  ),
  { maxLength: 3 },
);
const mysqlRow = (hasEof: boolean): fc.Arbitrary<Row> => {
  const status = (more: boolean): string => bytes(more ? 0x0a : 0x02, 0);
  const end = (more: boolean): string =>
    hasEof ? `\xfe\0\0${status(more)}` : `\xfe\0\0${status(more)}\0\0`;
  const isShort = (row: string): boolean => hasEof || row[0] !== '\xfe';
  const set = fc
    .tuple(fc.integer({ min: 1, max: 3 }), rows)
    .map(([columns, all]) => [
      bytes(columns),
      ...new Array<string>(columns).fill(DEFINITION),
      ...(hasEof ? [EOF] : []),
      ...all.filter(isShort),
    ]);
  const done = fc
    .tuple(fc.constantFrom('\x05', '\xfc\x01\x02', `\xfe${'\x01'.repeat(8)}`), fc.boolean())
    .map(([number, more]) => (more ? `\0${number}\x01\x0a\0\0\0` : OK));
  const results = fc
    .tuple(
      fc.array(
        fc.oneof(
          set,
          done.map((ok) => [ok]),
        ),
        { minLength: 1, maxLength: 3 },
      ),
      fc.boolean(),
    )
    .map(([all, fails]) => {
      const said: string[] = [];
      for (const [i, part] of all.entries()) {
        const more = fails || i < all.length - 1;
        if (part.length > 1) said.push(...part, end(more));
        else said.push(more ? '\0\x05\x01\x0a\0\0\0' : OK);
      }
      return fails ? [...said, ERR] : said;
    });
  const counts = fc.tuple(fc.nat(2), fc.nat(2)).map(([columns, parameters]) => {
    const definitions = (n: number): string[] =>
      n === 0 ? [] : [...new Array<string>(n).fill(DEFINITION), ...(hasEof ? [EOF] : [])];
    return [
      `\0\x01\0\0\0${bytes(columns, 0, parameters, 0)}\0\0\0`,
      ...definitions(columns),
      ...definitions(parameters),
    ];
  });
  return fc.oneof(
    results.map((said): Row => [command(0x03, 'select'), packets(1, ...said)]),
    results.map((said): Row => [command(0x17, 'run'), packets(1, ...said)]),
    counts.map((said): Row => [command(0x16, 'select ?'), packets(1, ...said)]),
    rows.map(
      (all): Row => [command(0x1c, 'fetch'), packets(1, ...all.filter(isShort), end(false))],
    ),
    fc.constantFrom(OK, ERR).map((said): Row => [command(0x0e), packet(1, said)]),
  );
};
const mysqlTalk: Made = fc.oneof(
  talkOf(mysqlRow(true), GREETING, [[login(0x200), packet(2, OK)]]),
  talkOf(mysqlRow(false), GREETING, [[login(0x0100_0200), packet(2, OK)]]),
);

const data = fc
  .array(
    text().map((it) => pg('D', it)),
    { maxLength: 3 },
  )
  .map((all) => all.join(''));
const between = fc.constantFrom(
  '',
  pg('N', 'SNOTICE\0\0'),
  pg('S', 'a\0b\0'),
  pg('A', 'Z\0\0\0\x05I'),
);
const pgRow = fc.oneof(
  fc
    .tuple(text(), between, data, fc.boolean())
    .map(
      ([it, more, all, fails]): Row => [
        pg('Q', `${it}\0`),
        `${more}${pg('T', 'x')}${all}${fails ? pgError('22012') : pg('C', 'SELECT\0')}${READY}`,
      ],
    ),
  fc
    .tuple(fc.integer({ min: 1, max: 3 }), data)
    .map(
      ([times, all]): Row => [
        (pg('B', 'b') + pg('E', 'e')).repeat(times) + pg('S'),
        (pg('2') + all + pg('C', 'x\0')).repeat(times) + READY,
      ],
    ),
  fc
    .tuple(text(), between)
    .map(
      ([it, more]): Row => [
        pg('P', it) + pg('D', 'S') + pg('H'),
        pg('1') + more + pg('t', '\0\0') + pg('n'),
      ],
    ),
  fc
    .tuple(data)
    .map(
      ([all]): Row => [
        pg('Q', 'copy to\0'),
        `${pg('H', '\0\0\0')}${all.replaceAll('D', 'D')}${pg('c')}${pg('C', 'COPY\0')}${READY}`,
      ],
    ),
);
const pgLogIn: readonly Row[] = [
  [long(8) + long(80_877_103), 'N'],
  [START, pg('R', long(3))],
  [pg('p', 'password\0'), pg('R', long(0)) + pg('S', 'a\0b\0') + READY],
];

/** By the names of `FOLLOWED_PROTOCOLS`. */
export const MADE_TALKS: Readonly<Record<string, Made>> = {
  redis: redisTalk,
  smtp: talkOf(smtpRow, '220 mx\r\n'),
  ftp: talkOf(ftpRow, '220 FTP\r\n'),
  pop3: talkOf(popRow, '+OK ready\r\n'),
  imap: talkOf(imapRow, '* OK ready\r\n'),
  memcached: talkOf(memcachedRow),
  'memcached-binary': talkOf(binaryRow),
  mqtt: mqttTalk,
  mysql: mysqlTalk,
  postgresql: talkOf(pgRow, undefined, pgLogIn),
};
