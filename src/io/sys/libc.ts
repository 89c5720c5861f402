/**
 * The C library of this process, whichever it is (glibc or musl): nothing is loaded from a path.
 *
 * Pointers go in and come out as `number`: user-space addresses have at most 47 bits on the
 * 64-bit machines that are supported, so they are exact.
 */
import { endianness } from 'node:os';
import koffi from 'koffi';
import { ReplayError } from '../../base/errors.ts';

/** Architectures whose structures and constants (those of asm-generic) are written down in sys/. */
const ARCHITECTURES: readonly string[] = ['x64', 'arm64', 'riscv64', 'loong64'];

/** A pointer given as its address. */
export const ADDRESS = 'uintptr_t';
/** A pointer given as a typed array: fine off the hot path, since koffi looks at its kind. */
export const OCTETS = 'void *';

const libc = koffi.load(null);

/**
 * A C function. The caller states its TypeScript type, which koffi cannot know.
 * @param result a C type; a function that returns a pointer is declared to return `intptr_t`
 */
export function libcFunction<T>(name: string, result: string, parameters: string[]): T {
  requireKnownMachine();
  return libc.func(name, result, parameters) as T;
}

function requireKnownMachine(): void {
  if (ARCHITECTURES.includes(process.arch) && endianness() === 'LE') return;
  throw new ReplayError({
    code: 'ERR_IO_ARCHITECTURE',
    kind: 'environment',
    message: `this machine is ${process.arch}; expected one of ${ARCHITECTURES.join(', ')}`,
    hint: 'replay against the embedded target, which needs no system calls',
  });
}
