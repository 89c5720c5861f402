/**
 * From the command line to an exit code. Commands are imported when they are chosen (commands.ts). What
 * fails anywhere in a command is worded here, and only here.
 */

import { TOKEN_VARIABLE } from './choices.ts';
import { parseCommandLine } from './command-line.ts';
import { loadCommands } from './commands.ts';
import { withConfig } from './config/with-config.ts';
import type { Context } from './context.ts';
import { ExitCode } from './exit-codes.ts';
import { describeFailure } from './failure.ts';
import { unknownVariables } from './given-options.ts';
import type { OptionTable } from './options/option.ts';

/** Runs one command line; every failure ends here, as lines on stderr and a code. */
export async function main(context: Context): Promise<ExitCode> {
  try {
    const line = parseCommandLine(await loadCommands(context.args), context);
    if ('output' in line) {
      await context.print(line.output);
      return ExitCode.OK;
    }
    const given = await withConfig(line, context.files);
    if (!(given.switch('quiet') ?? false)) {
      for (const text of await strangeVariables(context.env, line.command.table)) {
        context.log(`gryphon: ${text}\n`);
      }
    }
    return await line.command.run({ given, faults: line.faults, context });
  } catch (error) {
    const isVerbose = context.args.includes('--verbose') || isOn(context.env.GRYPHON_VERBOSE);
    const { text, code } = describeFailure(error, isVerbose);
    context.log(text);
    return code;
  }
}

/** Lines about variables that are no options; the other commands' are known only where it matters. */
async function strangeVariables(
  env: Context['env'],
  table: OptionTable,
): Promise<readonly string[]> {
  const others = [TOKEN_VARIABLE];
  const namesOf = (each: OptionTable): string[] => Object.values(each).map(({ name }) => name);
  const found = unknownVariables(env, { options: namesOf(table), others });
  if (found.length === 0) return found;
  const all = (await loadCommands()).flatMap((command) => namesOf(command.table));
  return unknownVariables(env, { options: [...new Set(all)], others });
}

const isOn = (text: string | undefined): boolean => /^(?:1|true|yes|on)$/i.test(text ?? '');
