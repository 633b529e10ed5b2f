/**
 * Turns one file into submissions. Transactions and batches go as they are; the entries of other Bundles, single
 * resources and lines become transactions and batches: `PUT` to the id a resource has, else `POST`.
 */
import path from 'node:path';
import type { SourceFile } from './files.ts';
import type { Piece } from './object-scanner.ts';
import type { Item, Submission } from './submission.ts';
import { NotAnObject, ObjectScanner, PIECE_LIMIT, membersOf } from './object-scanner.ts';
import { bundleOf, isUsableId, keyOf } from './submission.ts';
import { readBytes, readLines } from './files.ts';

/** A Bundle that is taken apart stays one transaction up to this size, so that its references hold together. */
const WHOLE = { entries: 2_000, bytes: 16 * 1024 * 1024 };
const PART = { entries: 200, bytes: 4 * 1024 * 1024 };

/** Bundle types whose entries are resources to be recorded. https://hl7.org/fhir/R4/valueset-bundle-type.html */
const TAKEN_APART = new Set(['collection', 'document', 'searchset', 'message']);

/** This file, or this place in it, cannot be sent; the message says why. */
export interface Unreadable {
  readonly file: string;
  readonly place: string;
  readonly message: string;
}
export type Read = Submission | Unreadable;

/** In the order of the file, holding no more of it than one submission. `onRead` hears of every stored byte, once. */
export async function* readFile(file: SourceFile, onRead: (bytes: number) => void): AsyncGenerator<Read> {
  try {
    if (file.lines) yield* fromLines(file, onRead);
    else yield* fromObject(file, onRead);
  } catch (error) {
    if (error instanceof SyntaxError) yield { file: file.path, place: '', message: 'The file is not JSON.' };
    else if (error instanceof NotAnObject) yield { file: file.path, place: '', message: error.message };
    else if (error instanceof Error && 'code' in error) {
      yield { file: file.path, place: '', message: `The file cannot be read (${String(error.code)}).` };
    } else throw error;
  }
}

async function* fromObject(file: SourceFile, onRead: (bytes: number) => void): AsyncGenerator<Read> {
  const outline = await outlineOf(file, onRead);
  const { resourceType, type, entries } = outline;
  const refuse = (place: string, message: string): Unreadable => ({ file: file.path, place, message });
  if (resourceType === undefined) {
    yield refuse('', 'There is no resourceType, so this is not a FHIR resource.');
  } else if (resourceType !== 'Bundle') {
    const text = await wholeText(file);
    yield* new Part(file, 'transaction', PART).alone({ ...itemOf(text), place: '' });
  } else if (type === 'transaction' || type === 'batch') {
    const body = await wholeText(file);
    const places = entries.map((_, index) => `entry ${index}`);
    yield { file: file.path, body, idempotencyKey: keyOf(path.basename(file.path), body), places };
  } else if (TAKEN_APART.has(type ?? '')) {
    yield* fromEntries(file, outline);
  } else {
    yield refuse('Bundle.type', `A Bundle of type ${type ?? '(none)'} is not something to record. Send a transaction, batch, collection, document, message or searchset.`); // prettier-ignore
  }
}

interface Outline {
  readonly resourceType?: string | undefined;
  readonly type?: string | undefined;
  readonly entries: readonly EntryHead[];
  /** Of all entries together. */
  readonly bytes: number;
}
interface EntryHead {
  readonly type: string;
  readonly id?: string | undefined;
  readonly fullUrl?: string | undefined;
}

/** First reading: what the file is, and what its entries are called. */
async function outlineOf(file: SourceFile, onRead: (bytes: number) => void): Promise<Outline> {
  const entries: EntryHead[] = [];
  const named: Record<string, unknown> = {};
  let bytes = 0;
  for await (const piece of piecesOf(file, onRead)) {
    const value: unknown = JSON.parse(piece.text);
    if (piece.kind === 'element') {
      const { resource, fullUrl } = (value ?? {}) as {
        resource?: { resourceType?: string; id?: string };
        fullUrl?: string;
      };
      entries.push({ type: resource?.resourceType ?? '', id: resource?.id, fullUrl });
      bytes += piece.text.length;
    } else if (piece.name === 'resourceType' || piece.name === 'type') named[piece.name] = value;
  }
  const text = (name: string): string | undefined =>
    typeof named[name] === 'string' ? named[name] : undefined;
  return { resourceType: text('resourceType'), type: text('type'), entries, bytes };
}

/** Second reading: the entries as one transaction where they fit, else as several. */
async function* fromEntries(file: SourceFile, { entries, bytes }: Outline): AsyncGenerator<Submission> {
  const whole = entries.length <= WHOLE.entries && bytes <= WHOLE.bytes;
  const nameAt = (index: number): EntryName =>
    nameOf(entries[index]!, whole, () => keyOf(path.basename(file.path), `entry ${index}`));
  const renamed = new Map<string, string>();
  entries.forEach((head, index) => {
    for (const called of calledBefore(head, whole)) renamed.set(called, nameAt(index).reference);
  });
  const part = new Part(file, 'transaction', whole ? WHOLE : PART);
  for await (const piece of piecesOf(file)) {
    if (piece.kind !== 'element') continue;
    const members = membersOf(piece.text);
    const resource = members.get('resource');
    if (resource === undefined || /"outcome"/.test(members.get('search') ?? '')) continue;
    const { reference: _, ...name } = nameAt(piece.index);
    const { type } = entries[piece.index]!;
    yield* part.add({
      text: withReferences(resource, renamed),
      type,
      place: `entry ${piece.index}`,
      ...name,
    });
  }
  yield* part.rest();
}

interface EntryName {
  readonly id?: string;
  readonly fullUrl?: string;
  readonly reference: string;
}

/** What an entry is to be called: its id where it can keep it; else a name within the transaction, or an id made for it. */
function nameOf({ type, id, fullUrl }: EntryHead, whole: boolean, make: () => string): EntryName {
  const url = fullUrl !== undefined && /^(urn:|https?:)/.test(fullUrl) ? fullUrl : undefined;
  if (isUsableId(id))
    return { id, reference: `${type}/${id}`, ...(whole && url !== undefined && { fullUrl: url }) };
  if (!whole) {
    const made = make();
    return { id: made, reference: `${type}/${made}` };
  }
  const name = url ?? `urn:uuid:${make()}`;
  return { fullUrl: name, reference: name };
}

/** By what names references of the file mean this entry, where the server would not know them. */
function calledBefore({ type, id, fullUrl }: EntryHead, whole: boolean): string[] {
  const called: string[] = [];
  if (id !== undefined && !isUsableId(id)) called.push(`${type}/${id}`);
  if (!whole && fullUrl !== undefined) called.push(fullUrl);
  return called;
}

function withReferences(text: string, renamed: ReadonlyMap<string, string>): string {
  if (renamed.size === 0) return text;
  return text.replace(
    /("reference"\s*:\s*")([^"\\]+)(")/g,
    (same, before: string, reference: string, after: string) => {
      const name = renamed.get(reference);
      return name === undefined ? same : `${before}${name}${after}`;
    },
  );
}

/** Lines with ids go in batches, in which each stands for itself; a line without one goes alone, under a key of its own. */
async function* fromLines(file: SourceFile, onRead: (bytes: number) => void): AsyncGenerator<Read> {
  const part = new Part(file, 'batch', PART);
  for await (const { number, text } of readLines(await readBytes(file.path, onRead))) {
    const place = `line ${number}`;
    const item = lineItem(text);
    if (item === undefined)
      yield { file: file.path, place, message: 'The line is not a FHIR resource as JSON.' };
    else if (item.type === 'Bundle' && /^(transaction|batch)$/.test(item.bundleType ?? '')) {
      yield* part.rest();
      yield {
        file: file.path,
        body: text,
        idempotencyKey: keyOf(`${path.basename(file.path)} ${place}`, text),
        places: [],
      };
    } else if (item.id === undefined) {
      yield* part.rest();
      yield* part.alone({ ...item, place });
    } else yield* part.add({ ...item, place });
  }
  yield* part.rest();
}

function lineItem(text: string): ReturnType<typeof itemOf> | undefined {
  try {
    const item = itemOf(text);
    return item.type === '' ? undefined : item;
  } catch {
    return undefined;
  }
}

function itemOf(text: string): Omit<Item, 'place'> & { readonly bundleType?: string } {
  const { resourceType, id, type } = JSON.parse(text) as Record<string, unknown>;
  return {
    text,
    type: typeof resourceType === 'string' ? resourceType : '',
    ...(isUsableId(id) && { id }),
    ...(typeof type === 'string' && { bundleType: type }),
  };
}

/** Gathers items into Bundles of a limited size, none of which names the same resource twice. */
class Part {
  readonly #file: SourceFile;
  readonly #type: 'transaction' | 'batch';
  readonly #limit: { readonly entries: number; readonly bytes: number };
  #items: Item[] = [];
  #bytes = 0;
  readonly #named = new Set<string>();

  constructor(
    file: SourceFile,
    type: 'transaction' | 'batch',
    limit: { readonly entries: number; readonly bytes: number },
  ) {
    this.#file = file;
    this.#type = type;
    this.#limit = limit;
  }

  *add(item: Item): Generator<Submission> {
    const name = `${item.type}/${item.id}`;
    const full =
      this.#items.length >= this.#limit.entries || this.#bytes + item.text.length > this.#limit.bytes;
    if (full || (item.id !== undefined && this.#named.has(name))) yield* this.rest();
    this.#items.push(item);
    this.#bytes += item.text.length;
    if (item.id !== undefined) this.#named.add(name);
  }

  *rest(): Generator<Submission> {
    if (this.#items.length > 0) yield this.#submission(this.#items);
    this.#items = [];
    this.#bytes = 0;
    this.#named.clear();
  }

  *alone(item: Item): Generator<Submission> {
    yield this.#submission([item]);
  }

  #submission(items: readonly Item[]): Submission {
    const body = bundleOf(items.length === 1 ? 'transaction' : this.#type, items);
    const place = `${path.basename(this.#file.path)} ${items[0]!.place}`;
    return {
      file: this.#file.path,
      body,
      idempotencyKey: keyOf(place, body),
      places: items.map((item) => item.place),
    };
  }
}

async function* piecesOf(file: SourceFile, onRead?: (bytes: number) => void): AsyncGenerator<Piece> {
  const scanner = new ObjectScanner('entry');
  for await (const bytes of await readBytes(file.path, onRead)) yield* scanner.push(bytes);
  scanner.end();
}

async function wholeText(file: SourceFile): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of await readBytes(file.path)) {
    chunks.push(chunk);
    if ((length += chunk.length) > PIECE_LIMIT) throw new NotAnObject('The file is larger than 64 MB and cannot be sent in one piece. Split it, or give a collection.'); // prettier-ignore
  }
  return Buffer.concat(chunks)
    .toString()
    .replace(/^\uFEFF/, '');
}
