/**
 * One night in winter, told through HTTP: a call to 111, an out-of-hours doctor, an ambulance, a ward, a discharge, a letter. Each
 * professional signs in and sees, on the first page and the worklists of their own setting, what the one before recorded. The
 * systems of their organisations record who came and when, they themselves what they found and did.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startStack, type Answer, type Stack } from '../support/start-stack.ts';

let stack: Stack;
/** Of the log, after the last thing that was recorded. */
let position = 0;
/** Milliseconds from the answer to who recorded it to the page of who reads it. */
const waits = new Map<string, number>();

beforeAll(async () => {
  stack = await startStack();
  for (const it of [MARGARET, PENICILLIN, RAMIPRIL, NAPROXEN, LUNG_DISEASE]) await recorded(it);
});
afterAll(() => stack.remove());

describe('given Margaret, 84, of whom the practice knows an allergy, two medicines and a lung disease', () => {
  it('when she calls 111 in the evening, then the out-of-hours doctor who calls back sees the call and the allergy', async () => {
    await recorded(encounter('margarets-call', 'VR', 'RZY', -30, { type: [snomed('401267002', 'Telephone triage encounter')], status: 'finished', period: { start: hours(-30), end: hours(-29.8) } })); // prettier-ignore
    await recorded({ resourceType: 'Appointment', id: 'margarets-call-back', status: 'booked', created: hours(-29.8), start: hours(-29), end: hours(-28.5), participant: [{ actor: MARGARETS, status: 'accepted' }, { actor: { ...at('RZZ'), type: 'Location' }, status: 'accepted' }] }); // prettier-ignore
    const seen = await page('locum', 'urgent-care');
    expect(under(seen, 'Allergies and adverse reactions')).toEqual(['Allergy to penicillin']);
    expect(under(seen, 'Discharges and attendances in 90 days')).toEqual(['Telephone triage encounter']);
    expect(under(seen, 'Medicines')).toEqual(['Naproxen 500mg tablets', 'Ramipril 5mg capsules']);
    await records('locum', { resourceType: 'Condition', clinicalStatus: ACTIVE, code: snomed('195951007', 'Acute exacerbation of chronic obstructive airways disease'), subject: MARGARETS, recordedDate: hours(-28.5) }); // prettier-ignore
  });

  it('when he sends an ambulance, then its paramedic sees what he found, and her score puts her on the list of emergencies', async () => {
    await recorded(encounter('margarets-ambulance', 'FLD', 'RZY', -28));
    const seen = await page('paramedic', 'urgent-care');
    expect(under(seen, 'Problems')[0]).toContain('Acute exacerbation');
    expect(await worklist('paramedic', 'news2-emergency')).toEqual([]);
    for (const [code, display, value] of MEASURED)
      await records('paramedic', observation(code, display, { valueQuantity: { value } }));
    await records('paramedic', observation('722742002', 'Breathing room air', {}));
    await records('paramedic', observation('1104441000000107', 'ACVPU', { valueCodeableConcept: snomed('248234008', 'Mentally alert') })); // prettier-ignore
    expect(under(await page('paramedic', 'urgent-care'), 'Early warning score (NEWS2)')).toEqual(['NEWS2 10']); // prettier-ignore
    expect(await worklist('paramedic', 'news2-emergency')).toMatchObject([{ state: ['emergency'], text: 'NEWS2 10' }]); // prettier-ignore
    await expect.poll(() => tasks('news2-emergency'), WAITS).toHaveLength(1);
  });

  it('when she is admitted, then the ward sees the score on the way, the medicines and allergies of the practice, and has her in a bed', async () => {
    await recorded(encounter('margarets-ambulance', 'FLD', 'RZY', -28, { status: 'finished', period: { start: hours(-28), end: hours(-27) } })); // prettier-ignore
    await recorded(encounter('margarets-stay', 'IMP', 'RZZ', -27, { type: [snomed('32485007', 'Hospital admission')], hospitalization: { admitSource: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/admit-source', code: 'emd' }] } } })); // prettier-ignore
    const seen = await page('ed-doctor', 'acute');
    expect(under(seen, 'Medicines before admission')).toEqual(['Naproxen 500mg tablets', 'Ramipril 5mg capsules']); // prettier-ignore
    expect(under(seen, 'Allergies and adverse reactions')).toEqual(['Allergy to penicillin']);
    expect(under(seen, 'Early warning score (NEWS2)')).toEqual(['NEWS2 10']);
    expect(under(seen, 'This stay and the last 30 days in hospital')).toEqual(['Hospital admission']);
    expect(where(seen, 'AllergyIntolerance/margarets-penicillin')).toMatchObject({ organisation: 'QZZ', version: '1', recorded: expect.any(String), position: expect.any(String) }); // prettier-ignore
    expect(await worklist('ed-doctor', 'in-patients')).toMatchObject([{ item: 'Encounter/margarets-stay', state: ['in-patient'] }]); // prettier-ignore
    expect(await worklist('ed-doctor', 'discharge-clock')).toEqual([]);
    const elsewhere = under(await page('gp', 'general-practice'), 'Seen elsewhere in 90 days');
    expect(elsewhere).toContain('Hospital admission');
  });

  it('when she goes home with other medicines, then the clock runs, and nothing waits for an ambulance any more', async () => {
    const end = hours(-2);
    const order = (status: string, name: readonly [string, string], dose: string, more: object = {}) => ({ ...medicine('', name, dose, hours(-2.5)), status, encounter: { reference: 'Encounter/margarets-stay' }, category: [{ coding: [{ system: 'http://terminology.hl7.org/CodeSystem/medicationrequest-category', code: 'discharge' }] }], ...more }); // prettier-ignore
    await records('ed-doctor', order('active', ['325072002', 'Prednisolone 5mg tablets'], 'Six in the morning', { reasonCode: [{ text: 'Exacerbation of lung disease' }] })); // prettier-ignore
    await records('ed-doctor', order('active', RAMIPRIL_5, 'One at night'));
    await records('ed-doctor', order('stopped', NAPROXEN_500, '', { statusReason: { text: 'Kidney function' } })); // prettier-ignore
    await recorded(encounter('margarets-stay', 'IMP', 'RZZ', -27, { type: [snomed('32485007', 'Hospital admission')], status: 'finished', period: { start: hours(-27), end } })); // prettier-ignore
    const [waiting, ...others] = await worklist('ed-doctor', 'discharge-clock');
    expect(waiting).toMatchObject({
      item: 'Encounter/margarets-stay',
      state: ['awaiting-summary'],
      isOverdue: false,
    });
    expect([Date.parse(waiting!.due!) - Date.parse(end), others]).toEqual([86_400_000, []]);
    expect(await worklist('ed-doctor', 'in-patients')).toEqual([]);
    expect(await worklist('paramedic', 'news2-emergency')).toEqual([]);
    expect(await worklist('gp', 'letters-not-filed')).toEqual([]);
  });

  it('when the ward signs the letter within the day, then the clock stops, and the practice has a letter to file and a list to reconcile', async () => {
    const letter = { resourceType: 'Composition', status: 'preliminary', type: snomed('373942005', 'Discharge summary'), title: 'Discharge summary', date: hours(-1), subject: MARGARETS, encounter: { reference: 'Encounter/margarets-stay' }, author: [at('RZZ')] }; // prettier-ignore
    const id = await records('ed-doctor', letter);
    expect(await worklist('ed-doctor', 'discharge-clock')).toMatchObject([{ state: ['awaiting-signature'] }]);
    await recorded({ ...letter, id, status: 'final', date: hours(-0.5) }, 'ed-doctor');
    expect(await worklist('ed-doctor', 'discharge-clock')).toEqual([]);
    expect(await worklist('gp', 'letters-not-filed')).toMatchObject([{ item: `Composition/${id}`, isOverdue: false }]); // prettier-ignore
    const seen = await page('gp', 'general-practice');
    expect(under(seen, 'Letters and documents')).toEqual(['Discharge summary']);
    expect(changes(seen, 'Medicines changed in hospital')).toEqual([
      ['Naproxen 500mg tablets', 'stopped'],
      ['Prednisolone 5mg tablets', 'started'],
      ['Ramipril 5mg capsules', 'changed'],
    ]);
    await records('gp', { resourceType: 'Task', status: 'completed', intent: 'order', focus: { reference: `Composition/${id}` }, for: MARGARETS, authoredOn: hours(0), lastModified: hours(0) }); // prettier-ignore
    expect(await worklist('gp', 'letters-not-filed')).toEqual([]);
    expect(await tasks('discharge-summary-overdue')).toEqual([]);
  });

  it('and of the same night nobody has learned who has nothing to do with her', async () => {
    for (const [as, setting] of [
      ['crisis-worker', 'mental-health'],
      ['pharmacist', 'pharmacy'],
      ['community-nurse', 'community'],
    ] as const)
      expect((await stack.fhir('GET', `/Patient/margaret/$summary?profile=${setting}`, { as })).status).toBe(404); // prettier-ignore
  });

  it('and how long each of them waited is told', ({ annotate }) => {
    expect([...waits.keys()].toSorted()).toEqual(['ed-doctor acute', 'ed-doctor discharge-clock', 'ed-doctor in-patients', 'gp general-practice', 'gp letters-not-filed', 'locum urgent-care', 'paramedic news2-emergency', 'paramedic urgent-care']); // prettier-ignore
    const told = [...waits].map(([what, ms]) => `${what} ${ms.toFixed(0)} ms`);
    return annotate(`From record to page: ${told.join(', ')}`);
  });
});

const WAITS = { timeout: 10_000 };

/** ISO 8601: so many hours from when the story is told. */
const NOW = Date.now();
const hours = (count: number) => new Date(NOW + count * 3_600_000).toISOString();
const ODS = 'https://fhir.nhs.uk/Id/ods-organization-code';
const at = (code: string) => ({ type: 'Organization', identifier: { system: ODS, value: code } });
function snomed(code: string, display: string) {
  return { coding: [{ system: 'http://snomed.info/sct', code, display }], text: display };
}
const ACTIVE = { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/condition-clinical', code: 'active' }] }; // prettier-ignore
const MARGARETS = { reference: 'Patient/margaret' };

type Resource = { readonly resourceType: string; readonly id?: string } & Record<string, unknown>;

const MARGARET: Resource = { resourceType: 'Patient', id: 'margaret', name: [{ family: 'Winter', given: ['Margaret'] }], birthDate: '1942-01-20', generalPractitioner: [at('Y90001')] }; // prettier-ignore
const PENICILLIN: Resource = { resourceType: 'AllergyIntolerance', id: 'margarets-penicillin', clinicalStatus: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical', code: 'active' }] }, code: snomed('91936005', 'Allergy to penicillin'), patient: MARGARETS }; // prettier-ignore
const RAMIPRIL_5 = ['318859008', 'Ramipril 5mg capsules'] as const;
const NAPROXEN_500 = ['329652003', 'Naproxen 500mg tablets'] as const;
const RAMIPRIL = medicine('margarets-ramipril', RAMIPRIL_5, 'One in the morning', '2026-01-05');
const NAPROXEN = medicine('margarets-naproxen', NAPROXEN_500, 'One twice a day', '2026-01-05');
const LUNG_DISEASE: Resource = { resourceType: 'Condition', id: 'margarets-lung-disease', clinicalStatus: ACTIVE, code: snomed('13645005', 'Chronic obstructive lung disease'), subject: MARGARETS, onsetDateTime: '2015-03' }; // prettier-ignore

function medicine(id: string, name: readonly [string, string], dose: string, authoredOn: string): Resource {
  return {
    resourceType: 'MedicationRequest',
    ...(id !== '' && { id }),
    status: 'active',
    intent: 'order',
    medicationCodeableConcept: snomed(...name),
    subject: MARGARETS,
    authoredOn,
    ...(dose !== '' && { dosageInstruction: [{ text: dose }] }),
  };
}

function encounter(id: string, grade: string, by: string, from: number, more: object = {}): Resource {
  return {
    resourceType: 'Encounter',
    id,
    status: 'in-progress',
    class: { system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: grade },
    subject: MARGARETS,
    period: { start: hours(from) },
    serviceProvider: at(by),
    ...more,
  };
}

/** On the way: 3 + 3 + 1 + 2 + 1. */
const MEASURED = [
  ['86290005', 'Respiratory rate', 26],
  ['431314004', 'Peripheral oxygen saturation', 90],
  ['271649006', 'Systolic blood pressure', 108],
  ['364075005', 'Heart rate', 118],
  ['276885007', 'Core body temperature', 38.6],
] as const;

function observation(code: string, display: string, found: object): Resource {
  return {
    resourceType: 'Observation',
    status: 'final',
    code: snomed(code, display),
    subject: MARGARETS,
    encounter: { reference: 'Encounter/margarets-ambulance' },
    effectiveDateTime: hours(-27.5),
    ...found,
  };
}

/** Under the id that it has. */
async function recorded(resource: Resource, as = 'publisher'): Promise<void> {
  const path = `/${resource.resourceType}/${resource.id}`;
  kept(await stack.fhir('PUT', path, { as, body: resource }));
}

/** Under an id that the server chooses, which is given back. */
async function records(as: string, resource: Resource): Promise<string> {
  return kept(await stack.fhir('POST', `/${resource.resourceType}`, { ...signedIn(as), body: resource })).json
    .id;
}

/** The locum has another role at the practice. */
const signedIn = (as: string) => ({ as, ...(as === 'locum' && { limits: { role: '999101000008' } }) });

let keptAt = 0;
function kept(answer: Answer): Answer {
  if (answer.status !== 200 && answer.status !== 201) throw new Error(`${answer.status} ${answer.text}`);
  position = Number(answer.headers.get('carelog-position'));
  keptAt = performance.now();
  return answer;
}

/** Whatever gateway answers, it has everything that was recorded before. */
async function seenBy(as: string, path: string): Promise<Answer> {
  const answer = await stack.fhir('GET', path, signedIn(as));
  expect([as, answer.status, answer.status === 200 ? '' : answer.text]).toEqual([as, 200, '']);
  expect(Number(answer.headers.get('carelog-position'))).toBeGreaterThanOrEqual(position);
  const what = `${as} ${path.replace(/^.*?=(?:.*\|)?/, '').replace(/&.*/, '')}`;
  if (!path.startsWith('http')) waits.set(what, Math.max(waits.get(what) ?? 0, performance.now() - keptAt));
  return answer;
}

const page = (as: string, setting: string) => seenBy(as, `/Patient/margaret/$summary?profile=${setting}`);

interface Line {
  readonly display: string;
  readonly reference: string;
  readonly extension: readonly { readonly extension: readonly Record<string, string>[] }[];
}

function linesUnder({ json }: Answer, title: string): readonly Line[] {
  const section = json.entry[0].resource.section.find((it: { title: string }) => it.title === title);
  expect(section, `a section ${title}`).toBeDefined();
  return section.entry ?? [];
}

/** What stands under a heading, each thing once, whoever tells of it. */
const under = (answer: Answer, title: string) => [...new Set(linesUnder(answer, title).map((it) => it.display))].toSorted(); // prettier-ignore

/** Where a line says that it comes from. */
function where({ json }: Answer, reference: string): Record<string, unknown> {
  const lines: Line[] = json.entry[0].resource.section.flatMap((it: { entry?: Line[] }) => it.entry ?? []);
  const told = lines.find((it) => it.reference === reference)!.extension[0]!.extension;
  return Object.fromEntries(told.map(({ url, ...value }) => [url!, Object.values(value)[0]]));
}

function changes(answer: Answer, title: string): readonly (readonly [string, string])[] {
  const told = linesUnder(answer, title).map((it) => [it.display, where(answer, it.reference)['change'] as string] as const); // prettier-ignore
  return [...new Map(told)].toSorted(([a], [b]) => (a < b ? -1 : 1));
}

interface Waiting {
  readonly item: string;
  readonly state: readonly string[];
  readonly text: string;
  readonly due?: string;
  readonly isOverdue: boolean;
}

/** What waits about her, on whichever page of the list. */
async function worklist(as: string, name: string): Promise<readonly Waiting[]> {
  const waiting: Waiting[] = [];
  let path: string | undefined = `/List?code=https://fhir.carelog.example/CodeSystem/worklist|${name}`;
  while (path !== undefined) {
    const { json }: Answer = await seenBy(as, path);
    // eslint-disable-next-line @typescript-eslint/no-explicit-any
    for (const { item, flag, extension } of json.entry[0].resource.entry ?? ([] as any[])) {
      const of = (what: string) =>
        extension.find((it: { url: string }) => it.url.endsWith(`worklist-${what}`));
      const state = flag.coding.map(({ code }: { code: string }) => code);
      if (of('patient').valueReference.reference === MARGARETS.reference)
        waiting.push({ item: item.reference, state, text: flag.text, due: of('due')?.valueDateTime, isOverdue: of('overdue').valueBoolean }); // prettier-ignore
    }
    path = json.link.find((it: { relation: string }) => it.relation === 'next')?.url;
  }
  return waiting;
}

/** Raised about her. */
async function tasks(code: string): Promise<readonly unknown[]> {
  const { json } = await stack.fhir('GET', `/Task?patient=margaret&code=${code}`);
  return json.entry ?? [];
}
