import type { RecordRequest } from '@carelog/activity';
import type { CareSettingQueries, WorkItem } from '@carelog/read-models';
import { describe, expect, it, vi } from 'vitest';
import { raiseAlerts, startAlerting } from './alerts.ts';
import type { Gateway } from './gateway.ts';

const NOW = Date.parse('2026-06-01T09:00:00Z');
const item = (stream: string, since: string, due?: string): WorkItem => ({ stream, since, ...(due !== undefined && { due }), owner: '9ZZ', state: 'unacknowledged', text: 'Came' }); // prettier-ignore
const came = item('Encounter/e', '2026-06-01T08:59:00Z', '2026-06-02T08:59:00Z');

interface Row {
  readonly patient: string;
  readonly item: WorkItem;
  /** Position of what put it there. */
  readonly at?: number;
}

/** A gateway over these rows of one list; what is recorded is kept, and is there for the next look. `reads`: Tasks that were asked for. */
function gatewayOver(list: string, rows: readonly Row[], more: Partial<Gateway['careSettings']> = {}, setting = 'social-care') {
  const recorded = new Map<string, RecordRequest>();
  const reads: string[] = [];
  const queries = {
    async newWork(name, { by, after, upTo, since, count }) {
      const key = (it: { at: number; patient: string; stream: string }) => [String(it.at).padStart(16), it.patient, it.stream].join(' '); // prettier-ignore
      const of = rows.map((it) => ({ ...it, at: by === 'changed' ? (it.at ?? 5) : Date.parse(it.item.due ?? '') }));
      return of
        .filter(({ at, item }) => name === list && at <= upTo && Date.parse(item.since) >= since)
        .filter((it) => key({ ...it, stream: it.item.stream }) > key(after))
        .toSorted((a, b) => (key({ ...a, stream: a.item.stream }) < key({ ...b, stream: b.item.stream }) ? -1 : 1))
        .slice(0, count);
    },
  } satisfies Partial<CareSettingQueries>;
  const gateway = {
    careSettings: {
      of: new Map([[setting, queries as unknown as CareSettingQueries]]),
      position: () => 5,
      ...more,
    },
    projected: { position: () => 5 },
    head: () => 5,
    digest: (value: string) => `digest of ${value}`,
    record: {
      async read(type: string, id: string) {
        if (type === 'Task') reads.push(id);
        return { kind: recorded.has(id) ? 'found' : 'unknown' };
      },
      theseVersions: async (asked: readonly { stream: string }[]) => ({ bodies: new Map(asked.map(({ stream }) => [stream, { body: '{}' }])) }),
    },
    recordActivity: {
      async record(request: RecordRequest) {
        recorded.set(request.entries[0]!.id!, request);
        return [{ kind: 'recorded', entries: [], position: 6 }];
      },
    },
  } as unknown as Gateway;
  return { gateway, recorded, reads };
} // prettier-ignore

describe('a look at the lists', () => {
  it('raises a task for an item, under an id that only its cause decides', async () => {
    const first = gatewayOver('safeguarding-alerts', [{ patient: 'Patient/p', item: came }]);
    await raiseAlerts(first.gateway, 5, undefined, NOW);
    const elsewhere = gatewayOver('safeguarding-alerts', [{ patient: 'Patient/p', item: { ...came, text: 'Came, it is said', state: 'other' } }]); // prettier-ignore
    await raiseAlerts(elsewhere.gateway, 5, undefined, NOW + 60_000);
    expect([...elsewhere.recorded.keys()]).toEqual([...first.recorded.keys()]);
    const [one, other] = [first, elsewhere].map(({ recorded }) => [...recorded.values()][0]!.entries[0]!);
    expect(one!.eventId).toBe(other!.eventId);
    expect(one!.ifNoneMatch).toBe(true);
  });

  it('labels the task as what it is about and rests on, so that it tells nobody who may not see that', async () => {
    const { gateway, recorded } = gatewayOver('news2-emergency', [{ patient: 'Patient/p', item: { ...came, stream: 'Observation/o', because: ['Observation/other'] } }], {}, 'urgent-care'); // prettier-ignore
    const label = { system: 'http://terminology.hl7.org/CodeSystem/v3-Confidentiality', code: 'V' };
    const theseVersions = async (asked: readonly { stream: string }[]) => ({ bodies: new Map(asked.map(({ stream }) => [stream, { body: stream === 'Observation/o' ? '{}' : JSON.stringify({ meta: { security: [label] } }) }])) }); // prettier-ignore
    await raiseAlerts({ ...gateway, record: { ...gateway.record, theseVersions } } as unknown as Gateway, 5, undefined, NOW); // prettier-ignore
    const [task] = [...recorded.values()].map(({ entries }) => JSON.parse(entries[0]!.resource as string) as object); // prettier-ignore
    expect(task).toMatchObject({ meta: { security: [label] } });
  });

  it('labels the task as restricted where it cannot read what it is about, and waits for the record to have it', async () => {
    const { gateway, recorded } = gatewayOver('news2-emergency', [{ patient: 'Patient/p', item: came }], {}, 'urgent-care'); // prettier-ignore
    const unread = { ...gateway, record: { ...gateway.record, theseVersions: async () => ({ bodies: new Map() }) } } as unknown as Gateway; // prettier-ignore
    const behind = { ...unread, projected: { position: () => 4 } } as unknown as Gateway;
    expect([await raiseAlerts(behind, 5, undefined, NOW), recorded.size]).toEqual([undefined, 0]);
    await raiseAlerts(unread, 5, undefined, NOW);
    const [task] = [...recorded.values()].map(({ entries }) => JSON.parse(entries[0]!.resource as string) as { meta: { security: { code: string }[] } }); // prettier-ignore
    expect(task!.meta.security.map(({ code }) => code)).toContain('R');
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
    const look = await raiseAlerts(refusing('rejected'), 5, undefined, NOW);
    expect([look?.looked, String(look?.failed?.fault)]).toEqual([{ position: 5, at: NOW }, expect.stringContaining('could not alert')]); // prettier-ignore
    expect(recorded.size).toBe(2);
    // Of who was erased nobody is told, and that is no fault.
    expect(await raiseAlerts(refusing('gone'), 5, undefined, NOW)).not.toHaveProperty('failed');
  });

  it.each([
    ['another person', { patient: 'Patient/q', item: came }],
    ['another cause', { patient: 'Patient/p', item: { ...came, stream: 'Encounter/f' } }],
  ])('raises one more for %s', async (_what, row) => {
    const { gateway, recorded } = gatewayOver('safeguarding-alerts', [{ patient: 'Patient/p', item: came }, row]); // prettier-ignore
    await raiseAlerts(gateway, 5, undefined, NOW);
    expect(recorded.size).toBe(2);
  });

  it('records nothing again, whether or not it looks at everything', async () => {
    const { gateway, recorded } = gatewayOver('safeguarding-alerts', [{ patient: 'Patient/p', item: came }]);
    const look = await raiseAlerts(gateway, 5, undefined, NOW);
    const [request] = recorded.values();
    for (const before of [undefined, look!.looked]) await raiseAlerts(gateway, 5, before, NOW + 1_000);
    expect([...recorded.values()]).toEqual([request]);
  });

  it('asks only for what is new since the last look, and for everything of another life of the log', async () => {
    const rows: Row[] = ['a', 'b', 'c'].map((id, at) => ({ patient: `Patient/${id}`, item: { ...came, stream: `Encounter/${id}` }, at: at + 3 })); // prettier-ignore
    const { gateway, recorded, reads } = gatewayOver('safeguarding-alerts', rows);
    await raiseAlerts(gateway, 5, { position: 4, at: NOW - 250 }, NOW);
    expect([recorded.size, reads.length]).toEqual([1, 1]);
    await raiseAlerts(gateway, 5, { position: 5, at: NOW }, NOW + 250);
    expect(reads).toHaveLength(1);
    await raiseAlerts(gateway, 5, { position: 9, at: NOW }, NOW + 250);
    expect(recorded.size).toBe(3);
  });

  it('tells of every row once, however many came at one moment with one batch', async () => {
    const rows = Array.from({ length: 1_203 }, (_, at): Row => ({ patient: `Patient/${at % 7}`, item: { ...came, stream: `Encounter/${at >> 1}` } })); // prettier-ignore
    const { gateway, recorded, reads } = gatewayOver('safeguarding-alerts', rows);
    await raiseAlerts(gateway, 5, undefined, NOW);
    expect([recorded.size, reads.length]).toEqual([1_203, 1_203]);
  });

  it('raises nothing while the views are behind, nor when a rebuild begins meanwhile', async () => {
    const rows = [{ patient: 'Patient/p', item: came }];
    let asked = 0;
    for (const position of [() => 0, () => ((asked += 1) === 1 ? 5 : 0)]) {
      const views = { position };
      const { gateway, recorded } = gatewayOver('safeguarding-alerts', rows, views);
      expect(await raiseAlerts(gateway, 5, undefined, NOW)).toBeUndefined();
      expect(recorded.size).toBe(0);
    }
  });

  describe.each([
    ['safeguarding-alerts', 'social-care', 8, true],
    ['safeguarding-alerts', 'social-care', 182, true],
    ['safeguarding-alerts', 'social-care', 184, false],
    ['safeguarding-escalations', 'social-care', 6, true],
    ['safeguarding-escalations', 'social-care', 8, false],
    ['news2-emergency', 'urgent-care', 8, false],
  ] as const)('the list %s of %s, given what began %i days ago', (list, setting, days, isTold) => {
    it(isTold ? 'alerts' : 'alerts nobody', async () => {
      const began = new Date(NOW - days * 86_400_000).toISOString();
      const row = { patient: 'Patient/p', item: item('Encounter/old', began, began) };
      const { gateway, recorded } = gatewayOver(list, [row], {}, setting);
      await raiseAlerts(gateway, 5, undefined, NOW);
      expect(recorded.size).toBe(isTold ? 1 : 0);
    });
  });

  it.each([
    ['of late', '2026-05-20T08:00:00Z', 'Came. Learned of late: it was on 2026-05-20.'],
    ['at once', '2026-06-01T08:59:00Z', 'Came'],
  ])('says of what is learned %s when it was', async (_when, began, description) => {
    const { gateway, recorded } = gatewayOver('safeguarding-alerts', [{ patient: 'Patient/p', item: item('Encounter/e', began) }]); // prettier-ignore
    await raiseAlerts(gateway, 5, undefined, NOW);
    const [task] = [...recorded.values()].map(({ entries }) => JSON.parse(entries[0]!.resource as string) as object); // prettier-ignore
    expect(task).toMatchObject({ description });
  });

  it('raises what alerts when it is due, then and not before, though no event came', async () => {
    const { gateway, recorded } = gatewayOver('safeguarding-escalations', [{ patient: 'Patient/p', item: came }]); // prettier-ignore
    const due = Date.parse(came.due!);
    const look = await raiseAlerts(gateway, 5, undefined, due - 1);
    expect(recorded.size).toBe(0);
    await raiseAlerts(gateway, 5, look!.looked, due);
    expect(recorded.size).toBe(1);
  });

  it('raises one task of one cause, whichever entry tells of it when a process looks', async () => {
    const looked = ['Observation/later', 'Observation/earlier'].map((stream) => gatewayOver('news2-emergency', [{ patient: 'Patient/p', item: { ...came, stream, cause: 'Observation/later' } }], {}, 'urgent-care')); // prettier-ignore
    for (const { gateway } of looked) await raiseAlerts(gateway, 5, undefined, NOW);
    const [one, other] = looked.map(({ recorded }) => [...recorded.keys()]);
    expect(one).toEqual(other);
  });

  it('raises nothing of what says how somebody was, and not how they are', async () => {
    const scored = { ...came, stream: 'Observation/o', alertsUntil: '2026-06-01T09:00:00.000Z' };
    const { gateway, recorded } = gatewayOver('news2-emergency', [{ patient: 'Patient/p', item: scored }], {}, 'urgent-care'); // prettier-ignore
    await raiseAlerts(gateway, 5, undefined, NOW);
    expect(recorded.size).toBe(0);
    await raiseAlerts(gateway, 5, undefined, NOW - 1);
    expect(recorded.size).toBe(1);
  });

  it('raises nothing of what waits quietly', async () => {
    const { gateway, recorded } = gatewayOver('safeguarding-alerts', [{ patient: 'Patient/p', item: { ...came, isQuiet: true } }]); // prettier-ignore
    await raiseAlerts(gateway, 5, undefined, NOW);
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
      await raiseAlerts(one.gateway, 5, undefined, NOW);
      await raiseAlerts(other.gateway, 5, undefined, NOW + 60_000);
      const [entry, again] = [one, other].map(({ recorded }) => recorded.get('t')!.entries[0]!);
      expect(JSON.parse(entry!.resource as string)).toMatchObject({ status: 'cancelled', description: 'Came', statusReason: { text: expect.any(String) } }); // prettier-ignore
      expect([entry!.ifMatch, entry!.eventId]).toEqual([1, again!.eventId]);
    });

    it('leaves a Task alone that somebody changed', async () => {
      const { gateway, recorded } = over(2);
      await raiseAlerts(gateway, 5, undefined, NOW);
      expect(recorded.size).toBe(0);
    });

    it('does it when the views are not behind', async () => {
      const { gateway, recorded } = over(1);
      await raiseAlerts(gateway, 6, undefined, NOW);
      expect(recorded.size).toBe(0);
    });
  });

  it('takes a task that another process raised for raised, and says of anything else that it could not be', async () => {
    const refusing = (category: string) => {
      const { gateway } = gatewayOver('safeguarding-alerts', [{ patient: 'Patient/p', item: came }]);
      const outcome = { kind: 'refused', problems: [{ category, code: 'conflict', message: 'No.' }] };
      return { ...gateway, recordActivity: { record: async () => [outcome] } } as unknown as Gateway;
    };
    expect(await raiseAlerts(refusing('mismatch'), 5, undefined, NOW)).not.toHaveProperty('failed');
    const look = await raiseAlerts(refusing('storage-full'), 5, undefined, NOW);
    expect(String(look?.failed?.fault)).toContain('could not alert: No.');
  });
});

describe('a process that alerts', () => {
  it('tells at once of what comes while something cannot be recorded, and of that once it can be', async () => {
    vi.useFakeTimers({ now: NOW, toFake: ['Date', 'performance'] });
    const rows: Row[] = [{ patient: 'Patient/p', item: came }];
    const { gateway, recorded } = gatewayOver('safeguarding-alerts', rows, { position: () => 6 });
    let isFull = true;
    const { record } = gateway.recordActivity;
    const warnings: unknown[] = [];
    const alerting = startAlerting({
      ...gateway,
      projected: { position: () => 6 },
      head: () => (rows.length > 1 ? 6 : 5),
      recordActivity: {
        record: async (request: RecordRequest) => isFull && String(request.entries[0]!.resource).includes('Patient/p') ? [{ kind: 'refused', problems: [{ category: 'storage-full', code: 'x', message: 'No.' }] }] : record(request), // prettier-ignore
      },
    } as unknown as Gateway, { warn: (...said: unknown[]) => void warnings.push(said) }); // prettier-ignore
    try {
      await vi.waitFor(() => expect(warnings).toHaveLength(1));
      rows.push({ patient: 'Patient/q', item: came, at: 6 });
      await vi.waitFor(() => expect(recorded.size).toBe(1), { timeout: 5_000 });
      isFull = false;
      vi.advanceTimersByTime(10_000);
      await vi.waitFor(() => expect(recorded.size).toBe(2), { timeout: 5_000 });
    } finally {
      await alerting.stop();
      vi.useRealTimers();
    }
    expect(warnings).toHaveLength(1);
  });
});
