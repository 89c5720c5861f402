/** `gryphon intercept`: read the options, pick replies up until it is told to end. */
import { addressBytes, parseAddress } from '../base/address.ts';
import { PREFIX_BYTES, PREFIX_BYTES_MAX } from '../base/prefix-bytes.ts';
import { keyOfToken } from '../io/channel/channel-secret.ts';
import type { PassedClients } from '../io/intercept/intercept-registrations.ts';
import type { SourceMode } from '../io/intercept/intercept-source.ts';
import type { InterceptOptions } from '../run/intercept/intercept-run.ts';
import { MODES } from './choices.ts';
import type { CommandInput } from './command-line.ts';
import type { Context } from './context.ts';
import { ExitCode } from './exit-codes.ts';
import type { GivenOptions } from './given-options.ts';
import { INTERCEPT_PORT, parseListen, parseMetrics, readToken } from './intercept-addresses.ts';
import { watchInterrupts } from './interruption.ts';
import type { FaultList } from './usage-error.ts';
import { parseChoice, parseInterfaceName, parseWhole, valueError } from './values.ts';

/** Each queue is a piece of the kernel's memory, and all are asked for their drops. */
const QUEUES_MAX = 256;

/** Options that one mode alone has a use for. */
const MODE_OF_OPTION: ReadonlyMap<string, SourceMode> = new Map<string, SourceMode>([
  ['interface', 'advanced'],
  ['force', 'advanced'],
  ['queue', 'nfqueue'],
  ['fail-open', 'nfqueue'],
  ['rules', 'nfqueue'],
  ['pass', 'nfqueue'],
]);

/** Runs the command; resolves when everything that it had installed is removed. */
export async function intercept(input: CommandInput): Promise<ExitCode> {
  const { given, context } = input;
  const options = await readInterceptOptions(input);
  const interruption = watchInterrupts(context, {
    second: () =>
      context.log(
        'gryphon: ended at once: what was installed may be left; the next start takes it over\n',
      ),
  });
  try {
    if (given.switch('daemon') ?? false) {
      const { startDaemon } = await import('../run/intercept/daemon.ts');
      await startDaemon(context.args, interruption.signal, (text) => context.log(text));
      return ExitCode.OK;
    }
    const { runIntercept } = await import('../run/intercept/intercept-run.ts');
    await runIntercept(options, {
      version: context.version,
      isTerminal: context.terminal !== null,
      write: (text) => context.log(text),
      interrupted: interruption.signal,
    });
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
  const mode = read(given, faults, 'mode', (text) => parseChoice(text, MODES)) ?? 'advanced';
  const listen = read(given, faults, 'listen', parseListen);
  const prefixBytes =
    read(given, faults, 'prefix-bytes', (text) =>
      parseWhole(text, { min: 0, max: PREFIX_BYTES_MAX }),
    ) ?? PREFIX_BYTES;
  const interfaces = given
    .texts('interface')
    .flatMap(({ label, text }) => faults.attempt(label, [], () => [parseInterfaceName(text)]));
  const pass = given
    .texts('pass')
    .flatMap(({ label, text }) => faults.attempt(label, [], () => [parsePassed(text)]));
  const queues = read(given, faults, 'queue', parseQueues);
  const filter = given.text('filter')?.text ?? null;
  const options = {
    mode,
    host: listen?.host ?? '127.0.0.1',
    port: listen?.port ?? INTERCEPT_PORT,
    prefixBytes,
    source: {
      prefixBytes,
      interfaces,
      pass,
      force: given.switch('force') ?? false,
      failOpen: given.switch('fail-open') ?? false,
      noRules: !(given.switch('rules') ?? true),
      ...(queues === null ? {} : { queues }),
      ...(filter === null ? {} : { filter }),
    },
    logFile: given.text('log-file')?.text ?? null,
    pidFile: given.text('pid-file')?.text ?? null,
    metrics: read(given, faults, 'metrics', parseMetrics),
  };
  if (filter !== null && mode === 'nfqueue') {
    faults.add(
      '--filter is for --mode advanced and sink',
      'in mode nfqueue the rules name what is taken: narrow the clients of the replay instead',
    );
  }
  for (const [name, only] of MODE_OF_OPTION) {
    if (given.isFlag(name) && mode !== only) {
      faults.add(`--${name} is for --mode ${only}`, `the mode is ${mode}`);
    }
  }
  if ((given.switch('daemon') ?? false) && options.logFile === null) {
    faults.add('--daemon needs --log-file', 'in the background nobody reads stderr');
  }
  for (const text of given.positionals('')) {
    faults.add(`unexpected argument '${text}'`, 'gryphon intercept takes options only');
  }
  faults.throwIfAny();
  const token = await readToken(given, context);
  return { ...options, key: token === null ? null : keyOfToken(token.text, token.where) };
}

function read<T>(
  given: GivenOptions,
  faults: FaultList,
  name: string,
  parse: (text: string) => T,
): T | null {
  const found = given.text(name);
  return found === null ? null : faults.attempt(found.label, null, () => parse(found.text));
}

function parseQueues(text: string): { first: number; last: number } {
  const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text.trim());
  const first = Number(match?.[1]);
  const last = Number(match?.[2] ?? match?.[1]);
  if (match === null || last > 65_535 || first > last) {
    throw valueError(`'${text}' is not a span of queues`, 'write 0 or 0-3');
  }
  const count = last - first + 1;
  if (count <= QUEUES_MAX) return { first, last };
  throw valueError(
    `'${text}' is ${count} queues; at most ${QUEUES_MAX} are taken`,
    'a queue for each CPU of the target is enough: 0-3',
  );
}

/** `CIDR`, `CIDR:PORT`, an address alone; IPv6 with a port in brackets: `[fd00::/64]:80`. */
export function parsePassed(text: string): PassedClients {
  const match = /^(?:\[([^\]]+)\]|([^[\]]+?))(?::(\d{1,5}))?$/.exec(text.trim());
  const isBareIpv6 = parseAddress(text.trim().split('/')[0] ?? '')?.family === 6;
  const [block = '', port] = isBareIpv6
    ? [text.trim(), undefined]
    : [match?.[1] ?? match?.[2], match?.[3]];
  const [addressText = '', bitsText] = block.split('/');
  const address = parseAddress(addressText);
  const form = 'write 10.1.0.0/16, 10.1.2.3:80 or [fd00::/64]:80';
  if (address === null) throw valueError(`'${text}' is not CIDR[:PORT]`, form);
  const bits = addressBytes(address).length * 8;
  const prefixBits = bitsText === undefined ? bits : parseWhole(bitsText, { min: 0, max: bits });
  return {
    block: { address, prefixBits },
    port: port === undefined ? null : parseWhole(port, { min: 1, max: 65_535 }),
  };
}
