/** What shells are told when somebody presses TAB. */
import { describe, expect, test } from 'vitest';
import { parseCommandLine } from '../../src/cli/command-line.ts';
import { loadCommands } from '../../src/cli/commands.ts';
import { main } from '../../src/cli/main.ts';
import { fakeContext } from './fake-context.ts';
import { readOptions } from './read-options.ts';

const COMMANDS = await loadCommands();

/** What may stand in place of the last word. */
async function completed(words: readonly string[]): Promise<readonly string[]> {
  const context = fakeContext({ args: ['--get-completions', ...words] });
  expect(await main(context)).toBe(0);
  expect(context.err).toEqual([]);
  return context.out.join('').trimEnd().split('\n');
}

describe('completion', () => {
  test.each([
    { words: ['re'], found: [':words', 'replay', 'record', 'report'] },
    { words: ['x'], found: [':words'] },
    { words: ['replay', ''], found: [':files'] },
    { words: ['replay', 'fixtures/ht'], found: [':files'] },
    { words: ['replay', 'x.pcap', '--pace', ''], found: [':words', 'think', 'schedule', 'none'] },
    { words: ['replay', 'x.pcap', '--pace', 's'], found: [':words', 'schedule'] },
    { words: ['replay', 'x.pcap', '--pace', '='], found: [':words', 'think', 'schedule', 'none'] },
    { words: ['replay', 'x.pcap', '--pace', '=', 'th'], found: [':words', 'think'] },
    { words: ['replay', 'x.pcap', '--pace=th'], found: [':words', '--pace=think'] },
    { words: ['replay', '--order', ''], found: [':words', 'ip', 'port'] },
    { words: ['replay', '--sender', 'raw'], found: [':words', 'raw-socket'] },
    { words: ['replay', '--close', 're'], found: [':words', 'recorded', 'reset'] },
    { words: ['replay', '--include', 'mid-stream,h'], found: [':words', 'mid-stream,holed'] },
    { words: ['intercept', '--mode', ''], found: [':words', 'advanced', 'nfqueue', 'sink'] },
    { words: ['report', 'r.json', '--latency', 'f'], found: [':words', 'firstByte'] },
    { words: ['replay', 'x.pcap', '--out', 'r'], found: [':files'] },
    { words: ['replay', 'x.pcap', '--json=r'], found: [':files'] },
    { words: ['replay', '-f', ''], found: [':files'] },
    { words: ['replay', '--token-file', ''], found: [':files'] },
    { words: ['replay', '--users', ''], found: [':words'] },
    { words: ['replay', '-u', '1'], found: [':words'] },
    { words: ['replay', '--quiet', ''], found: [':files'] },
    { words: ['replay', '--max'], found: [':words', '--max-bytes', '--max-gap'] },
    { words: ['replay', '--no-a'], found: [':words', '--no-arp'] },
    { words: ['replay', '--', '--pa'], found: [':files'] },
    { words: ['intercept', ''], found: [':words', expect.stringMatching(/^--/)] },
    { words: ['repaly', '--pa'], found: [':words'] },
    { words: ['completion', 'z'], found: [':words', 'zsh'] },
    { words: ['help', 'in'], found: [':words', 'inspect', 'intercept'] },
    { words: [], found: [':words', 'replay'] },
    { words: ['replay', '--constructor', ''], found: [':files'] },
  ])('of $words', async ({ words, found }) => {
    const answer = await completed(words);
    const isWhole = !['', undefined].includes(words.at(0)) && words.at(-1) !== '';
    if (isWhole || found.length !== 2) expect(answer).toEqual(found);
    else expect(answer.slice(0, 2)).toEqual(found);
  });

  test.each(['order', 'pace', 'close', 'sender', 'include'])(
    'of --%s offers what is taken, and all of it',
    async (name) => {
      const [, ...words] = await completed(['replay', 'x.pcap', `--${name}`, '']);
      const refused = readOptions(['replay', 'x.pcap', `--${name}`, 'nonsense']);
      await expect(refused).rejects.toThrow(`is not one of ${words.join(', ')}`);
    },
  );
});

describe('the script', () => {
  const script = (args: readonly string[], env: Record<string, string> = {}): string => {
    const line = parseCommandLine(COMMANDS, fakeContext({ args: ['completion', ...args], env }));
    return 'output' in line ? line.output : '';
  };

  test('is for the shell that is named, else for one’s own', () => {
    expect(script([])).toMatch(/^# gryphon completion for bash/);
    expect(script([], { SHELL: '/usr/bin/zsh' })).toMatch(/^#compdef gryphon/);
    expect(script(['bash'], { SHELL: '/usr/bin/zsh' })).toMatch(/^# gryphon completion for bash/);
    expect(script(['zsh'])).toMatch(/^#compdef gryphon/);
  });

  test('is for no other', () => {
    expect(() => script(['fish'])).toThrow("there is no completion for 'fish'");
    expect(() => script(['bash', 'x'])).toThrow("unexpected argument 'x'");
  });
});
