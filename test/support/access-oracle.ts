/**
 * What somebody may see, worked out from resources in plain loops: the facts that `decideAccess` is asked with are read off
 * all that stands, one resource after the other, and nothing is indexed.
 */
import {
  basisNow,
  decideAccess,
  decideSharing,
  decisionsIn,
  defaultPolicy,
  labelsOf,
  parseScopes,
  partOf,
  proxiesIn,
  relationshipsIn,
  withheldFrom,
  type AccessAction,
  type AccessDecision,
  type Caller,
  type Party,
  type PatientFacts,
  type ResourceFacts,
} from '@carelog/access';
import { indexEntries, patientCompartmentParameters } from '@carelog/fhir';
import { personas } from '@carelog/service-kit';
import { firstPersonNhsNumber } from '@carelog/synthetic';
import { DEMO_SEED } from '../../apps/carelog/src/demo-population.ts';
import { withoutPlaces } from '../../libs/read-models/src/record/without-places.ts';
import type { Json } from './access-table.ts';
import type { TokenLimits } from './start-stack.ts';

const policy = defaultPolicy();

/** The caller that a token of the persona is, as its claims say. */
export function callerOf(name: string, { scope, purpose }: TokenLimits = {}): Caller {
  const persona = personas.find((it) => it.name === name)!;
  const [role] = persona.roles ?? [];
  const { kind, organisation, careSetting } = persona;
  const scopes = scope === undefined ? undefined : parseScopes(scope);
  return {
    subject: persona.userId ?? name,
    kind,
    organisation,
    careSetting,
    system: name,
    ...(role !== undefined && { roleCode: role.code, activityCodes: role.activityCodes }),
    ...(purpose !== undefined && { purpose: purpose as NonNullable<Caller['purpose']> }),
    ...(scopes !== undefined && { scopes }),
    ...(kind === 'patient' && { nhsNumber: firstPersonNhsNumber(DEMO_SEED) }),
  };
}

export class AccessOracle {
  readonly #all: ReadonlyMap<string, Json>;
  readonly #caller: Caller;
  readonly #brokenGlass: readonly string[];
  readonly #patients = new Map<string, PatientFacts>();

  constructor(all: readonly Json[], caller: Caller, brokenGlass: readonly string[]) {
    this.#all = new Map(all.map((it) => [`${it.resourceType}/${it.id}`, it]));
    this.#caller = caller;
    this.#brokenGlass = brokenGlass;
    for (const { resourceType, id } of all) {
      if (resourceType === 'Patient') this.#patients.set(id, this.#patientFacts(id));
    }
  }

  decide(action: AccessAction, resource: Json): AccessDecision {
    return decideAccess(this.#caller, action, factsOf(resource), this.#patients, policy);
  }

  /** Whether it may be changed to this, or ended: what a patient decided is not lifted by whom it denies. */
  decideChange(standing: Json, recorded: Json | undefined): AccessDecision {
    const decision = this.decide(recorded === undefined ? 'delete' : 'update', standing);
    if (!decision.permit || standing.resourceType !== 'Consent') return decision;
    const change = { standing, ...(recorded && { recorded }) };
    const refusal = decideSharing(this.#caller, change, this.#isAsked, this.#patients, policy, Date.now());
    return refusal ?? decision;
  }

  /** The resource as it is shown, without server `meta`; undefined where it is not. */
  shown(action: AccessAction, resource: Json): Json | undefined {
    const decision = this.decide(action, resource);
    if (!decision.permit) return undefined;
    return decision.conceals ? withoutPlaces(resource) : resource;
  }

  #patientFacts(id: string): PatientFacts {
    const all = [...this.#all.values()];
    const now = Date.now();
    const ofPatient = ({ patient }: { readonly patient: string }) => patient === `Patient/${id}`;
    const isLive = ({ from, until = Infinity }: { readonly from: number; readonly until?: number }) => from <= now && now < until; // prettier-ignore
    const bases = all
      .flatMap(relationshipsIn)
      .filter((it) => ofPatient(it) && this.#isOurs(it.party, []))
      .flatMap((it) => basisNow(it, now, policy) ?? []);
    const decisions = all.flatMap((it) => decisionsIn(it, policy)).filter(ofPatient);
    const reviews = decisions.filter((it) => it.kind === 'review').filter((it) => it.from <= now);
    const last = Math.max(...reviews.map((it) => it.from));
    const isOwn = this.#isCaller(this.#all.get(`Patient/${id}`));
    const number = this.#caller.nhsNumber;
    const proxies = all.flatMap(proxiesIn).filter((it) => ofPatient(it) && isLive(it));
    const isProxy = proxies.some(({ who }) => who === `nhs:${number}` || this.#isCaller(this.#all.get(who)));
    return {
      relationships: [...new Set(bases)],
      sFlag: decisions.some(({ kind }) => kind === 's-flag'),
      withheld: withheldFrom(decisions, this.#isAsked, now),
      ...(isOwn ? { ownOrProxy: 'own' } : isProxy ? { ownOrProxy: 'proxy' } : {}),
      reviewPending: reviews.some(({ from, pending }) => from === last && pending),
      ...(this.#brokenGlass.includes(id) && { brokenGlass: true }),
      optedOut: decisions.some((it) => it.kind === 'opt-out' && isLive(it)),
    };
  }

  #isAsked = (party: Party): boolean =>
    party === `setting:${this.#caller.careSetting}` || this.#isOurs(party, []);

  #isCaller(it: Json | undefined): boolean {
    const number = this.#caller.nhsNumber;
    return number !== undefined && JSON.stringify(it?.['identifier'] ?? '').includes(`"${number}"`);
  }

  #isOurs(party: Party, seen: readonly Party[]): boolean {
    if (party.startsWith('ods:')) return party === `ods:${this.#caller.organisation}`;
    const resource = this.#all.get(party);
    if (resource === undefined || seen.includes(party)) return false;
    return partOf(resource).some((whole) => this.#isOurs(whole, [...seen, party]));
  }
}

function factsOf(resource: Json): ResourceFacts {
  const { resourceType: type, id } = resource;
  const naming = patientCompartmentParameters(type);
  const named = indexEntries(type, resource).flatMap((it) =>
    it.kind === 'reference' && naming.includes(it.parameter) && it.target.startsWith('Patient/') ? [it.target.slice('Patient/'.length)] : [],
  ); // prettier-ignore
  const patients = [...new Set([...(type === 'Patient' ? [id] : []), ...named])];
  const meets = isLaboratory(resource) ? ['category=laboratory'] : [];
  const hasPlaces = JSON.stringify(withoutPlaces(resource)) !== JSON.stringify(resource);
  return { type, patients, labels: labelsOf(resource, policy), meets, hasPlaces };
}

const isLaboratory = (resource: Json) => JSON.stringify(resource['category'] ?? '').includes('"laboratory"');
