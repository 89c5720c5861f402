/** What of rules for HTTP can be told only when the captures have been read, and the users are known. */
import { ReplayError } from '../../base/errors.ts';
import { formatCount } from '../../base/units.ts';
import type { RunPattern } from '../../rewrite/http/learn.ts';
import type { ProtocolModule, RecordedSession } from '../../rewrite/module.ts';
import { type ModuleSpec, makeModules } from './modules.ts';
import { TimeLimit } from './slow-patterns.ts';

/** To find a value in one recorded answer, which may be long: ms. */
const RECORDED_MS_MAX = 2_000;
/** To find a value in one answer while a run goes on: all users of the thread stand still so long. */
const ANSWER_MS_MAX = 250;

/** A pattern was stopped, since it did not come to an end. */
class SlowPatternError extends Error {
  override readonly name = 'SlowPatternError';
  readonly rule: string;

  constructor(rule: string, message: string) {
    super(message);
    this.rule = rule;
  }
}

/** Runs patterns, and stops those that take longer. */
function limited(ms: number): RunPattern {
  const limit = new TimeLimit(ms);
  return (rule, look) => {
    if (limit.run(look)) return;
    throw new SlowPatternError(
      rule,
      `the regex of ${rule} takes longer than ${ms / 1e3} s over an answer`,
    );
  };
}

/**
 * The modules of a thread that plays. A pattern of theirs that does not come to an end over what a server says is
 * stopped, which ends the user who was told it. However short an answer is, it may be such a text; the watch costs
 * some 20 µs a pattern and answer.
 * @param onMaking told which one is made next, by its place
 * @throws ReplayError as makeModules
 */
export const modulesOfThread = (
  specs: readonly ModuleSpec[],
  onMaking: (place: number) => void,
): Promise<readonly ProtocolModule[]> => makeModules(specs, limited(ANSWER_MS_MAX), onMaking);

/**
 * The modules that a plan is made with. A pattern that does not come to an end over what was recorded is refused.
 * @param onMaking told which one is made next, by its place
 * @throws ReplayError as makeModules
 */
export const modulesOfPlan = async (
  specs: readonly ModuleSpec[],
  onMaking?: (place: number) => void,
): Promise<readonly ProtocolModule[]> =>
  (await makeModules(specs, limited(RECORDED_MS_MAX), onMaking)).map((module, i) =>
    specs[i]?.kind === 'http' ? refusing(module) : module,
  );

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

/** The module, whose survey says in which session a pattern was stopped. */
function refusing(module: ProtocolModule): ProtocolModule {
  const survey = (session: RecordedSession): void => {
    try {
      module.survey?.(session);
    } catch (fault) {
      if (!(fault instanceof SlowPatternError)) throw fault;
      throw new ReplayError({
        code: 'ERR_RULES_SLOW',
        kind: 'usage',
        message: `${fault.message} of session ${session.session}`,
        hint: 'write it without a repetition in a repetition, or use between',
        cause: fault,
      });
    }
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
