/** A folder for the captures of each test, and what is indexed of them. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach } from 'vitest';
import {
  type CaptureIndex,
  type IndexOptions,
  indexCaptures,
} from '../../src/run/captures/index-captures.ts';

/**
 * To be called where hooks are registered.
 * @param onMade gets the path of a new folder before each test
 * @returns what indexes captures: open until the test is over; `file` is the first one's report
 */
export function onCaptureFolder(onMade: (path: string) => void) {
  let folder = '';
  const open: CaptureIndex[] = [];

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'gryphon-captures-'));
    onMade(folder);
  });

  afterEach(() => {
    for (const index of open.splice(0)) index.close();
    rmSync(folder, { recursive: true });
  });

  return async (paths: readonly string[], options: Partial<IndexOptions> = {}) => {
    const warnings: string[] = [];
    const onWarning = (text: string) => warnings.push(text);
    const index = await indexCaptures(paths, { seed: 1, onWarning, ...options });
    open.push(index);
    const sessions = [...index.sessionList({ digests: true })];
    return { index, sessions, warnings, file: index.files[0] };
  };
}
