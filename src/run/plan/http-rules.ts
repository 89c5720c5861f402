/** What of rules for HTTP can be told only when the captures have been read, and the users are known. */
import { ReplayError } from '../../base/errors.ts';
import { formatCount } from '../../base/units.ts';
import type { HttpSettings } from '../../rewrite/http/http-module.ts';
import type { ProtocolModule, RecordedSession } from '../../rewrite/module.ts';
import type { ModuleSpec } from './modules.ts';
import { endsWithin, TimeLimit } from './slow-patterns.ts';

/** To look at one session; its answers may be long, and the machine busy. */
const SESSION_MS_MAX = 2_000;
/** To read one answer while a run goes on: all users of the thread stand still so long. */
const ANSWER_MS_MAX = 250;

/**
 * The modules, of which those with patterns are stopped where one does not come to an end over what was
 * recorded: in the threads that play nobody could stop it.
 */
export const stoppable = (
  specs: readonly ModuleSpec[],
  modules: readonly ProtocolModule[],
): readonly ProtocolModule[] =>
  modules.map((module, i) => {
    const spec = specs[i];
    return spec?.kind === 'http' ? stoppableHttp(module, spec.settings) : module;
  });

/** What is found by patterns: the names of the rules. */
const learntByRegex = ({ rules }: HttpSettings): readonly string[] =>
  (rules.learn ?? []).flatMap(({ from, name }) => (from.regex === undefined ? [] : [name]));

/**
 * The modules of a thread that plays, of which those with patterns are stopped where one does not come to
 * an end over what a server says: that ends the user who was told it. However short an answer is, it may be
 * such a text; the watch costs some 20 µs an answer.
 */
export const limited = (
  specs: readonly ModuleSpec[],
  modules: readonly ProtocolModule[],
): readonly ProtocolModule[] =>
  modules.map((module, i) => {
    const spec = specs[i];
    return spec?.kind === 'http' ? limitedHttp(module, spec.settings) : module;
  });

function limitedHttp(module: ProtocolModule, settings: HttpSettings): ProtocolModule {
  const learnt = learntByRegex(settings);
  if (learnt.length === 0) return module;
  const limit = new TimeLimit(ANSWER_MS_MAX);
  return withMember(module, 'onAnswer', (connection, stage, octets, isWhole) => {
    if (limit.run(() => module.onAnswer?.(connection, stage, octets, isWhole))) return;
    throw new Error(
      `the regex of ${learnt.join(' or ')} takes longer than ${ANSWER_MS_MAX / 1e3} s over an answer`,
    );
  });
}

/** The module with another member; all else is its own, since a plan is checked against what it can do. */
function withMember<Key extends keyof ProtocolModule>(
  module: ProtocolModule,
  name: Key,
  instead: NonNullable<ProtocolModule[Key]>,
): ProtocolModule {
  // Bound once, and not at each request.
  const bound = new Map<string | symbol, unknown>([[name, instead]]);
  return new Proxy(module, {
    get: (_, key: keyof ProtocolModule) => {
      if (!bound.has(key)) {
        const member = module[key];
        bound.set(key, typeof member === 'function' ? member.bind(module) : member);
      }
      return bound.get(key);
    },
  });
}

function stoppableHttp(module: ProtocolModule, settings: HttpSettings): ProtocolModule {
  const learnt = learntByRegex(settings);
  if (learnt.length === 0) return module;
  const survey = (session: RecordedSession): void => {
    if (endsWithin(SESSION_MS_MAX, () => module.survey?.(session))) return;
    throw new ReplayError({
      code: 'ERR_RULES_SLOW',
      kind: 'usage',
      message:
        `the regex of ${learnt.join(' or ')} takes longer than ${SESSION_MS_MAX / 1e3} s over the ` +
        `answers of session ${session.session}`,
      hint: 'write it without a repetition in a repetition, or use between',
    });
  };
  return withMember(module, 'survey', survey);
}

/**
 * Refuses feeds whose rows do not do for all clients, where each is to have one of its own.
 * @param clients of the whole run
 * @param iterations of each, as far as that is known
 * @throws ReplayError usage
 */
export function requireRows(
  specs: readonly ModuleSpec[],
  clients: number,
  iterations: number,
): void {
  const needed = clients * iterations;
  for (const spec of specs) {
    if (spec.kind !== 'http') continue;
    for (const [name, { pick, rows }] of Object.entries(spec.settings.feeds)) {
      if (pick !== 'once' || rows.length >= needed) continue;
      const times = iterations === 1 ? '' : `, ${iterations} times`;
      throw new ReplayError({
        code: 'ERR_RULES_FEED',
        kind: 'usage',
        message:
          `the feed ${name} has ${formatCount(rows.length)} rows, and each of ${formatCount(clients)} ` +
          `clients takes one of its own${times}`,
        hint: `give at least ${formatCount(needed)} rows, fewer users, or pick: client`,
      });
    }
  }
}
