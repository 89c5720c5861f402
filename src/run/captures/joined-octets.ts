/** Opens the files of an index for as long as something is made of their octets. */

import { ReplayError } from '../../base/errors.ts';
import type { JoinedFile } from '../../base/joined-file.ts';
import { openCaptureBytes } from '../../io/files/capture-file.ts';
import { planRewrites, type RewritePlan } from '../../replay/rewrite-columns.ts';
import { watchedModules } from '../../replay/watched-modules.ts';
import type { ProtocolModule } from '../../rewrite/module.ts';
import type { SessionCatalog } from '../../session/reading/session-catalog.ts';
import { CaptureBlocks, SPARSE_BLOCKS } from '../../session/script/capture-blocks.ts';
import { findHttpRequests, type HttpRequests } from '../../session/script/http-requests.ts';
import { ScriptBuilder } from '../../session/script/script-builder.ts';
import type { Scripts } from '../../session/script/scripts.ts';
import { SessionSurvey } from '../../session/script/session-survey.ts';
import type { ReadOctets } from '../../session/script/stream-view.ts';
import type { TimingsCount } from './recorded-timings.ts';
import { StoppedScript } from './stopped-script.ts';

/** Each read is a system call. */
export function withOctets<T>(joined: readonly JoinedFile[], use: (read: ReadOctets) => T): T {
  const octets = openCaptureBytes(joined);
  try {
    return use((offset, into) => octets.read(offset, into));
  } finally {
    octets.close();
  }
}

/** For what reads a little of most sessions, nearly in their order. */
export function withBlocks<T>(joined: readonly JoinedFile[], use: (read: ReadOctets) => T): T {
  return withOctets(joined, (read) => {
    const blocks = new CaptureBlocks(joined, read, SPARSE_BLOCKS);
    return use((offset, into) => blocks.read(offset, into));
  });
}

/** Some of a catalog's scripts, the HTTP/1 requests in them, and what else they say. */
export interface ScriptPart {
  readonly scripts: Scripts;
  readonly requests: HttpRequests;
  readonly read: ReadOctets;
}

/** The scripts of a catalog, so many at a time: each part's memory is the next one's. */
export function* scriptParts(
  catalog: SessionCatalog,
  joined: readonly JoinedFile[],
  sessions: number,
): Generator<ScriptPart> {
  const octets = openCaptureBytes(joined);
  try {
    const direct: ReadOctets = (offset, into) => octets.read(offset, into);
    const blocks = new CaptureBlocks(joined, direct, SPARSE_BLOCKS);
    const read: ReadOctets = (offset, into) => blocks.read(offset, into);
    const builder = new ScriptBuilder(catalog, read);
    const { replayable } = catalog;
    for (let from = 0; from < replayable.length; from += sessions) {
      const scripts = builder.build(joined, replayable.subarray(from, from + sessions));
      yield { scripts, requests: findHttpRequests(scripts, read), read };
    }
  } finally {
    octets.close();
  }
}

/** Adds the turns and requests of a catalog's replayable sessions from one on, of which it makes no scripts. */
export function addTurns(
  catalog: SessionCatalog,
  joined: readonly JoinedFile[],
  timings: TimingsCount,
  from: number,
): void {
  if (from >= catalog.replayable.length) return;
  withBlocks(joined, (read) =>
    timings.addSurveyed(
      new SessionSurvey(catalog, joined, read),
      catalog.replayable.subarray(from),
    ),
  );
}

/** No module takes as long over some sessions: ms, by the wall clock. */
const PLAN_MS_MAX = 10_000;
/** How long modules are asked between turns. */
const SLICE_MS = 5;

/**
 * What modules want with sessions, all of which are read. A module that does not return is stopped: in this thread
 * nobody would hear an interrupt either.
 * @param takeTurn called now and then
 * @throws ReplayError usage: ERR_MODULE_STUCK, and as planRewrites does
 */
export async function planAll(
  joined: readonly JoinedFile[],
  scripts: Scripts,
  sessions: Uint32Array,
  modules: readonly ProtocolModule[],
  takeTurn: () => Promise<void>,
): Promise<RewritePlan> {
  const octets = openCaptureBytes(joined);
  try {
    const read: ReadOctets = (offset, into) => octets.read(offset, into);
    const blocks = new CaptureBlocks(scripts.files, read);
    const called = new Int32Array(1);
    const watched = watchedModules(modules, called, 0);
    const planning = planRewrites(scripts, sessions, watched, (offset, into) =>
      blocks.read(offset, into),
    );
    const script = new StoppedScript();
    for (;;) {
      const untilMs = performance.now() + SLICE_MS;
      let planned: RewritePlan | null = null as RewritePlan | null;
      const hasReturned = script.endsWithin(PLAN_MS_MAX, () => {
        do {
          const step = planning.next();
          if (step.done === true) planned = step.value;
        } while (planned === null && performance.now() < untilMs);
      });
      if (!hasReturned) throw stuck(modules.at(called[0] - 1)?.name ?? '');
      if (planned !== null) return planned;
      await takeTurn();
    }
  } finally {
    octets.close();
  }
}

const stuck = (name: string): ReplayError =>
  new ReplayError({
    code: 'ERR_MODULE_STUCK',
    kind: 'usage',
    message: `module ${name} has not returned for ${PLAN_MS_MAX / 1e3} s when it was asked about the sessions`,
    hint: 'mend the module: it is asked in turn, and nothing else happens meanwhile',
  });
