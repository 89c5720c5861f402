/** What modules may ask of the engine: to wait, to leave out, to give up, to talk first. */
import { describe, expect, test } from 'vitest';
import { NS_PER_MS } from '../../src/base/time.ts';
import { Counter } from '../../src/measure/counters.ts';
import { Latency } from '../../src/measure/histograms.ts';
import type {
  DialogueStep,
  MessageWriter,
  ProtocolModule,
  RewriteOutcome,
  SessionPlan,
} from '../../src/rewrite/module.ts';
import { StreamEnd } from '../../src/session/script/scripts.ts';
import { type RecordedSession, said } from '../helpers/recorded.ts';
import { type Answer, talk } from './talking.ts';

const FIN = { how: StreamEnd.FIN } as const;
const octets = (text: string): Uint8Array => Buffer.from(text, 'latin1');
const textOf = (all: Uint8Array): string => Buffer.from(all).toString('latin1');

/** Lines, each of which is answered by one, in capitals. */
const sessionOf = (...lines: readonly string[]): RecordedSession => ({
  messages: lines.flatMap((line) => [
    said('client', `${line}\n`, NS_PER_MS),
    said('server', `${line.toUpperCase()}\n`, NS_PER_MS),
  ]),
  clientEnd: FIN,
  serverEnd: { ...FIN, afterPeer: true },
});

/** Answers each line as recorded servers do, and notes it. */
function echo() {
  const heard = new Map<number, string[]>();
  const server = (text: string, connection: number): Answer[] =>
    text
      .split('\n')
      .slice(0, -1)
      .map((line) => {
        const lines = heard.get(connection) ?? [];
        heard.set(connection, [...lines, line]);
        return `${line.toUpperCase()}\n`;
      });
  return { heard, server };
}

interface Scripted {
  readonly plan?: Partial<SessionPlan<null>>;
  readonly write?: (message: number, out: MessageWriter) => RewriteOutcome;
  readonly onAnswer?: (stage: number, text: string) => void;
}

const moduleOf = ({ plan, write, onAnswer }: Scripted): ProtocolModule => ({
  name: 'test',
  plan: ({ messages }) => ({
    plan: null,
    rewrites: write === undefined ? [] : Array.from({ length: messages }, (_, i) => i),
    reads: onAnswer === undefined ? [] : Array.from({ length: messages + 1 }, (_, i) => i),
    ...plan,
  }),
  client: () => null,
  connection: () => null,
  ...(write === undefined
    ? {}
    : { rewrite: (_: unknown, message: number, out: MessageWriter) => write(message, out) }),
  ...(onAnswer === undefined
    ? {}
    : { onAnswer: (_: unknown, stage: number, all: Uint8Array) => onAnswer(stage, textOf(all)) }),
});

const whole = (out: MessageWriter): 'ready' => {
  out.copy(0, out.recorded.length);
  return 'ready';
};

describe('a request that is left out', () => {
  test.each([
    ['the first', 0],
    ['one amid others', 1],
    ['the last', 2],
  ])('%s: what comes before and behind it is asked and answered', (_, skipped) => {
    const { heard, server } = echo();
    const read: string[] = [];
    const module = moduleOf({
      write: (message, out) => (message === skipped ? 'skip' : whole(out)),
      onAnswer: (stage, text) => read.push(`${stage} ${text.trim()}`),
    });
    const { counters } = talk({
      sessions: [sessionOf('a', 'bb', 'ccc')],
      modules: [module],
      server,
    });
    const kept = ['a', 'bb', 'ccc'].filter((__, i) => i !== skipped);
    expect(heard.get(0)).toEqual(kept);
    expect(read).toEqual(['1 A', '2 BB', '3 CCC'].filter((__, i) => i !== skipped));
    expect(counters[Counter.COMPLETED]).toBe(1);
    expect(counters[Counter.EXCHANGES_SKIPPED]).toBe(1);
    expect(counters[Counter.EXCHANGES_ANSWERED]).toBe(2);
  });

  test('all of them: the user still ends well', () => {
    const { heard, server } = echo();
    const module = moduleOf({ write: () => 'skip' });
    const { counters } = talk({ sessions: [sessionOf('a', 'b')], modules: [module], server });
    expect(heard.size).toBe(0);
    expect(counters[Counter.COMPLETED]).toBe(1);
    expect(counters[Counter.EXCHANGES_SKIPPED]).toBe(2);
  });

  test.each(['schedule', 'none'] as const)('with pace %s, and users that play again', (pace) => {
    const { heard, server } = echo();
    const module = moduleOf({ write: (message, out) => (message === 1 ? 'skip' : whole(out)) });
    const options = { pace, users: 3, iterations: 2 };
    const { counters } = talk({
      sessions: [sessionOf('a', 'bb', 'ccc', 'd')],
      modules: [module],
      server,
      options,
    });
    for (let connection = 0; connection < 6; connection++) {
      expect(heard.get(connection)).toEqual(['a', 'ccc', 'd']);
    }
    expect(counters[Counter.COMPLETED]).toBe(6);
    expect(counters[Counter.EXCHANGES_SKIPPED]).toBe(6);
  });

  test('nothing written is the same', () => {
    const { heard, server } = echo();
    const module = moduleOf({ write: (message, out) => (message === 0 ? 'ready' : whole(out)) });
    talk({ sessions: [sessionOf('a', 'b')], modules: [module], server });
    expect(heard.get(0)).toEqual(['b']);
  });
});

describe('a request that waits', () => {
  /** The second request needs what the answer to the first has told. */
  const binding = (late: RewriteOutcome) => {
    let token = '';
    const asked: boolean[] = [];
    const module = moduleOf({
      write: (message, out) => {
        if (message === 0) return whole(out);
        asked.push(out.isLate);
        if (token === '') return out.isLate ? late : 'wait';
        out.put(octets(`${token}\n`));
        return 'ready';
      },
      onAnswer: (_, text) => {
        token = text.trim().toLowerCase();
      },
    });
    return { module, asked };
  };

  test('is asked for again when an answer has been read, and timed from then', () => {
    const { module } = binding('fail');
    const heard: string[] = [];
    const { counters, latency } = talk({
      sessions: [sessionOf('a', 'b')],
      modules: [module],
      server: (text) => {
        if (text !== '') heard.push(text);
        if (text === 'a\n') return [{ text: 'TOKEN\n', delayMs: 700 }];
        return text === '' ? [] : ['B\n'];
      },
      options: { pace: 'schedule' },
    });
    expect(heard).toEqual(['a\n', 'token\n']);
    expect(counters[Counter.COMPLETED]).toBe(1);
    expect(counters[Counter.MESSAGES_UNBOUND]).toBe(0);
    // The recorded connection took no time to open, this one 1 ms.
    expect(latency.row(Latency.LAG).max).toBeCloseTo(1, 1);
  });

  test.each([
    ['ready', 'COMPLETED'],
    ['skip', 'COMPLETED'],
    ['fail', 'ABORTED_MODULE'],
    ['wait', 'ABORTED_MODULE'],
  ] as const)('too long: it is late, and then %s', (late, end) => {
    const { heard, server } = echo();
    const asked: [number, boolean][] = [];
    const module = moduleOf({
      write: (message, out) => {
        asked.push([message, out.isLate]);
        if (message !== 1) return whole(out);
        if (!out.isLate) return 'wait';
        return late === 'ready' ? whole(out) : late;
      },
    });
    const { counters, endMs } = talk({
      sessions: [sessionOf('a', 'b', 'c')],
      modules: [module],
      server,
      rewriting: { bindTimeoutNs: 300 * NS_PER_MS },
    });
    expect(asked.slice(0, 3)).toEqual([
      [0, false],
      [1, false],
      [1, true],
    ]);
    expect(counters[Counter[end]]).toBe(1);
    expect(counters[Counter.MESSAGES_UNBOUND]).toBe(1);
    expect(endMs).toBeGreaterThan(300);
    expect(endMs).toBeLessThan(400);
    if (late === 'ready') expect(heard.get(0)).toEqual(['a', 'b', 'c']);
    if (late === 'skip') expect(heard.get(0)).toEqual(['a', 'c']);
  });

  test('for what another connection of the same client learns', () => {
    const learnt: ProtocolModule<number, { token: string; number: number }, unknown> = {
      name: 'learnt',
      plan: ({ session }) => ({
        plan: session,
        rewrites: session === 1 ? [0] : [],
        reads: session === 0 ? [1] : [],
      }),
      client: ({ client }) => ({ token: '', number: client }),
      connection: (client) => client,
      onAnswer: (client, _, all) => {
        (client as { token: string }).token = textOf(all).trim();
      },
      rewrite: (client, _, out) => {
        const { token, number } = client as { token: string; number: number };
        if (token === '') return out.isLate ? 'fail' : 'wait';
        out.put(octets(`${token} of ${number}\n`));
        return 'ready';
      },
    };
    const heard: string[] = [];
    const { counters } = talk({
      sessions: [{ ...sessionOf('login') }, { ...sessionOf('use') }],
      modules: [learnt as ProtocolModule],
      scripts: {
        clientAddress: Uint32Array.of(7, 7),
        durationNs: Float64Array.of(2e9, 2e9),
      },
      options: { per: 'client', users: 2 },
      server: (text) => {
        if (text === '') return [];
        heard.push(text.trim());
        return text.startsWith('login') ? [{ text: 'T42\n', delayMs: 200 }] : ['USE\n'];
      },
    });
    expect(heard.sort()).toEqual(['T42 of 0', 'T42 of 1', 'login', 'login']);
    expect(counters[Counter.COMPLETED]).toBe(4);
    expect(counters[Counter.CLIENTS_COMPLETED]).toBe(2);
  });
});

describe('a module that fails ends the connection alone, under its reason', () => {
  const having = (_: unknown, outcome: RewriteOutcome = 'ready'): RewriteOutcome => outcome;
  const nonsense = (value: unknown): RewriteOutcome => value as RewriteOutcome;
  test.each<[string, (out: MessageWriter) => RewriteOutcome, RegExp]>([
    ['it says so', (out) => having(out.fail('no account left'), 'fail'), /^test: no account left$/],
    ['it says so without a reason', () => 'fail', /^test: failed without saying why$/],
    [
      'it throws',
      () => {
        throw new Error('lost\nits way');
      },
      /^test: lost$/,
    ],
    [
      'it copies beyond the message',
      (out) => having(out.copy(0, 1e6)),
      /^test: copy\(0, 1000000\)/,
    ],
    ['it copies from nowhere', (out) => having(out.copy(Number.NaN, 1)), /^test: copy\(NaN, 1\)/],
    [
      'it puts text',
      (out) => having(out.put('text' as unknown as Uint8Array)),
      /^test: put is given no Uint8Array$/,
    ],
    [
      'it throws what has no text',
      () => {
        throw Object.create(null);
      },
      /^test: something that cannot be said$/,
    ],
    [
      'it throws an error whose text throws',
      () => {
        throw Object.defineProperty(new Error(), 'message', {
          get: () => Symbol().toString.call(0),
        });
      },
      /^test: something that cannot be said$/,
    ],
    [
      'its reason moves the cursor',
      (out) => having(out.fail('no \x1b[2Jaccount\x9b'), 'fail'),
      /^test: no \?\[2Jaccount\?$/,
    ],
    [
      'it writes without end',
      (out) => {
        for (;;) out.put(new Uint8Array(1 << 20));
      },
      /^test: writes 68157440 octets, and more, of which 67108864 have room$/,
    ],
    ['it returns nothing', () => nonsense(undefined), /^test: rewrite has returned undefined$/],
    [
      'it returns what has no text',
      () => nonsense(Object.create(null)),
      /^test: rewrite has returned something that cannot be said$/,
    ],
    ['it returns a number', () => nonsense(Number.NaN), /^test: rewrite has returned NaN$/],
  ])('%s', (_, write, reason) => {
    const { heard, server } = echo();
    const module = moduleOf({ write: (message, out) => (message === 0 ? whole(out) : write(out)) });
    const { counters, failures, arenaBytes } = talk({
      sessions: [sessionOf('a', 'b')],
      modules: [module],
      server,
      options: { users: 2, iterations: 2 },
    });
    expect(counters[Counter.ABORTED_MODULE]).toBe(4);
    expect(counters[Counter.ABORTED]).toBe(4);
    expect([...heard.values()]).toEqual([['a'], ['a'], ['a'], ['a']]);
    expect([...failures.keys()]).toEqual([expect.stringMatching(reason)]);
    expect([...failures.values()]).toEqual([4]);
    expect(arenaBytes).toBe(0);
  });

  test.each(['client', 'connection', 'onAnswer'] as const)('%s throws', (name) => {
    const { server } = echo();
    const thrower = () => {
      throw new TypeError('no such thing');
    };
    const module = { ...moduleOf({ write: (_, out) => whole(out), onAnswer: () => undefined }) };
    const { counters, failures } = talk({
      sessions: [sessionOf('a', 'b')],
      modules: [{ ...module, [name]: thrower }],
      server,
    });
    expect(counters[Counter.ABORTED_MODULE]).toBe(1);
    expect([...failures.keys()]).toEqual(['test: no such thing']);
  });

  test('of reasons the first three are kept', () => {
    let calls = 0;
    const module = moduleOf({
      write: () => {
        throw new Error(`reason ${calls++}`);
      },
    });
    const { server } = echo();
    const { counters, failures } = talk({
      sessions: [sessionOf('a')],
      modules: [module],
      server,
      options: { users: 9 },
    });
    expect(counters[Counter.ABORTED_MODULE]).toBe(9);
    expect(failures.size).toBe(3);
  });
});

describe('memory for what is written', () => {
  test('a request that it cannot hold ends its user, and others go on', () => {
    const { heard, server } = echo();
    const long = `${'x'.repeat(3000)}\n`;
    let users = 0;
    const module: ProtocolModule = {
      ...moduleOf({}),
      plan: () => ({ plan: null, rewrites: [0], reads: [] }),
      connection: () => users++,
      rewrite: (user, _, out) => {
        out.put(octets(user === 1 ? long : 'short\n'));
        return 'ready';
      },
    };
    const { counters, arenaBytes } = talk({
      sessions: [sessionOf('a')],
      modules: [module],
      server,
      options: { users: 3 },
      arenaBytes: 1024,
    });
    expect(counters[Counter.ABORTED_REWRITE_MEMORY]).toBe(1);
    expect(counters[Counter.COMPLETED]).toBe(2);
    expect([...heard.values()]).toEqual([['short'], ['short']]);
    expect(arenaBytes).toBe(0);
  });
});

describe('a run that is interrupted', () => {
  test('ends users whose requests wait, although an answer is read after that', () => {
    const { server } = echo();
    const module = moduleOf({
      write: (message, out) => (message === 0 ? whole(out) : 'wait'),
      onAnswer: () => undefined,
    });
    const { counters, endMs } = talk({
      sessions: [sessionOf('a', 'b')],
      modules: [module],
      server: (text, connection) =>
        server(text, connection).map((answer) => ({ text: String(answer), delayMs: 300 })),
      options: { pace: 'schedule', users: 3 },
      interruptMs: 100,
      closeMs: 600,
    });
    expect(counters[Counter.ABORTED_INTERRUPTED]).toBe(3);
    expect(endMs).toBeLessThan(1_500);
  });

  test('ends users amid a dialogue, who say nothing more', () => {
    const heard: string[] = [];
    const module: ProtocolModule = {
      ...moduleOf({ plan: { dialogueBefore: 1 } }),
      dialogue: (_, all) => ({ taken: all.length, send: octets('again\n') }),
    };
    const { counters } = talk({
      sessions: [sessionOf('a', 'b')],
      modules: [module],
      server: (text) => {
        if (text !== '') heard.push(text);
        return [{ text: 'more\n', delayMs: 80 }];
      },
      interruptMs: 100,
    });
    expect(counters[Counter.ABORTED_INTERRUPTED]).toBe(1);
    expect(heard.length).toBeLessThan(5);
  });
});

describe('a dialogue', () => {
  /** A log-in with a challenge, of which the recording has another number of messages. */
  const SESSION: RecordedSession = {
    ...sessionOf(),
    messages: [
      said('server', 'greeting 1\n', NS_PER_MS),
      said('client', 'old answer\n'),
      said('server', 'ok\n'),
      said('client', 'query\n', NS_PER_MS),
      said('server', 'QUERY\n', NS_PER_MS),
    ],
  };

  /** Line by line: what is said to each; null takes the recording up. */
  const lineByLine =
    (answers: (line: string) => string | null) =>
    (_: unknown, all: Uint8Array): DialogueStep => {
      const text = textOf(all);
      const end = text.indexOf('\n');
      if (end < 0) return { taken: 0 };
      const answer = answers(text.slice(0, end));
      if (answer === null) return { taken: end + 1, resumeAt: 1 };
      return answer === '' ? { taken: end + 1 } : { taken: end + 1, send: octets(answer) };
    };

  const talking = (dialogue: ProtocolModule['dialogue']): ProtocolModule => ({
    ...moduleOf({ plan: { dialogueBefore: 1, rewrites: [], reads: [] } }),
    ...(dialogue === undefined ? {} : { dialogue }),
  });

  const server =
    (heard: string[]) =>
    (text: string): Answer[] => {
      if (text === '') return ['greet', 'ing 77\nmotd\n'];
      heard.push(text);
      if (text === 'answer 77\n') return ['more\n'];
      if (text === 'more for you\n') return ['welcome\n'];
      return text === 'query\n' ? ['QUERY\n'] : [];
    };

  test.each(['think', 'schedule', 'none'] as const)(
    'is held, and the recording goes on (%s)',
    (pace) => {
      const heard: string[] = [];
      const module = talking(
        lineByLine((line) => {
          if (line.startsWith('greeting')) return `answer ${line.slice(9)}\n`;
          if (line === 'motd') return '';
          return line === 'more' ? 'more for you\n' : null;
        }),
      );
      const { counters, latency, arenaBytes } = talk({
        sessions: [SESSION],
        modules: [module],
        server: server(heard),
        options: { pace, users: 2, iterations: 2 },
      });
      expect(heard.sort()).toEqual(
        ['answer 77\n', 'more for you\n', 'query\n']
          .flatMap((each) => [each, each, each, each])
          .sort(),
      );
      expect(counters[Counter.COMPLETED]).toBe(4);
      // The log-in is no exchange of the recording.
      expect(counters[Counter.EXCHANGES_PLANNED]).toBe(4);
      expect(counters[Counter.EXCHANGES_ANSWERED]).toBe(4);
      expect(latency.row(Latency.RESPONSE).count).toBe(4);
      expect(latency.row(Latency.LAG).max).toBeLessThan(1);
      // Three times the server speaks, each a millisecond after it was spoken to.
      expect(latency.row(Latency.LOGIN)).toMatchObject({ count: 4, min: 3, max: 3 });
      expect(arenaBytes).toBe(0);
    },
  );

  test.each<[string, unknown, RegExp]>([
    ['fails', { taken: 0, fail: 'access denied' }, /access denied/],
    ['takes more than there is', { taken: 1e9 }, /dialogue has taken 1000000000 of \d+ octets/],
    ['takes nothing that is a number', { taken: Number.NaN }, /dialogue has taken NaN/],
    ['resumes nowhere', { taken: 0, resumeAt: 99 }, /dialogue ends at message 99 of 2/],
    ['sends text', { taken: 0, send: 'text' }, /dialogue sends no Uint8Array/],
    ['returns nothing', undefined, /dialogue has returned undefined/],
  ])('that %s ends the connection', (_, step, reason) => {
    const module = talking(() => step as DialogueStep);
    const { counters, failures } = talk({
      sessions: [SESSION],
      modules: [module],
      server: server([]),
    });
    expect(counters[Counter.ABORTED_MODULE]).toBe(1);
    expect([...failures.keys()]).toEqual([expect.stringMatching(reason)]);
  });

  test.each(['client', 'connection'] as const)('that does not begin, since %s throws', (name) => {
    const module = {
      ...talking(() => ({ taken: 0 })),
      [name]: () => {
        throw new TypeError('no such thing');
      },
    };
    const { counters, failures, endMs } = talk({
      sessions: [SESSION],
      modules: [module],
      server: server([]),
    });
    expect(counters[Counter.ABORTED_MODULE]).toBe(1);
    expect([...failures.keys()]).toEqual(['test: no such thing']);
    expect(endMs).toBeLessThan(100);
  });

  test('in which the server falls silent ends by time, and one in which it closes by that', () => {
    const module = talking(() => ({ taken: 0 }));
    const silent = talk({ sessions: [SESSION], modules: [module], server: () => [] });
    expect(silent.counters[Counter.TIMED_OUT]).toBe(1);
    const closing = talk({
      sessions: [SESSION],
      modules: [module],
      server: (text) => (text === '' ? [{ text: 'bye\n', end: true }] : []),
    });
    expect(closing.counters[Counter.ABORTED_CLOSED_EARLY]).toBe(1);
  });

  test('of more octets than are kept ends the connection', () => {
    const module = talking(() => ({ taken: 0 }));
    const { counters, failures } = talk({
      sessions: [SESSION],
      modules: [module],
      server: (text) => (text === '' ? ['x'.repeat(900), 'x'.repeat(900)] : []),
      rewriting: { answerBytesMax: 1000 },
    });
    expect(counters[Counter.ABORTED_MODULE]).toBe(1);
    expect([...failures.keys()]).toEqual([expect.stringMatching(/more than can be kept/)]);
  });
});
