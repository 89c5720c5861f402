/**
 * The modules of a run, in one list: of several that want a session the first one has it. They are made
 * in each thread, and once for the plan, of plain settings that travel in the thread's job.
 *
 * A built-in module adds its kind to `ModuleSpec`, and a row to `makeModule` and to `moduleText`.
 */
import { createHash } from 'node:crypto';
import { pathToFileURL } from 'node:url';
import { lineOf, ReplayError } from '../../base/errors.ts';
import type { HttpSettings } from '../../rewrite/http/http-module.ts';
import type { RunPattern } from '../../rewrite/http/learn.ts';
import type { ProtocolModule } from '../../rewrite/module.ts';
import { type LogInSpec, logInNames, makeLogIn } from './log-ins.ts';

/** A module of the user's own: a file in JavaScript (ESM). */
export interface FileModuleSpec {
  readonly kind: 'file';
  /** As it was written: from the folder that the command was called in. */
  readonly path: string;
  /** Whatever `--module-options` says; undefined without it. */
  readonly options: unknown;
}

/** Rules for HTTP. */
export interface HttpModuleSpec {
  readonly kind: 'http';
  readonly settings: HttpSettings;
}

/** A module to be made, and what it is told. */
export type ModuleSpec = FileModuleSpec | HttpModuleSpec | LogInSpec;

/**
 * Makes the modules.
 * @param run looks for the patterns of rules
 * @param onMaking told which one is made next, by its place
 * @throws ReplayError usage: ERR_MODULE_LOAD, ERR_MODULE_SHAPE
 */
export async function makeModules(
  specs: readonly ModuleSpec[],
  run?: RunPattern,
  onMaking?: (place: number) => void,
): Promise<readonly ProtocolModule[]> {
  const modules: ProtocolModule[] = [];
  for (const [place, spec] of specs.entries()) {
    onMaking?.(place);
    modules.push(await makeModule(spec, run));
  }
  return modules;
}

async function makeModule(spec: ModuleSpec, run?: RunPattern): Promise<ProtocolModule> {
  switch (spec.kind) {
    case 'file':
      return await loadModule(spec);
    case 'http': {
      const { httpModule } = await import('../../rewrite/http/http-module.ts');
      return httpModule(spec.settings, run);
    }
    case 'log-in':
      return await makeLogIn(spec);
  }
}

/** What people know a module by. */
export function moduleLabel(spec: ModuleSpec): string {
  if (spec.kind === 'file') return spec.path;
  return spec.kind === 'http' ? 'http' : spec.protocol;
}

/** What decides what a module does, without anybody's secrets: for results, and to compare runs. */
export function moduleText(spec: ModuleSpec): string {
  switch (spec.kind) {
    case 'file':
      return `file ${spec.path} ${JSON.stringify(spec.options) ?? ''}`.trim();
    case 'http': {
      // Rows of accounts are passwords, and so may be what the environment has.
      const { environment, ...settings } = spec.settings;
      const names = Object.keys(environment);
      return `http ${digestOf(JSON.stringify([settings, names]))}`;
    }
    case 'log-in':
      return `log-in ${spec.protocol} ${digestOf(logInNames(spec))}`;
  }
}

const digestOf = (text: string): string =>
  createHash('sha256').update(text).digest('hex').slice(0, 16);

async function loadModule({ path, options }: FileModuleSpec): Promise<ProtocolModule> {
  let exported: unknown;
  try {
    exported = (await import(pathToFileURL(path).href)) as unknown;
  } catch (cause) {
    throw moduleFault(path, lineOf(cause), cause);
  }
  const made = (exported as Readonly<Record<string, unknown>>).default;
  if (typeof made !== 'function') return checked(path, made);
  try {
    return checked(path, (await made(options)) as unknown);
  } catch (cause) {
    if (cause instanceof ReplayError) throw cause;
    throw moduleFault(path, `its function has thrown: ${lineOf(cause)}`, cause);
  }
}

const OPTIONAL_FUNCTIONS = ['survey', 'answerEnd', 'onAnswer', 'onEnd', 'rewrite', 'dialogue'];
const FUNCTIONS = ['plan', 'client', 'connection'];

/** Sees that it is a module, as far as that can be seen. */
function checked(path: string, made: unknown): ProtocolModule {
  if (made === undefined) {
    throw shapeFault(path, 'it has no default export');
  }
  if (typeof made !== 'object' || made === null) {
    throw shapeFault(path, `its default export is no module, but ${lineOf(made)}`);
  }
  const members = made as Readonly<Record<string, unknown>>;
  if (typeof members.name !== 'string' || members.name === '') {
    throw shapeFault(path, 'its module has no name');
  }
  for (const name of [...FUNCTIONS, ...OPTIONAL_FUNCTIONS]) {
    const isAbsent = members[name] === undefined && !FUNCTIONS.includes(name);
    if (typeof members[name] !== 'function' && !isAbsent) {
      throw shapeFault(path, `${members.name}.${name} is no function`);
    }
  }
  return made as ProtocolModule;
}

/** What it is called that a file cannot be loaded as a module. */
export const moduleFault = (path: string, why: string, cause: unknown): ReplayError =>
  new ReplayError({
    code: 'ERR_MODULE_LOAD',
    kind: 'usage',
    message: `--module ${path} cannot be loaded: ${why}`,
    hint: 'a module is a file in JavaScript that node can import; see docs/modules.md',
    cause,
  });

const shapeFault = (path: string, what: string): ReplayError =>
  new ReplayError({
    code: 'ERR_MODULE_SHAPE',
    kind: 'usage',
    message: `--module ${path}: ${what}`,
    hint: 'export default { name, plan, client, connection, … }, or a function that gives one; see docs/modules.md',
  });
