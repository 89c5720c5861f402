/**
 * The form of a result's document, once for all: results are checked by it when they are read, what
 * earlier versions did not write is filled in by it, and `schema/result.json` is made of it. What it
 * does not know is let through, since later versions of the same form may say more.
 *
 * Apart from json.ts, which loads it when a result is read: zod takes some 40 ms to load, and a replay
 * has no use for it.
 */
import { z } from 'zod';
import { DIFFERENCE_NAMES } from '../measure/differences.ts';
import { isHistogram } from '../measure/histogram-check.ts';
import { Latency, LatencyTable } from '../measure/histograms.ts';
import { RESULT_SCHEMA, type RunResult } from '../measure/result.ts';

const number = z.number();
const text = z.string();
const texts = z.array(text);
const counts = z.record(text, number);
/** What an earlier version did not count is taken for none. */
const later = number.default(0);
/** Older documents say only that it failed: of what was not reached. */
const failureKind = z.enum(['unreachable', 'environment']).nullable().default(null);
const figure = number.nullable();
/** Of an interval: an earlier version did not write it, and where it is drawn none is not nothing. */
const laterFigure = figure.default(null);

const latencyRow = z.looseObject({
  count: number,
  min: figure,
  mean: figure,
  p50: figure,
  p90: figure,
  p95: figure,
  p99: figure,
  'p99.9': figure,
  'p99.99': figure,
  max: figure,
});
const NOTHING = new LatencyTable();
const NO_ROW = { ...NOTHING.row(Latency.HELD) };

const NO_HISTOGRAM_TEXT = 'it is no histogram in HdrHistogram V2 compressed format';
/** Each is looked at, since most are read only when a report needs them: a run may be over by then. */
const histogram = text
  .regex(/^HIST[\w+/]+=*$/, { error: NO_HISTOGRAM_TEXT, abort: true })
  .refine(isHistogram, NO_HISTOGRAM_TEXT)
  .meta({ description: 'HdrHistogram, V2 compressed, base64; values are nanoseconds' });
/** Of nothing. Its octets stand in the published schema, so that they are not left to the zlib at hand. */
const NO_HISTOGRAM = 'HISTFAAAACB4AZNpmSzMwMDAyAABzFCakYGh/j8I2H+AigAAf+oH9Q==';

const intervalRow = z.looseObject({ count: number, p50: number, p99: number, max: number });

/** One of something for each latency, where something was recorded. */
const perLatency = <T extends z.ZodType>(of: T) =>
  z.looseObject({
    connect: z.exactOptional(of),
    firstByte: z.exactOptional(of),
    response: z.exactOptional(of),
    service: z.exactOptional(of),
    lag: z.exactOptional(of),
    held: z.exactOptional(of),
    login: z.exactOptional(of),
  });

const differences = z.looseObject({
  seen: z.array(
    z.looseObject({
      kind: z.enum(DIFFERENCE_NAMES),
      requestClass: text,
      count: number,
      example: z.looseObject({
        session: number,
        number,
        request: text,
        recorded: text,
        got: text,
        gotBytes: number,
      }),
    }),
  ),
  left: number,
});

const requestClass = z.looseObject({
  name: text,
  sent: number,
  answered: number,
  mismatched: later,
  response: latencyRow,
  histogram,
});

const sessions = z.looseObject({ total: number, replayable: number, skipped: counts });
const clock = z.enum(['virtual', 'real']);

const planParts = {
  per: z.enum(['connection', 'client']).default('connection'),
  users: number,
  iterations: number,
  accel: number,
  pace: text,
  clients: text,
  target: text,
  seed: number,
  arrivals: text,
  untilSeconds: number.nullable().default(null),
};
const digest = text.nullable().default(null);

const ledgerParts = {
  planned: number,
  waiting: number,
  live: number,
  completed: number,
  refused: number,
  reset: number,
  timedOut: number,
  aborted: number,
};

const ledger = z.looseObject({
  ...ledgerParts,
  peakEstablished: number,
  completedWithFailures: later,
  unackedFin: later,
  reasons: z.looseObject({ reset: counts, timedOut: counts, aborted: counts }),
});

const exchanges = z
  .looseObject({
    intended: number,
    planned: number.optional(),
    sent: number,
    answered: number,
    unanswered: number,
    skipped: later,
    unsent: later,
    unsolicited: later,
    mismatched: number,
    mismatchedBy: counts.optional(),
    unchecked: later,
    otherLength: later,
    unfollowed: later,
    pingsAnswered: later,
    pushesAnswered: later,
    failed: later,
    statuses: counts.default({}),
    ofCompleted: later,
  })
  .transform((each) => ({
    ...each,
    planned: each.planned ?? each.sent,
    mismatchedBy: each.mismatchedBy ?? { status: 0, length: each.mismatched, body: 0 },
  }));

const packets = z.looseObject({
  sent: number,
  received: number,
  retransmitted: number,
  synRetransmitted: number,
  dropped: counts,
  path: z
    .looseObject({ mtu: figure, messages: number, smallerTried: number })
    .default({ mtu: null, messages: 0, smallerTried: 0 }),
});

const rates = z
  .looseObject({
    offered: number,
    due: number.optional(),
    recorded: number.optional(),
    achieved: number,
    connections: number,
    connected: number,
  })
  .transform((each) => ({
    ...each,
    due: each.due ?? each.offered,
    recorded: each.recorded ?? each.offered,
  }));

const timeline = z.looseObject({
  intervalSeconds: number,
  intervals: z.array(
    z.looseObject({
      startSeconds: number,
      endSeconds: number,
      started: number,
      waiting: laterFigure,
      live: number,
      completed: number,
      failed: number,
      refused: laterFigure,
      reset: laterFigure,
      timedOut: laterFigure,
      aborted: laterFigure,
      established: number,
      connected: laterFigure,
      due: laterFigure,
      sent: number,
      answered: number,
      retransmitted: laterFigure,
      unsent: laterFigure,
      ringFull: laterFigure,
      latency: perLatency(intervalRow),
      histograms: perLatency(histogram),
    }),
  ),
});

const threshold = z.looseObject({
  expression: text,
  ok: z.boolean(),
  actual: figure,
  limit: figure,
  unit: z.enum(['ms', 'per second', 'fraction', 'count']),
  note: text.nullable().default(null),
});

const generatorParts = {
  cpuSeconds: number,
  peakRssBytes: number,
  threads: number,
  interceptSilentSeconds: later,
  warnings: texts,
  notes: texts,
};

const NUMBER = '[-+\\d.e]+';
const counterTexts = z
  .string()
  .regex(new RegExp(`^(?:\\w+=${NUMBER}(?: \\w+=${NUMBER})*)?$`), 'it is no list of counters');
const totals = z.array(
  z.string().regex(new RegExp(`^(?:${NUMBER}(?: ${NUMBER}){4})?$`), 'it is not five numbers'),
);

const record = z.looseObject({
  schema: text,
  identity: z.looseObject({
    version: text,
    clock,
    captureDigest: text,
    planDigest: text,
    asked: z.record(text, text).default({}),
    sessions,
    plan: z.looseObject(planParts),
    recorded: z.looseObject({ plays: number, durationNs: number }),
    shares: number,
    stateBytesPerUser: number,
  }),
  shares: z
    .array(
      z.looseObject({
        share: number,
        users: number,
        connections: z.exactOptional(number),
        files: texts,
        mode: text,
        command: texts,
        startedAt: text,
        wallSeconds: number,
        generator: z.looseObject(generatorParts),
        isInterrupted: z.boolean(),
        failure: text.nullable(),
        failureKind,
        stopped: text.nullable().default(null),
      }),
    )
    .min(1),
  counters: counterTexts,
  latency: totals,
  classes: z.exactOptional(totals),
  timelines: z.array(
    z.looseObject({
      intervalNs: number,
      intervals: z.array(
        z.looseObject({
          startNs: number,
          endNs: number,
          changes: counterTexts,
          histograms: z.exactOptional(z.array(histogram)),
        }),
      ),
    }),
  ),
});

/** The document of a result, as it is read: what it gives has every member. */
export const RESULT: z.ZodType<RunResult> = z
  .looseObject({
    schema: z.literal(RESULT_SCHEMA),
    version: text,
    command: texts,
    startedAt: z.iso.datetime(),
    durationSeconds: number,
    clock,
    wallSeconds: number,
    interrupted: z.boolean(),
    capture: z.looseObject({ files: texts, digest, sessions }),
    plan: z.looseObject({ ...planParts, mode: text, digest }),
    shares: z.looseObject({ of: number, played: z.array(number) }).default({ of: 1, played: [1] }),
    users: ledger,
    clients: z.looseObject(ledgerParts).nullable().default(null),
    exchanges,
    rewriting: z
      .looseObject({
        messages: number,
        unbound: number,
        answersRead: number,
        answersReadInPart: number,
      })
      .default({ messages: 0, unbound: 0, answersRead: 0, answersReadInPart: 0 }),
    answerRules: counts,
    packets,
    bytes: z.looseObject({ sent: number, received: number, planned: later, ofCompleted: later }),
    rates,
    latency: z.looseObject({
      unit: z.literal('ms'),
      connect: latencyRow,
      firstByte: latencyRow,
      response: latencyRow,
      service: latencyRow,
      lag: latencyRow,
      held: latencyRow.default(NO_ROW),
      login: latencyRow.default(NO_ROW),
    }),
    histograms: z.looseObject({
      connect: histogram,
      firstByte: histogram,
      response: histogram,
      service: histogram,
      lag: histogram,
      held: histogram.default(NO_HISTOGRAM),
      login: histogram.default(NO_HISTOGRAM),
    }),
    differences: differences.default({ seen: [], left: 0 }),
    classes: z.array(requestClass).default([]),
    timeline,
    thresholds: z.array(threshold),
    failure: text.nullable().default(null),
    failureKind,
    stopped: text.nullable().default(null),
    faults: texts.default([]),
    generator: z.looseObject({
      ...generatorParts,
      startLagMsMax: number,
      lateStarts: later,
      heldStarts: later,
      lagMsP99Bound: number,
      fellBehind: z.boolean(),
    }),
    embedded: z
      .looseObject({ badChecksums: number, badOctets: number, octetsChecked: number })
      .nullable(),
    stateBytesPerUser: number,
    record: record.nullable().default(null),
  })
  .meta({
    title: `A result of gryphon (${RESULT_SCHEMA})`,
    description:
      'Times are in milliseconds unless a name says otherwise, rates per second, sizes in bytes.',
  });

/** The JSON Schema (draft 2020-12) of what is accepted as a result. */
export const resultJsonSchema = (): object =>
  z.toJSONSchema(RESULT, { io: 'input', reused: 'ref' });

/**
 * What is wrong with a document that says that it is a result, in words that name the place
 * (`latency.response.p99: …`); else the result.
 */
export function checkResult(document: unknown): RunResult | { readonly fault: string } {
  const { data, error } = RESULT.safeParse(document);
  if (error === undefined) return data;
  const [first, ...others] = error.issues;
  const more = others.length === 0 ? '' : ` (and ${others.length} more such places)`;
  return { fault: `${placeOf(first.path)} ${wordsOf(first.message)}${more}` };
}

const wordsOf = (message: string): string =>
  message.endsWith('received undefined')
    ? 'is missing'
    : `is wrong: ${message.replace(/^Invalid input: /, '').replace(', received', ', found')}`;

/** `thresholds[2].ok`. */
const placeOf = (path: readonly PropertyKey[]): string =>
  path
    .map((key) => (typeof key === 'number' ? `[${key}]` : `.${String(key)}`))
    .join('')
    .replace(/^\./, '');
