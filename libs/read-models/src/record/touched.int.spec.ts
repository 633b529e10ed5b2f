import { engineOrReason, startPostgres } from '@carelog/engines';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { openRecordWriter } from '../index.ts';
import { onEveryEngine, recordEngines, type EmptyRecord } from './engines.ts';
import { apply, Log, observation, patient } from './miniature-log.ts';

const engines = await recordEngines((folder) => engineOrReason(() => startPostgres({ folder, sync: false })));
// Two engines, and a machine that may be busy.
vi.setConfig({ testTimeout: 120_000 });
afterAll(async () => {
  for (const it of engines) if (typeof it !== 'string') await it.close();
});

onEveryEngine(describe, engines, (engine) => {
  let made: EmptyRecord;
  let writer: EmptyRecord['writer'];
  beforeEach(async () => {
    made = await engine.make();
    ({ writer } = made);
  });
  afterEach(() => made.release());

  it('a batch says whose answers may change: of each resource, of whom it names and named, and of whose partition it lies in', async () => {
    const log = new Log();
    const born = [log.record('ada', patient('ada')), log.record('ben', patient('ben'))];
    expect(await apply(writer, born)).toEqual(new Set(['Patient/ada', 'Patient/ben']));

    const performers = { performer: [{ reference: 'Patient/cleo' }] };
    expect(await apply(writer, [log.record('ada', observation('o', 'ada', 'x', performers))])).toEqual(
      new Set(['Observation/o', 'Patient/ada', 'Patient/cleo']),
    );
    expect(await apply(writer, [log.record('ada', observation('o', 'ben', 'x'))])).toEqual(
      new Set(['Observation/o', 'Patient/ada', 'Patient/ben', 'Patient/cleo']),
    );
    expect(await apply(writer, [log.record('ada', 'Observation/o')])).toEqual(
      new Set(['Observation/o', 'Patient/ada', 'Patient/ben']),
    );
    const organisation = { resourceType: 'Organization', id: 'surgery', name: 'Surgery' };
    expect(await apply(writer, [log.record('shared', organisation)])).toEqual(
      new Set(['Organization/surgery']),
    );
  });

  it('everything is touched where somebody is parked', async () => {
    const checkpoint = { position: 1, epoch: 'one' };
    const parked = [{ partition: 'ada', position: 1, reason: 'SyntaxError' }];
    const setAside = [{ partition: 'ada', stream: 'Observation/late' }];
    expect(await writer.apply({ changes: [], parked, setAside, checkpoint })).toBe('all');
    expect(await writer.apply({ changes: [], parked: [], setAside, checkpoint: { position: 2, epoch: 'one' } })).toBe('all'); // prettier-ignore
  });
});

it('knows whose partition it is after it was opened again', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'carelog-touched-'));
  const writer = openRecordWriter(join(folder, 'record.sqlite'));
  const log = new Log();
  await apply(writer, [log.record('ada', patient('ada')), log.record('ada', observation('o', 'ada', 'x'))]);
  writer.close();
  const again = openRecordWriter(join(folder, 'record.sqlite'));
  expect(await apply(again, [log.record('ada', 'Observation/o')])).toContain('Patient/ada');
  again.close();
  rmSync(folder, { recursive: true });
});
