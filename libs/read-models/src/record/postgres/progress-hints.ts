/** Tells whoever waits for a view that a lane came further: a hint, since its tables are the truth. */
import type { Pool } from 'pg';

/** Heard of when a lane came further: `<view> <lane> <position>`. */
export const PROJECTED_CHANNEL = 'carelog_projected';

export class ProgressHints {
  readonly #pool: Pool;
  readonly #view: string;
  readonly #untold = new Map<number, number>();
  #isTelling = false;

  constructor(pool: Pool, view: string) {
    this.#pool = pool;
    this.#view = view;
  }

  // Not in the batch: the server lets one transaction that notifies commit at a time, and a hint needs no fsync.
  tell(lane: number, position: number): void {
    this.#untold.set(lane, position);
    if (this.#isTelling) return;
    this.#isTelling = true;
    const hints = [...this.#untold].map((it) => [this.#view, ...it].join(' '));
    this.#untold.clear();
    this.#pool
      .query({
        name: 'tell',
        text: 'SELECT pg_notify($1, hint) FROM unnest($2::text[]) hint',
        values: [PROJECTED_CHANNEL, hints],
      })
      // Whoever waits looks by itself too.
      .catch(() => {})
      .finally(() => {
        this.#isTelling = false;
        const [next] = this.#untold;
        if (next !== undefined) this.tell(...next);
      });
  }
}
