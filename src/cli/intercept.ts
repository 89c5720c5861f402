/** `gryphon intercept`: read the options, pick replies up until it is told to end. */
import { keyOfToken } from '../io/channel/channel-secret.ts';
import type { InterceptOptions } from '../run/intercept/intercept-run.ts';
import type { CommandInput } from './command-line.ts';
import type { Context } from './context.ts';
import { ExitCode } from './exit-codes.ts';
import { describeFailure } from './failure.ts';
import { readToken } from './intercept-addresses.ts';
import { watchInterrupts } from './interruption.ts';
import { INTERCEPT_TABLE } from './options/intercept-table.ts';
import type { Option } from './options/option.ts';

const ENDED_AT_ONCE = 'ended at once: what was installed may be left; the next start takes it over';

/** The level of warnings in the log (pino's numbers). */
const WARN_LEVEL = 40;

/** Runs the command; resolves when everything that it had installed is removed. */
export async function intercept(input: CommandInput): Promise<ExitCode> {
  const { given, context } = input;
  const options = await readInterceptOptions(input);
  const isJson = options.logFile === null && context.terminal === null;
  const interruption = watchInterrupts(context, {
    second: () =>
      context.log(
        isJson
          ? `${JSON.stringify({ level: WARN_LEVEL, msg: ENDED_AT_ONCE })}\n`
          : `gryphon: ${ENDED_AT_ONCE}\n`,
      ),
  });
  try {
    if (given.switch('daemon') ?? false) {
      const { startDaemon } = await import('../run/intercept/daemon.ts');
      await startDaemon(context.args, interruption.signal, (text) => context.log(text));
      return ExitCode.OK;
    }
    const { runIntercept } = await import('../run/intercept/intercept-run.ts');
    const host = {
      version: context.version,
      isTerminal: context.terminal !== null,
      write: (text: string) => context.log(text),
      interrupted: interruption.signal,
    };
    try {
      await runIntercept(options, host);
    } catch (error) {
      // The log has it already, and holds nothing but JSON.
      if (!isJson) throw error;
      return describeFailure(error, false).code;
    }
    return ExitCode.OK;
  } finally {
    interruption.stop();
  }
}

/**
 * The options of an intercept, checked.
 * @throws UsageError with every fault; ReplayError ERR_CHANNEL_TOKEN, ERR_CLI_INPUT
 */
export async function readInterceptOptions({
  given,
  faults,
  context,
}: Pick<CommandInput, 'given' | 'faults'> & {
  readonly context: Pick<Context, 'env' | 'files'>;
}): Promise<InterceptOptions> {
  const values = given.read(INTERCEPT_TABLE);
  const { mode, listen, prefixBytes, prefixBytesMax, queue, filter, logFile } = values;
  const options = {
    mode,
    host: listen.host,
    port: listen.port,
    prefixBytes,
    prefixBytesMax,
    source: {
      prefixBytes,
      prefixBytesMax,
      interfaces: values.interface,
      pass: values.pass,
      force: values.force,
      failOpen: values.failOpen,
      noRules: !values.rules,
      ...(queue === null ? {} : { queues: queue }),
      ...(filter === null ? {} : { filter }),
    },
    logFile,
    pidFile: values.pidFile,
    metrics: values.metrics,
  };
  if (filter !== null && mode === 'nfqueue') {
    faults.add(
      `${given.labelOf('filter')} is for --mode advanced and sink`,
      'in mode nfqueue the rules name what is taken: narrow the clients of the replay instead',
    );
  }
  for (const { name, only } of Object.values<Option>(INTERCEPT_TABLE)) {
    if (only === undefined || only === mode || !given.isSaid(name)) continue;
    if (!given.isAsClose(name, 'mode')) continue;
    faults.add(`${given.labelOf(name)} is for --mode ${only}`, `the mode is ${mode}`);
  }
  if (values.daemon && logFile === null) {
    faults.add('--daemon needs --log-file', 'in the background nobody reads stderr');
  }
  for (const text of given.positionals('')) {
    faults.add(`unexpected argument '${text}'`, 'gryphon intercept takes options only');
  }
  faults.throwIfAny();
  const token = await readToken(given, context);
  return { ...options, key: token === null ? null : keyOfToken(token.text, token.where) };
}
