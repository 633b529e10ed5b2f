/** Who looked: AuditEvents out of the access log, for auditors, and for patients about their own record. https://hl7.org/fhir/R4/auditevent.html */
import { noCallerFacts, type AccessBasis, type ScopeLimit } from '@carelog/access';
import {
  isHiddenFromPatients,
  type AccessCursor,
  type AccessPlace,
  type AccessQuery,
  type FoundAccess,
} from '@carelog/access-log';
import {
  nhsNumberSystem,
  parseSearch,
  type DateComparison,
  type Problem,
  type SearchCondition,
} from '@carelog/fhir';
import { allow, standingOf, unknown } from '../access.ts';
import { auditEventOf, type AuditFacts } from '../audit-event.ts';
import { caughtUp } from '../consistency.ts';
import { cursorOf } from '../cursor.ts';
import { refuse, Refusal, type FhirAnswer, type FhirRequest, type Gateway } from '../gateway.ts';
import { bundleAnswer } from './bundles.ts';
import { askedIn, COUNT_DEFAULT } from './search.ts';

/** To a system an AuditEvent is what other systems recorded as one: a resource of the record. */
export function readsAccessLog({ caller }: FhirRequest): boolean {
  return caller.kind !== 'system';
}

/** `patient`, `date`, `agent:identifier` and paging; newest first. `within`: id of the Patient whose compartment it is. */
export async function searchAuditEvents(
  gateway: Gateway,
  request: FhirRequest,
  within?: string,
): Promise<FhirAnswer | Refusal> {
  const reader = await readerOf(gateway, request, 'search');
  if (reader instanceof Refusal) return reader;
  const parsed = parseSearch('AuditEvent', askedIn(request), { base: request.base });
  const conditions = queryOf(parsed.query.conditions);
  const wrong = [...parsed.problems, ...parsed.unknown, ...conditions.problems];
  if (parsed.includes.length > 0 || parsed.query.sort !== undefined) wrong.push(NOT_SUPPORTED);
  if (wrong.length > 0) return new Refusal(wrong);
  const cursor = cursorOf(gateway, request);
  if (cursor instanceof Refusal) return cursor;
  const { own, isPatient } = reader;
  const asked = within === undefined ? conditions.query.patients : both([within], conditions.query.patients);
  const patients = asked ?? own;
  const isOther = patients?.some((id) => own?.includes(id) === false) === true;
  const query: AccessQuery = {
    ...conditions.query,
    ...(patients !== undefined && { patients }),
    hiddenToo: !isPatient,
    count: parsed.countOnly ? 0 : (parsed.count ?? COUNT_DEFAULT),
    counted: parsed.countOnly || parsed.total === 'accurate',
    ...(cursor !== undefined && { after: cursor as unknown as AccessCursor }),
  };
  const answer = isOther ? { found: [], total: 0 } : await gateway.accessLog.find(query);
  if (answer === undefined) return LATER;
  if (query.counted === true && answer.total === undefined) return TOO_MANY;
  const facts = new Facts(gateway, request.base, isPatient);
  const events = [];
  for (const access of answer.found) events.push(auditEventOf(access, await facts.of(access)));
  const entries = events.map((resource) =>
    JSON.stringify({ fullUrl: `${request.base}/AuditEvent/${String(resource['id'])}`, resource, search: { mode: 'match' } }),
  ); // prettier-ignore
  return bundleAnswer(gateway, request, {
    type: 'searchset',
    notes: [],
    basis: reader.basis,
    page: {
      entries: entries.length === 0 ? [] : [Buffer.from(entries.join(','))],
      count: entries.length,
      shown: shownOf(answer.found),
      incomplete: [],
      ...(answer.next !== undefined && { next: answer.next }),
      ...(answer.total !== undefined && { total: answer.total }),
    },
  });
}

export async function readAuditEvent(
  gateway: Gateway,
  request: FhirRequest,
  id: string,
): Promise<FhirAnswer | Refusal> {
  const reader = await readerOf(gateway, request, 'read');
  if (reader instanceof Refusal) return reader;
  const place = id.split('-').map(Number) as unknown as AccessPlace;
  if (!/^[1-9]\d{0,14}-\d{1,9}-\d{1,9}$/.test(id)) return unknown('AuditEvent');
  const access = await gateway.accessLog.read(place);
  if (access === undefined) return LATER;
  const { own, isPatient } = reader;
  if (access === 'missing') return unknown('AuditEvent');
  const isOwn = own === undefined || own.includes(access.record.patients[access.index] ?? '');
  if (!isOwn || (isPatient && isHiddenFromPatients(access.record))) return unknown('AuditEvent');
  const facts = await new Facts(gateway, request.base, isPatient).of(access);
  const body = JSON.stringify(auditEventOf(access, facts));
  return { status: 200, body, shown: shownOf([access]), basis: reader.basis };
}

const TOO_MANY = refuse({
  category: 'too-large',
  code: 'too-costly',
  message: 'There are too many accesses to count them. Narrow the search by patient, date or agent:identifier alone, or page through them.',
}); // prettier-ignore

const LATER = refuse(
  {
    category: 'unavailable',
    code: 'transient',
    message: 'The access log cannot be looked through just now. Try again in a moment; operators see why in the log.',
  },
  { 'retry-after': '1' },
); // prettier-ignore

// That somebody looked at who looked is an access of these patients; the AuditEvents are no events of the activity log.
function shownOf(found: readonly FoundAccess[]) {
  const patients = found.flatMap(({ record, index }) => record.patients[index] ?? []);
  return { versions: '', patients: [...new Set(patients)] };
}

interface Reader {
  readonly basis: AccessBasis;
  /** The only patients whose accesses are for this reader; absent where all are. */
  readonly own?: readonly string[];
  /** Reads about themselves: in plain words, and not what is hidden from patients. */
  readonly isPatient: boolean;
}

async function readerOf(
  gateway: Gateway,
  request: FhirRequest,
  action: 'search' | 'read',
): Promise<Reader | Refusal> {
  const behind = await caughtUp(gateway);
  if (behind !== undefined) return behind;
  const { caller } = request;
  const isPatient = caller.kind === 'patient';
  const { own } = isPatient ? await standingOf(gateway, caller) : noCallerFacts;
  const allowed = allow(gateway, caller, action, 'AuditEvent', { ...noCallerFacts, own });
  if (allowed instanceof Refusal) return allowed;
  const { basis, viewer } = allowed;
  const launched = launchedFor(viewer.restriction.scopes);
  if (isPatient) return { basis, isPatient, own: both(own, launched) ?? [] };
  return { basis, isPatient, ...(launched !== undefined && { own: launched }) };
}

/** Whom the scopes of an app leave; undefined for everybody. A scope with conditions leaves nobody: they are not looked for here. */
function launchedFor(scopes: readonly ScopeLimit[] | undefined): readonly string[] | undefined {
  const plain = scopes?.filter(({ where }) => where.length === 0);
  if (plain?.some(({ patient }) => patient === undefined) === true) return undefined;
  return plain?.flatMap(({ patient }) => patient ?? []);
}

const NOT_SUPPORTED: Problem = {
  category: 'incorrect',
  code: 'not-supported',
  message:
    'The access log is searched by patient, date and agent:identifier, newest first, with _count. Leave other parameters out.',
};

function queryOf(conditions: readonly SearchCondition[]): {
  query: Pick<AccessQuery, 'patients' | 'agent' | 'since' | 'until'>;
  problems: Problem[];
} {
  let query: Pick<AccessQuery, 'patients' | 'agent' | 'since' | 'until'> = {};
  const problems: Problem[] = [];
  for (const condition of conditions) {
    const part = partOf(condition);
    if (part === undefined) problems.push({ ...NOT_SUPPORTED, expression: 'parameter' in condition ? condition.parameter : 'AuditEvent' }); // prettier-ignore
    const since = Math.max(query.since ?? 0, part?.since ?? 0);
    const until = Math.min(query.until ?? Infinity, part?.until ?? Infinity);
    const patients = both(query.patients, part?.patients);
    query = {
      ...query,
      ...part,
      ...(patients && { patients }),
      ...(since > 0 && { since }),
      ...(until < Infinity && { until }),
    };
  }
  return { query, problems };
}

/** Of what is in each of the lists that there are. */
function both(one: readonly string[] | undefined, other: readonly string[] | undefined) {
  return one === undefined ? other : one.filter((id) => other?.includes(id) !== false);
}

function partOf(
  condition: SearchCondition,
): Pick<AccessQuery, 'patients' | 'agent' | 'since' | 'until'> | undefined {
  if (
    condition.kind === 'reference' &&
    (condition.parameter === 'patient' || condition.parameter === 'entity')
  ) {
    const [value, ...others] = condition.values;
    const id = /^Patient\/([^/]+)$/.exec(value?.target ?? '')?.[1];
    return others.length > 0 || id === undefined ? undefined : { patients: [id] };
  }
  if (condition.kind === 'identifier' && condition.parameter === 'agent') {
    const [value, ...others] = condition.values;
    return others.length > 0 || value?.code === undefined ? undefined : { agent: value.code };
  }
  if (condition.kind === 'date' && condition.values.length === 1) return spanOf(condition.values[0]!);
  return undefined;
}

/** Both ends inside, as comparisons of an instant with a range have them. */
function spanOf({ prefix, low, high }: DateComparison): { since?: number; until?: number } | undefined {
  switch (prefix) {
    case 'eq':
      return { since: low, until: high };
    case 'ge':
      return { since: low };
    case 'gt':
    case 'sa':
      return { since: high + 1 };
    case 'le':
      return { until: high };
    case 'lt':
    case 'eb':
      return { until: low - 1 };
    default:
      return undefined;
  }
}

const VERSIONS_MAX = 200;

/** What the record and the activity log say about accesses; each thing is looked up once for an answer. */
class Facts {
  readonly #gateway: Gateway;
  readonly #base: string;
  readonly #forPatient: boolean;
  readonly #known = new Map<string, Promise<unknown>>();

  constructor(gateway: Gateway, base: string, forPatient: boolean) {
    this.#gateway = gateway;
    this.#base = base;
    this.#forPatient = forPatient;
  }

  async of({ record, index }: FoundAccess): Promise<AuditFacts> {
    const { who } = record;
    const patient = record.patients[index];
    const [versions, person, organisation, nhsNumber] = await Promise.all([
      this.#versions(record.shown, patient),
      who.kind === 'staff' ? this.#named('Practitioner', 'https://fhir.nhs.uk/Id/sds-user-id', who.subject) : undefined, // prettier-ignore
      this.#named('Organization', 'https://fhir.nhs.uk/Id/ods-organization-code', who.organisation),
      patient === undefined ? undefined : this.#once(`number ${patient}`, () => this.#nhsNumber(patient)),
    ]);
    return {
      base: this.#base,
      types: versions.filter(({ isOpen }) => isOpen).map(({ stream }) => stream.slice(0, stream.indexOf('/'))),
      ...(!this.#forPatient && { versions: versions.map(({ stream, revision }) => `${stream}/_history/${revision}`) }),
      ...(person !== undefined && { person }),
      ...(organisation !== undefined && { organisation }),
      ...(nhsNumber !== undefined && { nhsNumber }),
    }; // prettier-ignore
  }

  /** What was shown of this patient, or to whom nothing is known of it: a page of many people names them all. */
  async #versions(shown: string, patient: string | undefined) {
    const positions = shown === '' ? [] : shown.split(',', VERSIONS_MAX).map(Number);
    const partition = patient === undefined ? undefined : await this.#once(`partition ${patient}`, () => this.#partition(patient)); // prettier-ignore
    const versions = [];
    for (const position of positions) {
      const [event] = await this.#gateway.log.readAll({ after: position - 1, limit: 1 });
      if (event === undefined) continue;
      const isTheirs = event.partition === partition;
      if (partition !== undefined && !isTheirs && event.partition !== 'shared') continue;
      const { stream, revision, labels } = event;
      versions.push({ stream, revision, isOpen: isTheirs && labels.length === 0 });
    }
    return versions;
  }

  async #partition(patient: string): Promise<string | undefined> {
    return (await this.#gateway.log.readStream(`Patient/${patient}`, { limit: 1 }))[0]?.partition;
  }

  async #nhsNumber(patient: string): Promise<string | undefined> {
    const answer = await this.#gateway.record.read('Patient', patient);
    if (answer.kind !== 'found') return undefined;
    const { identifier = [] } = JSON.parse(answer.body) as {
      identifier?: { system?: string; value?: string }[];
    };
    return identifier.find(({ system }) => system === nhsNumberSystem)?.value;
  }

  #named(type: string, system: string, value: string): Promise<string | undefined> {
    return this.#once(`${type} ${value}`, async () => {
      const { query } = parseSearch(type, [['identifier', `${system}|${value}`]], { base: '' });
      const page = await this.#gateway.record.search(query, { count: 1, base: '' });
      if ('refused' in page || page.count === 0) return undefined;
      const [entry] = JSON.parse(`[${Buffer.concat(page.entries).toString()}]`) as [{ resource: Named }];
      return nameOf(entry.resource);
    });
  }

  #once<Value>(key: string, look: () => Promise<Value>): Promise<Value> {
    const known = this.#known.get(key) ?? look();
    this.#known.set(key, known);
    return known as Promise<Value>;
  }
}

type HumanName = { readonly text?: string; readonly prefix?: string[]; readonly given?: string[]; readonly family?: string }; // prettier-ignore
interface Named {
  readonly name?: string | readonly HumanName[];
}

function nameOf({ name }: Named): string | undefined {
  if (name === undefined || typeof name === 'string') return name;
  const [{ text, prefix = [], given = [], family = '' } = {}] = name;
  return text ?? [...prefix, ...given, family].join(' ').trim();
}
