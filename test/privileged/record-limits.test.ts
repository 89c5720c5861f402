/** `gryphon record` keeps to its limits: what is to stay free of a disk, and of a processor. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { onNginxGround } from '../helpers/lab-ground.ts';
import { type Lab, runInside, startInside } from '../helpers/netns.ts';
import { canRun } from '../helpers/privilege.ts';
import { must, until } from '../helpers/process.ts';
import type { Folder, Nginx } from '../helpers/servers.ts';

const COMMAND = fileURLToPath(new URL('../../bin/gryphon.js', import.meta.url));
const GRYPHON = [process.execPath, COMMAND];
const MIB = 1 << 20;
const DISK = 16 * MIB;
const KEPT_FREE = 6 * MIB;

describe.runIf(
  canRun('gryphon record and its limits', ['ip', 'nginx', 'curl', 'ethtool', 'tcpdump']),
)('gryphon record', () => {
  let lab: Lab;
  let nginx: Nginx;
  let folder: Folder;

  onNginxGround({}, (ground) => {
    ({ lab, nginx, folder } = ground);
    nginx.addPage('large.html', 200_000);
  });

  const line = (...more: string[]): string =>
    [...GRYPHON, 'record', '--interface', lab.target.device, '--server', '80', ...more].join(' ');

  /** Lines for a shell whose `$disk` is a file system of DISK octets that only it sees. */
  const withDisk = (lines: readonly string[]): string[] => [
    'sh',
    '-ec',
    [`disk=${folder.path}`, `mount -t tmpfs -o size=${DISK} none $disk`, ...lines].join('\n'),
  ];
  const LOOK = ['echo', 'stat -f -c "free %a of %S" $disk', 'ls $disk/out'];

  /** Octets that were free at the end. */
  const freeIn = (said: string): number => {
    const [, blocks, bytes] = /free (\d+) of (\d+)/.exec(said) ?? [];
    return Number(blocks) * Number(bytes);
  };

  const asks = (...more: string[]): string[] => [
    ...'curl -s -Z --parallel-max 30 -H Connection:close -o /dev/null'.split(' '),
    ...more,
    `http://${lab.target.ipv4}/large.html?[1-1000000]`,
  ];

  test('a disk that has less free than is to stay free: it does not begin', async () => {
    const shell = withDisk([
      'code=0',
      `${line('--out', '$disk/out', '--keep-free', '15MiB')} || code=$?`,
      'echo "code $code; in it: $(ls $disk)"',
    ]);
    const { stdout, stderr } = await runInside(lab.target, shell);
    expect(stderr).toMatch(/ has 16.* MB free, and --keep-free leaves it 15.* MB; make room/);
    expect(stdout).toBe('code 4; in it: \n');
  });

  test('a full link: it ends before it writes into what is to stay free', async () => {
    const options = ['--keep-free', `${KEPT_FREE}`, '--rotate', '2MiB', '--answers', 'full'];
    const shell = withDisk([
      'code=0',
      `${line('--out', '$disk/out', '--max-cpu', '100%', ...options)} || code=$?`,
      'echo "code $code"',
      ...LOOK,
      `${GRYPHON.join(' ')} inspect --json $disk/out`,
    ]);
    const recording = startInside(lab.target, shell);
    await until('it records', () => recording.output().includes('recording'));
    // 12 MB/s: who gives way to all others still gets a processor now and then.
    const flood = startInside(lab.client, asks('--limit-rate', '400k'));
    await until('it ends', () => recording.hasEnded(), 60_000);
    await flood.stop();
    const said = recording.output();
    expect(said).toMatch(/ended early: [\d.]+ MB are free on the disk, and --keep-free leaves/);
    expect(said).toContain('code 4\n');
    const free = freeIn(said);
    expect(free).toBeGreaterThanOrEqual(KEPT_FREE);
    // The reserve for a buffer that is under way, and the last buffer.
    expect(free).toBeLessThan(KEPT_FREE + 4 * MIB);
    const { files } = JSON.parse(said.slice(said.indexOf('{')));
    expect(files.length).toBeGreaterThanOrEqual(3);
    for (const { damage, packets } of files) {
      expect(damage).toBeNull();
      expect(packets).toBeGreaterThan(0);
    }
  }, 120_000);

  test('an idle link on a disk that others fill: it ends as well', async () => {
    const shell = withDisk([
      'code=0',
      `${line('--out', '$disk/out', '--keep-free', `${KEPT_FREE}`)} & record=$!`,
      `until [ -d $disk/out ]; do sleep 0.02; done`,
      'head -c 12M /dev/zero > $disk/others',
      'wait $record || code=$?',
      'echo "code $code; recorded: $(ls $disk/out)"',
    ]);
    const { stdout, stderr } = await runInside(lab.target, shell);
    expect(stderr).toMatch(/ended early: [\d.]+ MB are free on the disk/);
    expect(stdout).toContain('recorded 0 packets');
    expect(stdout).toContain('code 4; recorded: \n');
  });

  test('more than its share of a processor can record: sessions are left out, and counted', async () => {
    const share = 0.05;
    const out = join(folder.path, 'flood');
    const options = ['--max-cpu', `${100 * share}%`, '--answers', 'full', '--out', out];
    const before = nginx.accessLog().length;
    const argv = line(...options, '--keep-free', '0').split(' ');
    const recording = startInside(lab.target, argv);
    await until('it records', () => recording.output().includes('recording'));
    const [cpuMs, startMs] = [cpuMsOf(recording.pid), performance.now()];
    const flood = startInside(lab.client, asks());
    // On a busy machine its share is not to be had, the ring fills up, and that is what it says.
    const isLess = () => recording.output().includes('recorded from now on');
    await until('sessions are left out', isLess, 60_000);
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    const used = cpuMsOf(recording.pid) - cpuMs;
    const passed = performance.now() - startMs;
    await flood.stop();
    await recording.stop('SIGINT');
    const said = recording.output();
    expect(recording.exitCode(), said).toBe(0);
    expect(said).toMatch(/ sessions left out, at the end [\d.]+% of all were recorded\n$/);
    // Its share of the time, what it may save up in a second, and a turn that is known only afterwards.
    expect(used).toBeLessThan(share * (passed + 1_000) + TURN_MS);
    const [, leftOut, begun] = (/([\d,]+) of ([\d,]+) sessions left out/.exec(said) ?? []).map(
      (text) => Number(text.replaceAll(',', '')),
    );
    const asked = nginx.accessLog().length - before;
    // The client was killed amid up to 30 downloads, of which nginx may have logged none.
    expect(begun).toBeGreaterThanOrEqual(asked);
    expect(begun).toBeLessThanOrEqual(asked + 2 * 30);
    const [file = ''] = readdirSync(out);
    const syns = [
      'tcpdump',
      '-nr',
      join(out, file),
      'tcp[tcpflags] & (tcp-syn|tcp-ack) == tcp-syn',
    ];
    expect(linesOf(await must(syns))).toBe(begun - leftOut);
  }, 120_000);
});

const linesOf = (text: string): number => text.split('\n').filter((each) => each !== '').length;

/** A turn takes up to eight blocks of 1 MiB from the ring and writes them; the first ones before anything is compiled. */
const TURN_MS = 120;

/** Processor time of a process, in milliseconds (proc(5): utime and stime, in ticks of 10 ms). */
function cpuMsOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return 10 * (Number(fields[11]) + Number(fields[12]));
}
