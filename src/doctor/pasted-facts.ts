/** A machine's facts as one line of text, which is copied from one terminal to another. */
import { ReplayError } from '../base/errors.ts';
import type { MachineFacts } from './observations.ts';

const HEAD = 'gryphon-doctor-1:';
const PLACES: readonly unknown[] = ['load', 'target', 'intercept'];

/** Facts as a line to paste. */
export function pastedText(facts: MachineFacts): string {
  const octets = new TextEncoder().encode(JSON.stringify(facts));
  return HEAD + btoa(Array.from(octets, (octet) => String.fromCharCode(octet)).join(''));
}

/**
 * The facts of such a line, whatever blanks it has got on its way.
 * @throws ReplayError ERR_DOCTOR_PASTED (usage)
 */
export function parsePasted(text: string): MachineFacts {
  const line = text.replace(/\s/g, '');
  try {
    if (!line.startsWith(HEAD)) throw new Error('another beginning');
    const octets = Uint8Array.from(atob(line.slice(HEAD.length)), (each) => each.charCodeAt(0));
    const facts = JSON.parse(new TextDecoder().decode(octets)) as MachineFacts;
    const lists = [
      facts.addresses,
      facts.strictInterfaces,
      facts.heard ?? [],
      facts.firewall ?? [],
    ];
    if (!PLACES.includes(facts.place) || !lists.every(Array.isArray))
      throw new Error('other facts');
    return facts;
  } catch (cause) {
    throw new ReplayError({
      code: 'ERR_DOCTOR_PASTED',
      kind: 'usage',
      message: `this is not what gryphon doctor prints on another machine: ${line.slice(0, 40)}…`,
      hint: `paste the whole line that begins with ${HEAD}`,
      cause,
    });
  }
}
