import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { openRecordWriter, type RecordWriter } from '../index.ts';
import { apply, Log, observation, patient } from './miniature-log.ts';

let folder: string;
let writer: RecordWriter;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'carelog-touched-'));
  writer = openRecordWriter(join(folder, 'record.sqlite'));
});
afterEach(() => {
  writer.close();
  rmSync(folder, { recursive: true });
});

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

it('knows whose partition it is after it was opened again', async () => {
  const log = new Log();
  await apply(writer, [log.record('ada', patient('ada')), log.record('ada', observation('o', 'ada', 'x'))]);
  writer.close();
  writer = openRecordWriter(join(folder, 'record.sqlite'));
  expect(await apply(writer, [log.record('ada', 'Observation/o')])).toContain('Patient/ada');
});

it('everything is touched where somebody is parked', async () => {
  const checkpoint = { position: 1, epoch: 'one' };
  const parked = [{ partition: 'ada', position: 1, reason: 'SyntaxError' }];
  const setAside = [{ partition: 'ada', stream: 'Observation/late' }];
  expect(await writer.apply({ changes: [], parked, setAside, checkpoint })).toBe('all');
  expect(await writer.apply({ changes: [], parked: [], setAside, checkpoint: { position: 2, epoch: 'one' } })).toBe('all'); // prettier-ignore
});
