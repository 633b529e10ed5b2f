import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { aPatient, anObservation, temporaryFolder } from '@carelog/testkit';
import { describe, expect, it } from 'vitest';
import { findFiles } from './files.ts';
import { readFile } from './read-file.ts';
import type { Unreadable } from './read-file.ts';
import type { Submission } from './submission.ts';

const folder = temporaryFolder();

const patient = (id?: string) => aPatient(id === undefined ? {} : { id });
const observation = (subject: string, id?: string) => anObservation(subject, id === undefined ? {} : { id });
const bundle = (type: string, entry: unknown[]) => ({ resourceType: 'Bundle', type, entry });

describe('a file with one Bundle', () => {
  it('is sent as it is when it is a transaction or a batch, under the same key every time', async () => {
    const text =
      ' {"resourceType":"Bundle","type":"transaction","entry":[{"resource":{"resourceType":"Observation","valueDecimal":1.10}}]}';
    const [first] = await submissions('transaction.json', text);
    expect(first!.body).toBe(text);
    expect(first!.places).toEqual(['entry 0']);
    const [second] = await submissions('transaction.json', text);
    expect(second!.idempotencyKey).toBe(first!.idempotencyKey);
    const [other] = await submissions('transaction.json', text.replace('1.10', '1.1'));
    expect(other!.idempotencyKey).not.toBe(first!.idempotencyKey);
    const [elsewhere] = await submissions('elsewhere.json', text);
    expect(elsewhere!.idempotencyKey).not.toBe(first!.idempotencyKey);
  });

  it('becomes one transaction when it is a collection: PUT to the id, POST without one', async () => {
    const [sent, ...more] = await submissions('collection.json', bundle('collection', [
      { fullUrl: 'urn:uuid:0198c5a0-0000-7000-8000-000000000001', resource: patient() },
      { fullUrl: 'https://example.org/fhir/Observation/o1', resource: observation('urn:uuid:0198c5a0-0000-7000-8000-000000000001', 'o1') },
    ])); // prettier-ignore
    expect(more).toEqual([]);
    expect(requests(sent!)).toEqual(['POST Patient', 'PUT Observation/o1']);
    expect(entries(sent!)[0]!.fullUrl).toBe('urn:uuid:0198c5a0-0000-7000-8000-000000000001');
  });

  it('keeps references to a resource whose id is an NHS number', async () => {
    const [sent] = await submissions('nhs.json', bundle('searchset', [
      { resource: patient('9990548609') },
      { resource: observation('Patient/9990548609', 'o1') },
    ])); // prettier-ignore
    const [registered, observed] = entries(sent!);
    expect(requests(sent!)).toEqual(['POST Patient', 'PUT Observation/o1']);
    expect(registered!.fullUrl).toMatch(/^urn:uuid:/);
    expect(observed!.resource.subject!.reference).toBe(registered!.fullUrl);
  });

  it('leaves out what a search says about itself', async () => {
    const outcome = { search: { mode: 'outcome' }, resource: { resourceType: 'OperationOutcome' } };
    const [sent] = await submissions(
      'search.json',
      bundle('searchset', [outcome, { search: { mode: 'match' }, resource: patient('p1') }]),
    );
    expect(requests(sent!)).toEqual(['PUT Patient/p1']);
    expect(sent!.places).toEqual(['entry 1']);
  });

  it('never names a resource twice in one transaction', async () => {
    const sent = await submissions(
      'versions.json',
      bundle('collection', [{ resource: patient('p1') }, { resource: patient('p1') }]),
    );
    expect(sent.map(requests)).toEqual([['PUT Patient/p1'], ['PUT Patient/p1']]);
    expect(new Set(sent.map(({ idempotencyKey }) => idempotencyKey)).size).toBe(2);
  });

  it('is split when it is large, and its references still lead where they led', async () => {
    const urn = (i: number) => `urn:uuid:0198c5a0-0000-7000-8000-${String(i).padStart(12, '0')}`;
    const people = Array.from({ length: 1_500 }, (_, i) => ({ fullUrl: urn(i), resource: patient() }));
    const observed = Array.from({ length: 1_500 }, (_, i) => ({ resource: observation(urn(i)) }));
    const sent = await submissions('large.json', bundle('collection', [...people, ...observed]));
    expect(sent.length).toBe(15);
    const all = sent.flatMap(entries);
    const names = new Set(all.map(({ request }) => request.url));
    expect(names.size).toBe(3_000);
    const led = all.slice(1_500).map(({ resource }) => resource.subject!.reference);
    expect(led).toEqual(all.slice(0, 1_500).map(({ request }) => request.url));
  });

  it.each([
    ['history', 'type history'],
    ['transaction-response', 'type transaction-response'],
  ])('is refused with a reason when it is a %s', async (type, message) => {
    const [read] = await readings('answer.json', bundle(type, []));
    expect(read).toMatchObject({ place: 'Bundle.type', message: expect.stringContaining(message) as string });
  });
});

describe('a file with one resource', () => {
  it('is a transaction of one', async () => {
    const [sent] = await submissions('patient.json', patient('p1'));
    expect(requests(sent!)).toEqual(['PUT Patient/p1']);
    expect(sent!.places).toEqual(['']);
  });

  it.each([
    ['no resourceType', '{"name":"package"}', 'no resourceType'],
    ['an array', '[]', 'array'],
    ['text', 'resourceType: Patient', 'holds none'],
    ['half a resource', '{"resourceType":"Patient"', 'ends in the middle'],
    ['broken JSON', '{"resourceType":"Patient","a":tru}', 'not JSON'],
  ])('is refused with a reason when it holds %s', async (_, text, message) => {
    const [read] = await readings('wrong.json', text);
    expect(read).toMatchObject({ message: expect.stringContaining(message) as string });
  });
});

describe('a file with one resource a line', () => {
  const lines = [patient('p1'), patient('p2'), '', 'broken', patient(), patient('p1'), patient('p3')];
  const text = lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line))).join('\n');

  it('goes in batches that name nothing twice; a line without an id goes alone', async () => {
    const read = await readings('lines.ndjson', text);
    const sent = read.filter((one): one is Submission => 'body' in one);
    expect(sent.map(requests)).toEqual([
      ['PUT Patient/p1', 'PUT Patient/p2'],
      ['POST Patient'],
      ['PUT Patient/p1', 'PUT Patient/p3'],
    ]);
    expect(sent.map(({ places }) => places)).toEqual([
      ['line 1', 'line 2'],
      ['line 5'],
      ['line 6', 'line 7'],
    ]);
    expect(read).toContainEqual(expect.objectContaining({ place: 'line 4' }));
  });

  it('is the same gzipped, under whatever name', async () => {
    const plain = await readings('same.ndjson', text);
    const file = path.join(folder, 'same.ndjson.gz');
    writeFileSync(file, gzipSync(text));
    const bodies = (read: readonly (Submission | Unreadable)[]) =>
      read.map((one) => ('body' in one ? one.body : one.message));
    expect(bodies(await readAll(file))).toEqual(bodies(plain));
  });
});

async function submissions(name: string, content: unknown): Promise<Submission[]> {
  const read = await readings(name, content);
  expect(read.filter((one) => 'message' in one)).toEqual([]);
  return read as Submission[];
}

async function readings(name: string, content: unknown): Promise<(Submission | Unreadable)[]> {
  const file = path.join(folder, name);
  writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content));
  return readAll(file);
}

async function readAll(file: string): Promise<(Submission | Unreadable)[]> {
  const found = await findFiles([file]);
  if (found.kind === 'missing') throw new Error(`${file} is missing`);
  let bytes = 0;
  const read: (Submission | Unreadable)[] = [];
  for await (const one of readFile(found.files[0]!, (count) => (bytes += count))) read.push(one);
  expect(bytes).toBe(found.files[0]!.bytes);
  return read;
}

interface Entry {
  readonly fullUrl?: string;
  readonly request: { readonly method: string; readonly url: string };
  readonly resource: { readonly subject?: { readonly reference: string } };
}

function entries(submission: Submission): Entry[] {
  return (JSON.parse(submission.body) as { entry: Entry[] }).entry;
}

function requests(submission: Submission): string[] {
  return entries(submission).map(({ request }) => `${request.method} ${request.url}`);
}
