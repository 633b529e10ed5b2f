/** For specs: what decisions about access rest on, worked out from the resources themselves in plain loops. */
import {
  basisNow,
  decideAccess,
  decisionsIn,
  defaultPolicy,
  labelsOf,
  partOf,
  proxiesIn,
  relationshipsIn,
  withheldFrom,
  type AccessAction,
  type AccessDecision,
  type CallerFacts,
  type PatientFacts,
  type RelationshipBasis,
  type ResourceFacts,
} from '@carelog/access';
import { indexEntries, patientCompartmentParameters } from '@carelog/fhir';
import { PEOPLE, type Asker, type Recorded, type World } from './made-worlds.ts';
import type { Resource } from './miniature-log.ts';

const policy = defaultPolicy();
/** At which everything is decided; milliseconds UTC. */
export const NOW = Date.UTC(2026, 5, 1);

export class Oracle {
  readonly #world: World;
  readonly #asker: Asker;
  readonly callerFacts: CallerFacts;
  readonly patients = new Map<string, PatientFacts>();

  constructor(world: World, asker: Asker) {
    this.#world = world;
    this.#asker = asker;
    this.callerFacts = this.#callerFacts();
    for (let i = 0; i < PEOPLE; i += 1) this.patients.set(`p${i}`, this.#patientFacts(`p${i}`));
  }

  decide(action: AccessAction, facts: ResourceFacts): AccessDecision {
    return decideAccess(this.#asker.caller, action, facts, this.patients, policy);
  }

  /** Of the version, or for one without content of the last that had some. */
  factsOf({ stream, type, partition, versions }: Recorded, version: number): ResourceFacts {
    const told = versions.slice(0, version).findLast((it) => it.resource !== undefined)?.resource;
    if (told === undefined) throw new Error(stream);
    const isThere = versions[version - 1]?.resource !== undefined;
    return {
      type,
      patients: patientsOf(told, partition),
      labels: labelsOf(told, policy),
      meets: isThere ? Object.keys(predicates).filter((name) => predicates[name]?.(told) === true) : [],
    };
  }

  #callerFacts(): CallerFacts {
    const { caller, brokenGlass } = this.#asker;
    const number = caller.kind === 'patient' ? caller.nhsNumber : undefined;
    const is = (it: Resource) => JSON.stringify(it['identifier'] ?? '').includes(`"${number}"`);
    const persons = this.#world.current().filter((it) => ['Patient', 'RelatedPerson'].includes(it.resourceType) && is(it)); // prettier-ignore
    const own = persons.filter((it) => it.resourceType === 'Patient').map((it) => it.id);
    const names = [`nhs:${number}`, ...persons.map((it) => `${it.resourceType}/${it.id}`)];
    const proxyFor = this.#world.current().flatMap(proxiesIn)
      .filter((it) => names.includes(it.who) && it.from <= NOW && NOW < (it.until ?? Infinity))
      .map((it) => it.patient.slice('Patient/'.length))
      .filter((id) => !own.includes(id)); // prettier-ignore
    return { own, proxyFor: [...new Set(proxyFor)].toSorted(), brokenGlass };
  }

  #isOurs(named: string, seen: readonly string[] = []): boolean {
    if (named.startsWith('ods:')) return named === `ods:${this.#asker.caller.organisation}`;
    const resource = this.#world.recorded.get(named)?.versions.at(-1)?.resource;
    if (resource === undefined || seen.includes(named)) return false;
    return partOf(resource).some((whole) => this.#isOurs(whole, [...seen, named]));
  }

  #patientFacts(id: string): PatientFacts {
    const stream = `Patient/${id}`;
    const relationships = new Set<RelationshipBasis>();
    const all = this.#world.current();
    for (const it of all.flatMap(relationshipsIn)) {
      const basis = basisNow(it, NOW, policy);
      if (it.patient === stream && basis !== undefined && this.#isOurs(it.party)) relationships.add(basis);
    }
    const decisions = all.flatMap((it) => decisionsIn(it, policy)).filter((it) => it.patient === stream);
    const reviews = decisions.filter((it) => it.kind === 'review').filter((it) => it.from <= NOW);
    const last = Math.max(...reviews.map((it) => it.from));
    const { caller, brokenGlass } = this.#asker;
    const isCaller = (it: string) => it === `setting:${caller.careSetting}` || this.#isOurs(it);
    const { own, proxyFor } = this.callerFacts;
    return {
      relationships: [...relationships],
      sFlag: decisions.some((it) => it.kind === 's-flag'),
      withheld: withheldFrom(decisions, isCaller, NOW),
      reviewPending: reviews.some((it) => it.from === last && it.pending),
      optedOut: decisions.some((it) => it.kind === 'opt-out' && it.from <= NOW && NOW < (it.until ?? Infinity)), // prettier-ignore
      ...(own.includes(id) ? { ownOrProxy: 'own' } : proxyFor.includes(id) ? { ownOrProxy: 'proxy' } : {}),
      ...(brokenGlass.includes(id) && { brokenGlass: true }),
    };
  }
}

function patientsOf(resource: Resource, partition: string): string[] {
  const naming = patientCompartmentParameters(resource.resourceType);
  const named = indexEntries(resource.resourceType, resource)
    .filter((it) => it.kind === 'reference')
    .filter((it) => naming.includes(it.parameter) && it.target.startsWith('Patient/'))
    .map((it) => it.target.slice('Patient/'.length));
  const owner = partition === 'shared' ? [] : [partition];
  return [...new Set([...owner, ...(resource.resourceType === 'Patient' ? [resource.id] : []), ...named])];
}

/** Conditions of scopes, and which resources meet them. */
export const predicates: Record<string, (it: Resource) => boolean> = {
  'category=laboratory': (it) => JSON.stringify(it['category'] ?? '').includes('"laboratory"'),
  'category=vital-signs': (it) => JSON.stringify(it['category'] ?? '').includes('"vital-signs"'),
  'subject=Patient/p1': (it) => JSON.stringify(it['subject'] ?? '').includes('"Patient/p1"'),
  'gender=female': (it) => it['gender'] === 'female',
  'status:not=final': (it) => it['status'] !== 'final',
};
