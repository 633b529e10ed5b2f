/**
 * The table of who sees what, over notifications: what a subscriber is told of an event, with the resource in it, is what they would
 * be shown if they read it, and of the rest nothing but a number. Expectations are those of test/support/access-table.ts.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { askers, background, kinds, OPENED, seen, type Asker, type Json, type Kind, type Outcome } from '../support/access-table.ts'; // prettier-ignore
import { websocket } from '../support/some-subscriptions.ts';
import { untilToldOf } from '../support/told-events.ts';
import { startEmptyStack, type Answer, type Stack } from '../support/start-stack.ts';

let stack: Stack;
/** Of each persona that may have one. */
const subscriptions = new Map<string, string>();
let cells = 0;

const at = ({ resource: { resourceType, id } }: Kind): string => `${resourceType}/${id}`;
const outcomeOf = (asker: Asker, kind: Kind): Outcome => seen.get(kind.name)![askers.indexOf(asker)]!;
const isShown = (outcome: Outcome): boolean => outcome === '+' || outcome === '~';

/** An app of somebody may read their subscriptions beside what it is for. */
function ask({ persona, limits = {} }: Asker, method: string, path: string, body?: object): Promise<Answer> {
  const { scope, ...rest } = limits;
  const level = persona === 'publisher' ? 'system' : 'user';
  const scopes = scope === undefined ? {} : { scope: `${scope} ${level}/Subscription.cruds` };
  return stack.fhir(method, path, { as: persona, limits: { ...rest, ...scopes }, body });
}

async function must(status: number, answer: Promise<Answer>): Promise<Answer> {
  const got = await answer;
  if (got.status !== status) throw new Error(`${got.status} ${got.text}`);
  return got;
}

beforeAll(async () => {
  stack = await startEmptyStack();
  const everything = websocket({ topic: 'everything', content: 'full-resource' });
  for (const persona of new Set(askers.map((it) => it.persona))) {
    const { status, json } = await stack.fhir('POST', '/Subscription', { as: persona, body: everything });
    if (status === 201) subscriptions.set(persona, json.id as string);
  }
  const glass = [{ name: 'reason', valueCode: 'emergency' }, { name: 'text', valueString: 'Found collapsed' }]; // prettier-ignore
  await put(background);
  await must(200, stack.fhir('POST', `/Patient/${OPENED}/$break-glass`, { as: 'ed-doctor', body: { resourceType: 'Parameters', parameter: glass } })); // prettier-ignore
  // Once more: of what came before the glass was broken nobody was told who broke it.
  await put(kinds.map(({ resource }) => ({ ...resource, language: 'en-GB' })));
  await put([{ resourceType: 'Organization', id: 'last', name: 'What everybody is told of' }]);
  for (const [as, id] of subscriptions) await untilToldOf(stack, id, 'Organization/last', as);
});
afterAll(() => stack.remove());

async function put(resources: readonly Json[]): Promise<void> {
  const entry = resources.map((resource) => ({ resource, request: { method: 'PUT', url: `${resource.resourceType}/${resource.id}` } })); // prettier-ignore
  await must(200, stack.fhir('POST', '', { body: { resourceType: 'Bundle', type: 'transaction', entry } }));
}

interface Told {
  /** By `Type/id`, as the body came. */
  readonly bodies: ReadonlyMap<string, unknown>;
  readonly named: ReadonlySet<string>;
  readonly numbers: readonly number[];
}

async function toldTo(asker: Asker, id: string, content = 'full-resource'): Promise<Told> {
  const bodies = new Map<string, unknown>();
  const named = new Set<string>();
  const numbers: number[] = [];
  for (let path: string | undefined = `/Subscription/${id}/$events?content=${content}`; path !== undefined;) {
    const { json } = await must(200, ask(asker, 'GET', path));
    const [status, ...entries] = json.entry as { fullUrl: string; resource?: { parameter: Parameter[] } }[];
    for (const { fullUrl, resource } of entries) bodies.set(fullUrl.replace(`${stack.base}/`, ''), resource);
    for (const { name, part = [] } of status!.resource!.parameter)
      for (const { name: what, valueString, valueReference } of name === 'notification-event' ? part : []) {
        if (what === 'event-number') numbers.push(Number(valueString));
        if (what === 'focus') named.add(valueReference!.reference.replace(`${stack.base}/`, ''));
      }
    path = json.link?.find(({ relation }: { relation: string }) => relation === 'next')?.url as string | undefined; // prettier-ignore
  }
  return { bodies, named, numbers };
}

interface Parameter {
  readonly name: string;
  readonly valueString?: string;
  readonly valueReference?: { readonly reference: string };
  readonly part?: readonly Parameter[];
}

it('subscriptions are for systems and for whoever may record', () => {
  const may = [...subscriptions.keys()];
  expect(may).toEqual(expect.arrayContaining(['publisher', 'gp', 'ed-doctor', 'paramedic', 'community-nurse', 'crisis-worker', 'social-worker', 'pharmacist'])); // prettier-ignore
  for (const persona of ['patient', 'auditor', 'operator', 'privacy-officer'])
    expect(may).not.toContain(persona);
});

const subscribers = askers.filter(({ persona }) => !['patient', 'auditor', 'operator', 'privacy-officer'].includes(persona)); // prettier-ignore

describe.each(subscribers.map((asker) => [asker.name, asker] as const))('%s', (_, asker) => {
  it('is told with an event what a read shows, and of the rest a number', async () => {
    const id = subscriptions.get(asker.persona)!;
    const { bodies, named, numbers } = await toldTo(asker, id);
    expect(numbers).toEqual(numbers.map((_number, place) => place + 1));
    if (asker.name === 'publisher') expect(numbers.length).toBeGreaterThan(kinds.length);
    const wrong: string[] = [];
    for (const kind of kinds) {
      const outcome = outcomeOf(asker, kind);
      const read = await ask(asker, 'GET', `/${at(kind)}`);
      const [is, should] = [bodies.get(at(kind)), read.status === 200 ? read.json : undefined];
      cells += 1;
      if (JSON.stringify(is) !== JSON.stringify(should)) wrong.push(`${kind.name} (${outcome}): ${JSON.stringify(is)}`); // prettier-ignore
      if (isShown(outcome) !== (is !== undefined))
        wrong.push(`${kind.name} (${outcome}): told ${is !== undefined}`);
      if (named.has(at(kind)) !== isShown(outcome)) wrong.push(`${kind.name} (${outcome}): named`);
    }
    expect(wrong).toEqual([]);
  });

  it('is told by references alone of what may be read, and of nothing where nothing is asked for', async () => {
    const id = subscriptions.get(asker.persona)!;
    const full = await toldTo(asker, id);
    const short = await toldTo(asker, id, 'id-only');
    expect([[...short.named], short.bodies.size]).toEqual([[...full.named], 0]);
    const empty = await toldTo(asker, id, 'empty');
    expect([empty.named.size, empty.bodies.size, empty.numbers]).toEqual([0, 0, full.numbers]);
    cells += 2;
  });
});

it('the reason is in the access log, with whoever it is of', async () => {
  const gp = askers.find(({ name }) => name === 'gp')!;
  await toldTo(gp, subscriptions.get('gp')!);
  const { json } = await must(200, stack.fhir('GET', '/AuditEvent?patient=own&_count=1', { as: 'auditor' }));
  expect(json.entry[0].resource.outcomeDesc).toBe('redacted: direct-care');
});

it('was gone over in at least 300 cells', () => expect(cells).toBeGreaterThanOrEqual(300));
