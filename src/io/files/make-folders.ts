/** Making folders with those above them. */
import { mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * Makes a folder, and those above it, unless it is there. `mkdir` with `recursive` never returns where
 * folders cannot be made (below /proc; Node 20).
 * @param mode of those that are made
 * @throws what mkdir(2) says: ENOENT, EACCES, EEXIST where a file is there, …
 */
export function makeFolders(path: string, mode = 0o777): void {
  try {
    mkdirSync(path, mode);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST' && statSync(path).isDirectory()) return;
    if (code !== 'ENOENT' || dirname(path) === path) throw error;
    makeFolders(dirname(path), mode);
    mkdirSync(path, mode);
  }
}
