/** A care setting's page as a Composition: headings, one entry for every source of every line, and a text for people. */
import { randomUUID } from 'node:crypto';
import type { CareSetting, Item, Placed, Section } from '@carelog/read-models';

export interface PageToCompose {
  readonly setting: CareSetting;
  /** `Patient/id`. */
  readonly patient: string;
  readonly sections: readonly Section[];
  /** Whether the resource stands in the document. */
  readonly isShown: (stream: string) => boolean;
  /** Something is kept from the reader, who may know that it is. */
  readonly isWithheld: boolean;
  /** Something of what is shown of the resource is kept from the reader, who may know that it is. */
  readonly isInPart: (stream: string) => boolean;
  /** Events of this person were set aside. */
  readonly isIncomplete: boolean;
  /** More records are linked with this one than are read as one. */
  readonly isReadAlone: boolean;
  /** Of the log, that the page reflects. */
  readonly position: number;
}

const EXTENSION = 'https://fhir.carelog.example/StructureDefinition/';

/** https://hl7.org/fhir/R4/composition.html */
export function compositionOf({
  setting,
  patient,
  sections,
  isShown,
  isWithheld,
  isInPart,
  isIncomplete,
  isReadAlone,
  position,
}: PageToCompose) {
  // Persons read who told of it by the organisation: ids of authors are words to nobody but staff.
  const reading = { isShown, isInPart, namesAuthors: setting.name !== 'patient' };
  const notes = [...(isWithheld ? [WITHHELD] : []), ...(isIncomplete ? [INCOMPLETE] : [])];
  if (isReadAlone) notes.push(READ_ALONE);
  return {
    resourceType: 'Composition',
    id: randomUUID(),
    meta: { profile: [`${EXTENSION}summary-${setting.name}`] },
    extension: [
      { url: `${EXTENSION}log-position`, valueString: String(position) },
      { url: `${EXTENSION}withheld`, valueBoolean: isWithheld },
      { url: `${EXTENSION}incomplete`, valueBoolean: isIncomplete || isReadAlone },
    ],
    text: {
      status: 'generated',
      div: div([`<p>${escaped(setting.title)}</p>`, ...notes.map((it) => `<p>${it}</p>`)]),
    },
    status: isIncomplete || isReadAlone ? 'preliminary' : 'final',
    type: { coding: [{ system: 'http://loinc.org', code: '60591-5', display: 'Patient summary Document' }] },
    subject: { reference: patient },
    date: new Date().toISOString(),
    author: [{ display: 'Carelog' }],
    title: setting.title,
    section: sections.map((it) => sectionOf(it, reading)),
  };
}

const WITHHELD = 'Some information about this person is withheld from this view.';
const INCOMPLETE = 'Some information about this person could not be read yet. This view may lack it.';
const READ_ALONE = 'More records are linked with this one than one person can have. This view lacks what they say.'; // prettier-ignore

const EMPTY = { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/list-empty-reason', code: 'unavailable', display: 'Unavailable' }] }; // prettier-ignore
/** What people read where there is nothing. */
const EMPTY_TEXT = 'Nothing is recorded. Nobody has said that there is none.';

interface Reading extends Pick<PageToCompose, 'isShown' | 'isInPart'> {
  readonly namesAuthors: boolean;
}

function sectionOf({ code, title, items, empty }: Section, reading: Reading) {
  const lines = items.map((item) => ({
    item,
    sources: item.sources.filter(({ stream }) => reading.isShown(stream)),
  }));
  const rows = lines.map(({ item, sources }) => row(item, sources, reading));
  const table = `<table><thead><tr><th>What</th><th>Detail</th><th>When</th><th>From</th></tr></thead><tbody>${rows.join('')}</tbody></table>`;
  const entry = lines.flatMap(
    ({ item, sources }) =>
    sources.map((source, at) => entryOf(item, source, { isSame: at > 0, isInPart: reading.isInPart(source.stream) })), // prettier-ignore
  );
  return {
    title,
    code: { coding: [code] },
    text: { status: 'generated', div: div([empty === undefined ? table : `<p>${EMPTY_TEXT}</p>`]) },
    ...(entry.length > 0 && { entry }),
    ...(empty !== undefined && { emptyReason: EMPTY }),
  };
}

/** `isSame`: tells of the same thing as the entry before. */
function entryOf(
  item: Item,
  { stream, version, source }: Placed,
  { isSame, isInPart }: { readonly isSame: boolean; readonly isInPart: boolean },
) {
  const facts = [
    ...(source.event === '' ? [] : [{ url: 'event', valueString: source.event }]),
    { url: 'position', valueString: String(source.position) },
    { url: 'version', valueString: String(version) },
    { url: 'organisation', valueString: source.organisation },
    ...(source.author === undefined ? [] : [{ url: 'author', valueString: source.author }]),
    { url: 'occurred', valueDateTime: source.occurredAt },
    { url: 'recorded', valueInstant: source.recordedAt },
    ...(isSame ? [{ url: 'sameAsBefore', valueBoolean: true }] : []),
    ...(item.differs === undefined ? [] : [{ url: 'differs', valueString: item.differs }]),
    ...(item.change === undefined ? [] : [{ url: 'change', valueCode: item.change }]),
    ...(item.inTransit === true ? [{ url: 'inTransit', valueBoolean: true }] : []),
    ...(item.urgent === true ? [{ url: 'urgent', valueBoolean: true }] : []),
    ...(isInPart ? [{ url: 'withheld', valueBoolean: true }] : []),
  ];
  return {
    extension: [{ url: `${EXTENSION}where-from`, extension: facts }],
    reference: stream,
    display: item.text,
  };
}

function row(item: Item, sources: readonly Placed[], { isInPart, namesAuthors }: Reading): string {
  const { fact } = item.sources[0];
  const when = [fact.from, fact.to].filter((it) => it !== undefined).join(' to ');
  const from = sources.map(
    ({ source: { organisation, author, recordedAt } }) =>
    [organisation, namesAuthors ? author : undefined, `recorded ${recordedAt.slice(0, 16).replace('T', ' ')}`].filter((it) => it !== undefined).join(', '), // prettier-ignore
  );
  const detail = [
    item.detail,
    item.change,
    item.differs,
    item.inTransit === true ? 'more is to come' : undefined,
    sources.some(({ stream }) => isInPart(stream)) ? 'some of it is withheld' : undefined,
  ];
  const cells = [item.text, detail.filter((it) => it !== undefined).join('; '), when, from.join('; ')];
  return `<tr>${cells.map((it) => `<td>${escaped(it)}</td>`).join('')}</tr>`;
}

const div = (parts: readonly string[]) => `<div xmlns="http://www.w3.org/1999/xhtml">${parts.join('')}</div>`;

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
// Control characters have no place in XHTML.
const escaped = (text: string) =>
  text.replace(/[&<>"\u0000-\u0008\u000b\u000c\u000e-\u001f]/g, (it) => ENTITIES[it] ?? '');
