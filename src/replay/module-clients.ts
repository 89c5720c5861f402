/** Whose state a module keeps: virtual clients, each with all of its connections or with one. */
import { hash32 } from '../base/prng.ts';
import type { ClientInfo } from '../rewrite/module.ts';
import { ClientConnections } from '../schedule/client-connections.ts';
import { runUserOf, type UserConnections } from '../schedule/connections.ts';
import type { ReplayPlan } from './replay-plan.ts';

/** A virtual client in one of its plays: what modules keep for it, and who waits for it. */
export interface ModuleClient {
  readonly info: ClientInfo;
  /** By a module's place: what it keeps; undefined before its first connection. */
  readonly states: unknown[];
  /** Rows whose next message waits for an answer to any of the client's; null before the first. */
  waiting: Set<number> | null;
}

/** The virtual clients of a thread that modules have been asked for. */
export class ModuleClients {
  readonly #plan: ReplayPlan;
  readonly #connections: UserConnections | ClientConnections;
  readonly #nowMs: () => number;
  /** Where clients have several connections: by client. */
  readonly #clients = new Map<number, ModuleClient>();

  /** @param nowMs wall clock */
  constructor(
    plan: ReplayPlan,
    connections: UserConnections | ClientConnections,
    nowMs: () => number,
  ) {
    this.#plan = plan;
    this.#connections = connections;
    this.#nowMs = nowMs;
  }

  /** Whether a client may have connections beside each other. */
  get haveSeveral(): boolean {
    return this.#connections instanceof ClientConnections;
  }

  /** The client whose present connection the row is. */
  of(row: number): ModuleClient {
    const connections = this.#connections;
    if (!(connections instanceof ClientConnections)) {
      return this.#create(row, connections.iteration[row]);
    }
    const client = connections.rows.clientOf(row);
    const iteration = connections.iterationOf(connections.numberOf(row));
    const known = this.#clients.get(client);
    if (known?.info.iteration === iteration) return known;
    const created = this.#create(client, iteration);
    this.#clients.set(client, created);
    return created;
  }

  /** A client that has several connections has ended its play: nobody asks for it any more. */
  end(client: number): void {
    this.#clients.delete(client);
  }

  #create(user: number, iteration: number): ModuleClient {
    const { share, seed } = this.#plan;
    const client = runUserOf(user, this.#plan) * share.of + share.index;
    const info = {
      ...{ client, clients: share.users, iteration },
      ...{ seed: hash32(client, seed), nowMs: this.#nowMs },
    };
    return { info, states: [], waiting: null };
  }
}
