// What an answer says of itself for the access record: versions by position, in order, and everybody they are about.
import { defaultPolicy } from '@carelog/access';
import { engineOrReason, startPostgres } from '@carelog/engines';
import { parseSearch } from '@carelog/fhir';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type RecordQueries, type SearchPage, type Viewer } from '../index.ts';
import { onEveryEngine, recordEngines } from './engines.ts';
import { apply, Log, observation, ownRecordOf, patient } from './miniature-log.ts';

const base = 'http://127.0.0.1/fhir/R4';
const engines = await recordEngines((folder) => engineOrReason(() => startPostgres({ folder, sync: false })));
// Two engines, and a machine that may be busy.
vi.setConfig({ testTimeout: 120_000 });
afterAll(async () => {
  for (const it of engines) if (typeof it !== 'string') await it.close();
});

onEveryEngine(describe, engines, (engine) => {
  let record: RecordQueries;

  const restricted = {
    security: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-Confidentiality', code: 'R' }],
  };
  const both = {
    resourceType: 'Appointment',
    id: 'both',
    status: 'booked',
    participant: ['ada', 'ben'].map((id) => ({ actor: { reference: `Patient/${id}` }, status: 'accepted' })),
  };

  beforeAll(async () => {
    const log = new Log();
    log.record('ada', patient('ada', { gender: 'female' })); // 1
    log.record('ben', patient('ben')); // 2
    log.record('ada', observation('first', 'ada', 'a')); // 3
    log.record('ben', observation('second', 'ben', 'a')); // 4
    log.record('ada', observation('first', 'ben', 'a')); // 5: about somebody else, and still in that partition
    log.record('ada', both); // 6
    log.record('shared', { resourceType: 'Organization', id: 'o', name: 'O' }); // 7
    log.record('cleo', patient('cleo', { meta: restricted, address: [{ city: 'Leeds' }] })); // 8
    const made = await engine.make();
    await apply(made.writer, log.changes);
    record = made.record;
  });

  async function search(type: string, asked: string, viewer?: Viewer) {
    const { query, includes } = parseSearch(type, new URLSearchParams(asked), { base });
    const page = await record.search(query, { count: 10, base, includes }, viewer);
    return (page as SearchPage).shown;
  }
  const ofVersion = async (type: string, id: string, version?: number, viewer?: Viewer) => {
    const answer =
      version === undefined
        ? await record.read(type, id, viewer)
        : await record.vread(type, id, version, viewer);
    return answer.kind === 'found' ? answer.shown : answer.kind;
  };

  describe('what is shown', () => {
    it.each([
      ['a read', () => ofVersion('Patient', 'ada'), { versions: '1', patients: ['ada'] }],
      [
        'a version, as it was',
        () => ofVersion('Observation', 'first', 1),
        { versions: '3', patients: ['ada'] },
      ],
      [
        'a version, as it is',
        () => ofVersion('Observation', 'first', 2),
        { versions: '5', patients: ['ada', 'ben'] },
      ],
      [
        'what names several',
        () => ofVersion('Appointment', 'both'),
        { versions: '6', patients: ['ada', 'ben'] },
      ],
      ['what names nobody', () => ofVersion('Organization', 'o'), { versions: '7', patients: [] }],
      [
        'a history',
        async () => (await record.history('Observation', 'first', { count: 5, base }))?.shown,
        { versions: '5,3', patients: ['ben', 'ada'] },
      ],
      ['a search', () => search('Observation', 'code=a'), { versions: '5,4', patients: ['ben', 'ada'] }],
      [
        'a search in order',
        () => search('Observation', 'code=a&_sort=-_lastUpdated'),
        { versions: '5,4', patients: ['ben', 'ada'] },
      ],
      [
        'what comes along',
        () => search('Observation', '_id=second&_include=Observation:subject'),
        { versions: '4,2', patients: ['ben'] },
      ],
      [
        'a search that finds several',
        () => search('Appointment', ''),
        { versions: '6', patients: ['ada', 'ben'] },
      ],
      ['a search that finds nothing', () => search('Observation', 'code=z'), { versions: '', patients: [] }],
      [
        'everything of one',
        async () => (await record.everything('ben', { count: 10, base }))?.shown,
        { versions: '2,6,5,4', patients: ['ben', 'ada'] },
      ],
    ] as const)('%s', async (_, ask, expected) => {
      const { versions, patients } = (await ask()) as { versions: string; patients: readonly string[] };
      const sorted = (list: readonly string[]) => list.toSorted();
      // Compartments go by type, whose numbers are as they came.
      expect(sorted(versions.split(','))).toEqual(sorted(expected.versions.split(',')));
      expect(sorted(patients)).toEqual(sorted(expected.patients));
    });

    it('is in the order of the entries', async () => {
      expect((await search('Observation', 'code=a&_sort=_lastUpdated')).versions).toBe('4,5');
    });
  });

  it('tells whose each version is, as it was and as it is now, and of none that it has not', async () => {
    const asked = [
      { stream: 'Observation/first', version: 1 },
      { stream: 'Appointment/both', version: 1 },
      { stream: 'Organization/o', version: 1 },
      { stream: 'Observation/second', version: 2 },
      { stream: 'Observation/other', version: 1 },
      { stream: 'Observation/first', version: 2 },
    ];
    const found = (await record.patientsOf(asked)).map((ids) => ids?.toSorted());
    const both = ['ada', 'ben'];
    expect(found).toEqual([both, both, [], undefined, undefined, both]);
  });

  it('is each of several versions of one resource, in the order asked for, as vread has it', async () => {
    const names = [
      ['Observation', 'first', 2],
      ['Observation', 'first', 1],
      ['Observation', 'first', 9],
      ['Observation', 'second', 1],
      ['Observation', 'never-was', 1],
      ['Observation', 'first', 2],
    ] as const;
    for (const viewer of [undefined, ownRecordOf('ben'), ownRecordOf('ada')]) {
      const asked = names.map(([type, id, version]) => ({ stream: `${type}/${id}`, version }));
      const { each } = await record.theseVersions(asked, viewer);
      const alone = await Promise.all(names.map(([type, id, version]) => record.vread(type, id, version, viewer))); // prettier-ignore
      expect(each.map((it) => it?.body)).toEqual(
        alone.map((it) => (it.kind === 'found' ? it.body : undefined)),
      );
      const isShown = alone.map(({ kind }) => kind === 'found');
      if (viewer === undefined) expect(isShown).toEqual([true, true, false, true, false, true]);
      else expect(isShown).toContain(false);
    }
  });

  describe('what something was taken out of', () => {
    const everybody: Viewer = {
      ...ownRecordOf('cleo'),
      restriction: {
        views: [
          { ...ownRecordOf('cleo').restriction.views[0]!, patients: { kind: 'everybody' }, conceals: true },
        ],
        shared: 0,
        conceal: defaultPolicy().sFlag,
      },
    };

    it.each([
      ['a read', () => ofVersion('Patient', 'cleo', undefined, everybody), true],
      [
        'a history',
        async () => (await record.history('Patient', 'cleo', { count: 5, base }, everybody))?.shown,
        true,
      ],
      ['a search', () => search('Patient', '_id=cleo', everybody), true],
      [
        'everything',
        async () => (await record.everything('cleo', { count: 5, base }, everybody))?.shown,
        true,
      ],
      ['somebody whose address is no secret', () => search('Patient', '_id=ada', everybody), undefined],
      [
        'a viewer from whom nothing is concealed',
        () => search('Patient', '_id=cleo', ownRecordOf('cleo')),
        undefined,
      ],
    ] as const)('%s', async (_, ask, expected) => {
      expect(await ask()).toMatchObject(expected === true ? { isConcealed: true, versions: '8' } : {});
      expect(((await ask()) as { isConcealed?: boolean }).isConcealed).toBe(expected);
    });
  });
});
