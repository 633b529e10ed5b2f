import type { RecordRequest } from '@carelog/activity';
import type { CareSettingQueries, WorkItem } from '@carelog/read-models';
import { describe, expect, it } from 'vitest';
import { raiseAlerts } from './alerts.ts';
import type { Gateway } from './gateway.ts';

const NOW = Date.parse('2026-06-01T09:00:00Z');
const item = (stream: string, since: string, due?: string): WorkItem => ({ stream, since, ...(due !== undefined && { due }), owner: '9ZZ', state: 'unacknowledged', text: 'Came' }); // prettier-ignore
const came = item('Encounter/e', '2026-06-01T08:59:00Z', '2026-06-02T08:59:00Z');

/** A gateway over these rows of one list; what is recorded is kept, and is there for the next look. */
function gatewayOver(list: string, rows: readonly { patient: string; item: WorkItem }[], more: Partial<Gateway['careSettings']> = {}, setting = 'social-care') {
  const recorded = new Map<string, RecordRequest>();
  const queries = {
    work: async (name, { after = { since: 0, stream: '' } }) =>
      name === list ? rows.filter((it) => Date.parse(it.item.since) > after.since) : [],
  } satisfies Partial<CareSettingQueries>;
  const gateway = {
    careSettings: {
      of: new Map([[setting, queries as unknown as CareSettingQueries]]),
      position: () => 5,
      waitFor: async (position: number) => position <= 5,
      ...more,
    },
    digest: (value: string) => `digest of ${value}`,
    record: { read: async (_type: string, id: string) => ({ kind: recorded.has(id) ? 'found' : 'unknown' }) },
    recordActivity: {
      async record(request: RecordRequest) {
        recorded.set(request.entries[0]!.id!, request);
        return [{ kind: 'recorded', entries: [], position: 6 }];
      },
    },
  } as unknown as Gateway;
  return { gateway, recorded };
} // prettier-ignore

describe('a look at the lists', () => {
  it('raises a task for an item, under an id that only its cause decides', async () => {
    const first = gatewayOver('safeguarding-alerts', [{ patient: 'Patient/p', item: came }]);
    await raiseAlerts(first.gateway, 5, new Set(), NOW);
    const elsewhere = gatewayOver('safeguarding-alerts', [{ patient: 'Patient/p', item: { ...came, text: 'Came, it is said', state: 'other' } }]); // prettier-ignore
    await raiseAlerts(elsewhere.gateway, 5, new Set(), NOW + 60_000);
    expect([...elsewhere.recorded.keys()]).toEqual([...first.recorded.keys()]);
    const [one, other] = [first, elsewhere].map(({ recorded }) => [...recorded.values()][0]!.entries[0]!);
    expect(one!.eventId).toBe(other!.eventId);
    expect(one!.ifNoneMatch).toBe(true);
  });

  it('labels the task as what it is about, so that it tells nobody who may not see that', async () => {
    const { gateway, recorded } = gatewayOver('news2-emergency', [{ patient: 'Patient/p', item: { ...came, stream: 'Observation/o' } }], {}, 'urgent-care'); // prettier-ignore
    const label = { system: 'http://terminology.hl7.org/CodeSystem/v3-Confidentiality', code: 'V' };
    const read = async (type: string) => type === 'Task' ? { kind: 'unknown' } : { kind: 'found', body: JSON.stringify({ meta: { security: [label] } }) }; // prettier-ignore
    await raiseAlerts({ ...gateway, record: { read } } as unknown as Gateway, 5, new Set(), NOW);
    const [task] = [...recorded.values()].map(({ entries }) => JSON.parse(entries[0]!.resource as string) as object); // prettier-ignore
    expect(task).toMatchObject({ meta: { security: [label] } });
  });

  it('raises all others where one cannot be recorded, and says that there was one', async () => {
    const rows = ['a', 'b', 'c'].map((id) => ({ patient: `Patient/${id}`, item: { ...came, stream: `Encounter/${id}` } })); // prettier-ignore
    const { gateway, recorded } = gatewayOver('safeguarding-alerts', rows);
    const { record } = gateway.recordActivity;
    const refusing = (category: string): Gateway => ({
      ...gateway,
      recordActivity: {
        record: async (request: RecordRequest) => String(request.entries[0]!.resource).includes('Encounter/a') ? [{ kind: 'refused', problems: [{ category, code: category, message: 'No.' }] }] : record(request), // prettier-ignore
      },
    }) as unknown as Gateway; // prettier-ignore
    await expect(raiseAlerts(refusing('rejected'), 5, new Set(), NOW)).rejects.toThrow('could not alert');
    expect(recorded.size).toBe(2);
    // Of who was erased nobody is told, and that is no fault.
    expect(await raiseAlerts(refusing('gone'), 5, new Set(), NOW)).toBe(true);
  });

  it.each([
    ['another person', { patient: 'Patient/q', item: came }],
    ['another cause', { patient: 'Patient/p', item: { ...came, stream: 'Encounter/f' } }],
  ])('raises one more for %s', async (_what, row) => {
    const { gateway, recorded } = gatewayOver('safeguarding-alerts', [{ patient: 'Patient/p', item: came }, row]); // prettier-ignore
    await raiseAlerts(gateway, 5, new Set(), NOW);
    expect(recorded.size).toBe(2);
  });

  it('records nothing again, whether or not it remembers', async () => {
    const { gateway, recorded } = gatewayOver('safeguarding-alerts', [{ patient: 'Patient/p', item: came }]);
    await raiseAlerts(gateway, 5, new Set(), NOW);
    const [request] = recorded.values();
    await raiseAlerts(gateway, 5, new Set(), NOW + 1_000);
    expect([...recorded.values()][0]).toBe(request);
  });

  it('raises nothing while the views are behind, nor when a rebuild begins meanwhile', async () => {
    const rows = [{ patient: 'Patient/p', item: came }];
    for (const views of [{ waitFor: async () => false }, { position: () => 0 }]) {
      const { gateway, recorded } = gatewayOver('safeguarding-alerts', rows, views);
      expect(await raiseAlerts(gateway, 5, new Set(), NOW)).toBe(false);
      expect(recorded.size).toBe(0);
    }
  });

  it('raises nothing of what began more than a week ago', async () => {
    const { gateway, recorded } = gatewayOver('safeguarding-alerts', [{ patient: 'Patient/p', item: item('Encounter/old', '2026-05-25T08:59:00Z') }]); // prettier-ignore
    await raiseAlerts(gateway, 5, new Set(), NOW);
    expect(recorded.size).toBe(0);
  });

  it('raises what alerts when it is due, then and not before', async () => {
    const { gateway, recorded } = gatewayOver('safeguarding-escalations', [{ patient: 'Patient/p', item: came }]); // prettier-ignore
    await raiseAlerts(gateway, 5, new Set(), Date.parse(came.due!) - 1);
    expect(recorded.size).toBe(0);
    await raiseAlerts(gateway, 5, new Set(), Date.parse(came.due!));
    expect(recorded.size).toBe(1);
  });

  it('raises nothing of what waits quietly', async () => {
    const { gateway, recorded } = gatewayOver('safeguarding-alerts', [{ patient: 'Patient/p', item: { ...came, isQuiet: true } }]); // prettier-ignore
    await raiseAlerts(gateway, 5, new Set(), NOW);
    expect(recorded.size).toBe(0);
  });

  describe('given the cause of an alert was taken back', () => {
    const row = { patient: 'Patient/p', item: item('Task/t', '2026-06-01T08:59:00Z') };
    const over = (versionId: number) => {
      const { gateway, recorded } = gatewayOver('safeguarding-withdrawn', [row]);
      const body = JSON.stringify({
        resourceType: 'Task',
        id: 't',
        status: 'requested',
        description: 'Came',
      });
      const record = { read: async () => ({ kind: 'found', versionId, body }) };
      return { gateway: { ...gateway, record } as unknown as Gateway, recorded };
    };

    it('cancels its Task, which must be as it was raised, under an id that only the Task decides', async () => {
      const [one, other] = [over(1), over(1)];
      await raiseAlerts(one.gateway, 5, new Set(), NOW);
      await raiseAlerts(other.gateway, 5, new Set(), NOW + 60_000);
      const [entry, again] = [one, other].map(({ recorded }) => recorded.get('t')!.entries[0]!);
      expect(JSON.parse(entry!.resource as string)).toMatchObject({ status: 'cancelled', description: 'Came', statusReason: { text: expect.any(String) } }); // prettier-ignore
      expect([entry!.ifMatch, entry!.eventId]).toEqual([1, again!.eventId]);
    });

    it('leaves a Task alone that somebody changed', async () => {
      const { gateway, recorded } = over(2);
      await raiseAlerts(gateway, 5, new Set(), NOW);
      expect(recorded.size).toBe(0);
    });

    it('does it when the views are not behind', async () => {
      const { gateway, recorded } = over(1);
      await raiseAlerts(gateway, 6, new Set(), NOW);
      expect(recorded.size).toBe(0);
    });
  });

  it('takes a task that another process raised for raised, and says of anything else that it could not be', async () => {
    const refusing = (category: string) => {
      const { gateway } = gatewayOver('safeguarding-alerts', [{ patient: 'Patient/p', item: came }]);
      const outcome = { kind: 'refused', problems: [{ category, code: 'conflict', message: 'No.' }] };
      return { ...gateway, recordActivity: { record: async () => [outcome] } } as unknown as Gateway;
    };
    const raised = new Set<string>();
    await raiseAlerts(refusing('mismatch'), 5, raised, NOW);
    expect(raised.size).toBe(1);
    await expect(raiseAlerts(refusing('storage-full'), 5, new Set(), NOW)).rejects.toThrow(
      'could not alert: No.',
    );
  });
});
