import { describe, expect, it } from 'vitest';
import type { RecordEntry, RecordOutcome } from '@carelog/activity';
import { defaultPolicy, type Caller } from '@carelog/access';
import type { FhirAnswer, FhirRequest, Gateway } from '../gateway.ts';
import { publish } from './publish.ts';

const caller: Caller = { subject: 's', kind: 'system', organisation: 'o', system: 's', careSetting: 'any' };
const request: FhirRequest = {
  method: 'POST',
  path: ['activities'],
  query: new URLSearchParams(),
  headers: { 'content-type': 'application/cloudevents-batch+json' },
  body: '',
  caller,
  correlation: 'c',
  base: 'http://h/fhir/R4',
};
const event = (id: string, resource: string) => ({
  specversion: '1.0',
  id,
  source: 'urn:x',
  type: 'activity.published',
  data: { resourceType: 'Basic', id: resource, code: { text: id } },
});
const recorded = ({ type, id = '' }: RecordEntry): RecordOutcome => ({
  kind: 'recorded',
  position: 1,
  entries: [
    { kind: 'created', type, id, versionId: 1, lastUpdated: '', position: 1, basis: 'system-to-system', notes: [] },
  ],
}); // prettier-ignore

/** Publishes to a writer that answers as it is told; gives statuses, and what was asked of the writer, round by round. */
async function publishTo(answer: (entry: RecordEntry) => RecordOutcome, events: readonly object[]) {
  const rounds: string[][] = [];
  const gateway = {
    policy: defaultPolicy(),
    head: () => 0,
    projected: { position: () => 0, waitFor: async () => true },
    pressure: { lagMax: 1, waiting: 0, turnedAway: 0 },
    recordActivity: {
      async record({ entries }) {
        rounds.push(entries.map(({ id = '' }) => id));
        return entries.map(answer);
      },
    },
  } satisfies Partial<Gateway> as unknown as Gateway;
  const { body } = (await publish(gateway, request, Buffer.from(JSON.stringify(events)))) as FhirAnswer;
  const { results } = JSON.parse(body as string) as { results: { status: number }[] };
  return { statuses: results.map(({ status }) => status), rounds };
}

describe('an event that cannot be recorded just now', () => {
  const events = [event('1', 'a'), event('2', 'a'), event('3', 'b'), event('4', 'a'), event('5', 'b')];

  it.each([
    ['unavailable', 503],
    ['busy', 429],
    ['storage-full', 507],
  ] as const)('(%s) is not overtaken by those of the same resource', async (category, status) => {
    const refused: RecordOutcome = {
      kind: 'refused',
      problems: [{ category, code: 'transient', message: 'Later.' }],
    };
    const { statuses, rounds } = await publishTo((it) => (it.id === 'a' ? refused : recorded(it)), events);
    expect(statuses).toEqual([status, 503, 201, 503, 201]);
    expect(rounds).toEqual([['a', 'b'], ['b']]);
  });

  it('is by those that come where it never will be', async () => {
    const refused: RecordOutcome = {
      kind: 'refused',
      problems: [{ category: 'rejected', code: 'value', message: 'Never.' }],
    };
    let asked = 0;
    const { statuses } = await publishTo((it) => ((asked += 1) === 1 ? refused : recorded(it)), events);
    expect(statuses).toEqual([422, 201, 201, 201, 201]);
  });
});
