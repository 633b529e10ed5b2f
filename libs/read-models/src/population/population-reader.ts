/** Answers how many cases of an indicator there are, in groups; never which. */
import type { Checkpoint, Parked } from '@carelog/projection';
import { SqliteDatabase } from '../record/database.ts';
import type { CaseState } from './indicators.ts';
import type { Ask } from './population-tables.ts';
import { askOf } from './population-writer.ts';

/** So many cases that are alike in everything that is told apart. */
export interface CaseGroup {
  readonly count: number;
  readonly state: CaseState;
  /** Its time is not over yet. */
  readonly isOpen: boolean;
  readonly owner: string;
  readonly practice?: string;
  readonly sex?: string;
  /** Four digits. */
  readonly bornIn?: string;
}

export interface PopulationQueries {
  /** Of cases since `from` and before `until`, as of `now`; milliseconds UTC. */
  cases(
    indicator: string,
    period: { readonly from: number; readonly until: number; readonly now: number },
  ): Promise<readonly CaseGroup[]>;
  /** The last event that every answer from now on reflects; undefined before the first. */
  checkpoint(): Promise<Checkpoint | undefined>;
}

/** One that lies in a file, which its operators may ask too. */
export interface KeptPopulation extends PopulationQueries {
  /** `partition`: a pseudonym. */
  parked(): Promise<readonly Parked[]>;
  close(): void;
}

/** Throws where there is no read model at this path: the projector makes it. */
export function openPopulation(path: string): KeptPopulation {
  const db = new SqliteDatabase(path, { readOnly: true, timeout: 5_000 });
  const ask = askOf(db);
  return {
    ...populationQueries(ask, 'main'),
    async parked() {
      const rows = await ask('SELECT partition, position, reason FROM parked', []);
      return rows.map(({ partition, position, reason }) => ({ partition: String(partition), position: Number(position), reason: String(reason) })); // prettier-ignore
    },
    close: () => db.close(),
  };
}

/** Over tables that lie in this schema. */
export const populationQueries = (ask: Ask, schema: string): PopulationQueries => ({
  async cases(indicator, { from, until, now }) {
    const rows = await ask(
      `SELECT state, owner, practice, sex, born_in, CASE WHEN due > $4 THEN 1 ELSE 0 END AS is_open, count(*) AS cases
       FROM ${schema}.counted WHERE indicator = $1 AND since >= $2 AND since < $3
       GROUP BY state, owner, practice, sex, born_in, CASE WHEN due > $4 THEN 1 ELSE 0 END`,
      [indicator, from, until, now],
    );
    return rows.map(({ state, owner, practice, sex, born_in, is_open, cases }) => ({
      count: Number(cases),
      state: state as CaseState,
      isOpen: Number(is_open) === 1,
      owner: String(owner),
      ...(practice !== null && { practice: String(practice) }),
      ...(sex !== null && { sex: String(sex) }),
      ...(born_in !== null && { bornIn: String(born_in) }),
    }));
  },
  async checkpoint() {
    const [row] = await ask(`SELECT min(position) AS position, max(epoch) AS epoch FROM ${schema}.checkpoint`, []); // prettier-ignore
    return row === undefined || row['epoch'] === null ? undefined : { position: Number(row['position']), epoch: String(row['epoch']) }; // prettier-ignore
  },
});
