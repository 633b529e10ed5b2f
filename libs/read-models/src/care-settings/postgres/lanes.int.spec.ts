// Care settings as a cluster keeps them: each person's activities come by a lane, and what one lane brings may outdo another.
import { engineOrReason, startPostgres } from '@carelog/engines';
import type { OpenedContent, ProjectedBatch, SharedReadModel } from '@carelog/projection';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { acute } from '../acute.ts';
import type { CareSetting } from '../care-setting.ts';
import { openCareSettingsWriter } from '../care-settings-writer.ts';
import { careSettingsProjection, type Told } from '../care-settings-projection.ts';
import { generalPractice } from '../general-practice.ts';
import { socialCare } from '../social-care.ts';
import { contentsOnPostgres, contentsOnSqlite, type ToldInOrder } from '../scene-engines.ts';
import { openPostgresCareSettingsWriter } from './care-settings-writer.ts';
import { migrateCareSettings } from './tables.ts';

const settings = [acute, generalPractice, socialCare];
const folder = mkdtempSync(join(tmpdir(), 'carelog-settings-'));
const postgres = await engineOrReason(() => startPostgres({ folder: join(folder, 'postgres'), sync: false }));
const reason = typeof postgres === 'string' ? postgres : undefined;
const url = typeof postgres === 'string' ? '' : postgres.url();

afterAll(async () => {
  if (typeof postgres !== 'string') await postgres.stop();
  rmSync(folder, { recursive: true, force: true });
});

type Applied = ToldInOrder[number];
interface Come extends Applied {
  readonly lane: number;
}
type Resource = Readonly<Record<string, unknown>> & { readonly resourceType: string; readonly id: string };

/** A log of two people, Ann in lane 0 and Ben in lane 1. */
class TwoLanes {
  readonly all: Come[] = [];
  readonly #revisions = new Map<string, number>();

  come(lane: number, resource: Resource | string, issued?: string, reason?: 'erased' | 'unknown-key'): this {
    const isGone = typeof resource === 'string';
    const stream = isGone ? resource : `${resource.resourceType}/${resource.id}`;
    const revision = (this.#revisions.get(stream) ?? 0) + 1;
    this.#revisions.set(stream, revision);
    const position = this.all.length + 1;
    const event = {
      stream,
      revision,
      position,
      partition: `lane ${lane}`,
      action: isGone && reason === undefined ? 'retract' : revision === 1 ? 'new' : 'amend',
      recordedAt: new Date(Date.UTC(2026, 5, 1) + position * 1_000).toISOString(),
      occurredAt: '2026-06-01T00:00:00Z',
      publisher: { organisation: 'RX1', system: 'spec' },
      careSetting: 'acute',
      ...(issued !== undefined && { sourceVersion: { version: '', issuedAt: issued } }),
    } as unknown as Come['event'];
    const bytes = new TextEncoder().encode(JSON.stringify(resource));
    const content: OpenedContent = reason ? { kind: 'unreadable', reason } : { kind: 'opened', bytes };
    this.all.push({ lane, event, change: careSettingsProjection.evolve(event, content)! });
    return this;
  }
}

const patient = (id: string, more: object = {}): Resource => ({ resourceType: 'Patient', id, ...more });
const [ann, ben] = [patient('ann'), patient('ben')];
/** Ended without a summary: it waits on a list of whoever it is about. */
const stay = (id: string, of: string, more: object = {}): Resource => ({
  resourceType: 'Encounter',
  id,
  status: 'finished',
  class: { code: 'IMP' },
  subject: { reference: `Patient/${of}` },
  period: { start: '2026-05-01T08:00:00Z', end: '2026-05-03T08:00:00Z' },
  ...more,
});
const letter = (id: string, of: string, about: string): Resource => ({
  resourceType: 'Composition',
  id,
  status: 'final',
  type: { coding: [{ system: 'http://snomed.info/sct', code: '373942005' }] },
  subject: { reference: `Patient/${of}` },
  encounter: { reference: `Encounter/${about}` },
  date: '2026-05-03T12:00:00Z',
});
const missed = (id: string, ...people: string[]): Resource => ({
  resourceType: 'Appointment',
  id,
  status: 'noshow',
  start: '2026-05-09T08:00:00Z',
  participant: people.map((of) => ({ actor: { reference: `Patient/${of}` }, status: 'accepted' })),
});
const linked = (to: string) => ({ link: [{ type: 'replaced-by', other: { reference: `Patient/${to}` } }] });
const protection: Resource = { resourceType: 'Flag', id: 'f', status: 'active', subject: { reference: 'Patient/ann' }, code: { coding: [{ system: 'http://snomed.info/sct', code: '342191000000101' }] } }; // prettier-ignore
const attendance = stay('e', 'ben', { class: { code: 'EMER' }, status: 'in-progress', period: { start: '2026-05-01T08:00:00Z' } }); // prettier-ignore
const people = () => new TwoLanes().come(0, ann).come(1, ben);

const SCENES: readonly (readonly [string, TwoLanes])[] = [
  ['a stay that was Ann’s and is Ben’s', people().come(0, stay('s', 'ann')).come(1, stay('s', 'ben'))],
  ['a stay that was moved, and moved back', people().come(0, stay('s', 'ann')).come(1, stay('s', 'ben')).come(0, stay('s', 'ann'))], // prettier-ignore
  ['a stay whose older version came after it was moved', people().come(1, stay('s', 'ben'), '2026-05-20T00:00:00Z').come(0, stay('s', 'ann'), '2026-05-10T00:00:00Z')], // prettier-ignore
  ['a stay that was taken back where it was moved to', people().come(0, stay('s', 'ann')).come(1, stay('s', 'ben')).come(1, 'Encounter/s')], // prettier-ignore
  ['a stay of which what Ben’s record said is erased', people().come(0, stay('s', 'ann')).come(1, 'Encounter/s', undefined, 'erased')], // prettier-ignore
  ['an appointment of both, and what each has besides', people().come(0, missed('both', 'ann', 'ben')).come(1, missed('own', 'ben')).come(0, missed('other', 'ann'))], // prettier-ignore
  ['an appointment of both that only Ben keeps', people().come(0, missed('both', 'ann', 'ben')).come(1, missed('both', 'ben')).come(1, stay('s', 'ben'))], // prettier-ignore
  ['records that are linked, and parted again', people().come(0, stay('s', 'ann')).come(1, stay('t', 'ben')).come(0, patient('ann', linked('ben'))).come(0, ann)], // prettier-ignore
  ['records that are linked', people().come(1, stay('t', 'ben')).come(0, patient('ann', linked('ben'))).come(1, missed('m', 'ben'))], // prettier-ignore
  ['records that are linked, with a stay under one and its letter under the other', people().come(0, stay('s', 'ann')).come(1, letter('l', 'ben', 's')).come(0, patient('ann', linked('ben')))], // prettier-ignore
  ['such records that are parted again', people().come(0, patient('ann', linked('ben'))).come(0, stay('s', 'ann')).come(1, letter('l', 'ben', 's')).come(0, ann)], // prettier-ignore
  ['an appointment of both who are linked', people().come(0, missed('both', 'ann', 'ben')).come(1, patient('ben', linked('ann'))).come(0, stay('s', 'ann'))], // prettier-ignore
  ['a protection of Ann and an attendance of Ben, who are one person', people().come(0, protection).come(1, attendance).come(0, patient('ann', linked('ben')))], // prettier-ignore
  ['the same, parted again', people().come(0, protection).come(0, patient('ann', linked('ben'))).come(1, attendance).come(0, ann)], // prettier-ignore
  ['a stay of somebody who is not registered', people().come(1, stay('s', 'nobody')).come(0, stay('s', 'ann')).come(1, missed('m', 'ben', 'nobody'))], // prettier-ignore
];

describe.skipIf(reason !== undefined)(
  `care settings in lanes${reason === undefined ? '' : `: ${reason}`}`,
  () => {
    let writers: SharedReadModel<Told>[];
    let owner: Client;

    beforeAll(async () => {
      owner = new Client({ connectionString: url });
      await owner.connect();
      await migrateCareSettings(owner, settings, {});
      // One that reads what it was told before, and one that knows it.
      writers = [1, 20_000].map((factsInMemory) => openPostgresCareSettingsWriter({ url, settings, factsInMemory })); // prettier-ignore
    });
    afterAll(async () => {
      for (const it of writers) await it.close();
      await owner.end();
    });
    beforeEach(() => writers[0]!.clear());

    const apply = ({ lane, ...change }: Come) =>
      writers[lane]!.apply(lane, async (reached) =>
        change.event.position > (reached?.position ?? 0) ? batchOf([change]) : undefined,
      );
    const contents = async () => {
      const made: string[] = [];
      for (const it of settings) made.push(await contentsOnPostgres(owner, it, settings));
      return made;
    };

    it.each(SCENES)('end in the same view of %s, whichever lane comes first', async (_what, { all }) => {
      const expected = await contentsAsTold(all);
      for (const order of interleavings(all)) {
        await writers[0]!.clear();
        for (const it of order) await apply(it);
        expect(await contents()).toEqual(expected);
      }
    });

    it.each(SCENES)('end in the same view of %s, when both are written at once', async (_what, { all }) => {
      const expected = await contentsAsTold(all);
      for (let time = 0; time < 2; time += 1) {
        await writers[0]!.clear();
        const inLane = async (lane: number) => {
          for (const it of all.filter((one) => one.lane === lane)) await apply(it);
        };
        await Promise.all([inLane(0), inLane(1)]);
        expect(await contents()).toEqual(expected);
      }
    });

    it('begin again together when the log is another one', async () => {
      const { all } = people().come(0, stay('s', 'ann')).come(1, stay('s', 'ben'));
      for (const it of all) await apply(it);
      // Of the log as it was restored, Ben’s version is not: what it outdid is current again.
      await writers[0]!.clear(0);
      expect(await writers[0]!.checkpoints()).toEqual(new Map());
      for (const it of all.slice(0, 3)) await apply(it);
      expect(await contents()).toEqual(await contentsAsTold(all.slice(0, 3)));
    });
  },
);

describe('care settings in one file', () => {
  it.each(SCENES)('are, of %s, what each is alone', async (_what, { all }) => {
    const path = await fileOf(settings, all);
    expect(settings.map((it) => contentsOnSqlite(path, it))).toEqual(await contentsAsTold(all));
  });
});

/** As one writer has it that takes everything as it was recorded, each setting alone. */
async function contentsAsTold(changes: readonly Applied[]): Promise<readonly string[]> {
  const made = [];
  for (const it of settings) made.push(contentsOnSqlite(await fileOf([it], changes), it));
  return made;
}

async function fileOf(kept: readonly CareSetting[], changes: readonly Applied[]): Promise<string> {
  const path = join(folder, `told-${(files += 1)}.sqlite`);
  const writer = openCareSettingsWriter(path, kept);
  await writer.apply(batchOf(changes));
  writer.close();
  return path;
}
let files = 0;

function batchOf(changes: readonly Applied[]): ProjectedBatch<Told> {
  const position = Math.max(0, ...changes.map(({ event }) => event.position));
  return { changes, parked: [], setAside: [], checkpoint: { position, epoch: 'one' } };
}

/** One lane after the other, both ways, and some of the orders between. */
function interleavings(all: readonly Come[]): Come[][] {
  const every = everyInterleaving(all);
  const step = Math.max(1, Math.ceil((every.length - 2) / (ORDERS_MAX - 2)));
  return every.filter((_, at) => at === every.length - 1 || at % step === 0);
}
const ORDERS_MAX = 4;

/** Every order in which the two lanes can come, each in its own order. */
function everyInterleaving(all: readonly Come[]): Come[][] {
  const merge = (a: readonly Come[], b: readonly Come[]): Come[][] => {
    const [first, other] = [a[0], b[0]];
    if (first === undefined || other === undefined) return [[...a, ...b]];
    return [
      ...merge(a.slice(1), b).map((it) => [first, ...it]),
      ...merge(a, b.slice(1)).map((it) => [other, ...it]),
    ];
  };
  return merge(
    all.filter(({ lane }) => lane === 0),
    all.filter(({ lane }) => lane === 1),
  );
}
