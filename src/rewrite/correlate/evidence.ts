/** Whether a place hands out something new: what it gave to different clients, and again to the same one. */

/** Whether recorded clients got different values in a place. */
export type Differs = 'yes' | 'partly' | 'no' | 'unknown';

/** What was seen of a place. */
export interface Findings {
  /** Between clients, of answers to the same target. */
  readonly differs: Differs;
  /** Only of answers to different targets. */
  readonly isWeak: boolean;
  /** The same client got something else where it asked the same again. */
  readonly changes: boolean;
}

/** Targets and values of a place that are remembered. */
const REMEMBERED_MAX = 20_000;
/** So much of the comparisons may say otherwise. */
const SHARE_OF_OTHERS = 0.1;

/** What a place of answers has handed out. */
export class Evidence {
  /** What was given first, by target. */
  readonly #byTarget = new Map<string, { readonly client: string; readonly value: string }>();
  /** Who was given a value first; null where others were given it, too. */
  readonly #owners = new Map<string, string | null>();
  readonly #clients = new Set<string>();
  /** Of answers to the same target, to different clients. */
  #different = 0;
  #same = 0;
  /** Values that several clients were given. */
  #shared = 0;
  /** Of answers to the same target, to the same client. */
  #changed = 0;
  #stayed = 0;

  /** @param target what was asked for: method and target */
  observe(client: string, target: string, value: string): void {
    if (this.#clients.size < REMEMBERED_MAX) this.#clients.add(client);
    const before = this.#byTarget.get(target);
    if (before === undefined) {
      if (this.#byTarget.size < REMEMBERED_MAX) this.#byTarget.set(target, { client, value });
    } else if (before.client === client) {
      if (before.value === value) this.#stayed++;
      else this.#changed++;
    } else if (before.value === value) this.#same++;
    else this.#different++;
    const owner = this.#owners.get(value);
    if (owner === undefined) {
      if (this.#owners.size < REMEMBERED_MAX) this.#owners.set(value, client);
    } else if (owner !== null && owner !== client) {
      this.#owners.set(value, null);
      this.#shared++;
    }
  }

  /** What that comes to. */
  get findings(): Findings {
    const changes = this.#changed > SHARE_OF_OTHERS * this.#stayed && this.#changed > 0;
    const compared = this.#different + this.#same;
    if (compared > 0) return { differs: verdict(this.#same, compared), isWeak: false, changes };
    if (this.#clients.size < 2) return { differs: 'unknown', isWeak: false, changes };
    return { differs: verdict(this.#shared, this.#owners.size), isWeak: true, changes };
  }
}

function verdict(same: number, all: number): Differs {
  if (same <= SHARE_OF_OTHERS * all) return 'yes';
  return same >= (1 - SHARE_OF_OTHERS) * all ? 'no' : 'partly';
}
