/** What the feed asks of the gateway's log and read models. */
import {
  careSettings,
  type CareSetting,
  type CareSettingQueries,
  type NewCursor,
  type NewRow,
  type Worklist,
} from '@carelog/read-models';
import type { FeedSource, NamedWorklist } from '@carelog/subscriptions';
import type { Gateway } from '../gateway.ts';

type Asked = Pick<Gateway, 'record' | 'projected' | 'careSettings'>;

export function feedSource(log: FeedSource['log'], gateway: Asked): FeedSource {
  const { record, projected } = gateway;
  return {
    log,
    async reached(position, timeoutMs) {
      return projected.position() >= position || projected.waitFor(position, timeoutMs);
    },
    patientsOf: (versions) => record.patientsOf(versions),
    async contentOf({ stream, version }) {
      const { bodies } = await record.theseVersions([{ stream, version }]);
      return bodies.get(stream)?.body;
    },
    worklistsOf: (lists, after, upTo) => worklistsOf(gateway, lists, after, upTo),
  };
}

export interface ListOfSetting {
  readonly setting: CareSetting;
  readonly list: Worklist;
}

/** Worklists that can be asked for. */
export const everyList: readonly ListOfSetting[] = careSettings.flatMap((setting) =>
  setting.worklists.filter((list) => list.withdraws !== true).map((list) => ({ setting, list })),
);

export const namedWorklists: readonly NamedWorklist[] = everyList.map(({ list }) => list);

const PAGE = 500;
const REACHED_MS = 5_000;
/** What a batch of a projector may go past the event that changed a list. */
const BATCH_EVENTS_MAX = 5_000;

/**
 * A list says of its rows by which batch of events they changed, so some that events after these changed are among them: they
 * are told of once more then, and none is passed by.
 */
async function worklistsOf(
  { careSettings: views }: Asked,
  lists: readonly string[],
  after: number,
  upTo: number,
): Promise<ReadonlyMap<string, readonly string[]>> {
  const found = new Map<string, string[]>();
  if (views === undefined) return found;
  const asked = everyList.filter(({ list }) => lists.includes(list.name));
  const changed = asked.map(async ({ setting, list }) => {
    const isThere = views.position(setting.name) >= upTo || (await views.waitFor(upTo, REACHED_MS, setting.name)); // prettier-ignore
    if (!isThere) throw behind(setting.title);
    const patients = new Set<string>();
    for await (const rows of changedOn(
      views.of.get(setting.name)!,
      list.name,
      after,
      upTo + BATCH_EVENTS_MAX,
    ))
      for (const { patient } of rows) patients.add(patient.slice(patient.indexOf('/') + 1));
    return [list.name, patients] as const;
  });
  for (const [name, patients] of await Promise.all(changed))
    for (const id of patients) found.set(id, [...(found.get(id) ?? []), name]);
  return found;
}

async function* changedOn(
  queries: CareSettingQueries,
  list: string,
  from: number,
  upTo: number,
): AsyncGenerator<readonly NewRow[]> {
  let after: NewCursor | undefined = { at: from + 1, patient: '', stream: '' };
  while (after !== undefined) {
    const page = { by: 'changed', after, upTo, since: 0, now: Date.now(), count: PAGE } as const;
    const rows: readonly NewRow[] = await queries.newWork(list, page);
    yield rows;
    const last = rows.length < PAGE ? undefined : rows.at(-1);
    after = last && { at: last.at, patient: last.patient, stream: last.item.stream };
  }
}

function behind(setting: string): Error {
  const problem = {
    category: 'unavailable',
    code: 'transient',
    message: `The view of ${setting} has not caught up with the log. Try again in a moment.`,
  };
  return Object.assign(new Error(problem.message), problem);
}
