/**
 * What somebody may see, worked out from resources in plain loops: the facts that `decideAccess` is asked with are read off
 * all that stands, one resource after the other, and nothing is indexed.
 */
import {
  decideAccess,
  decisionsIn,
  defaultPolicy,
  labelsOf,
  parseScopes,
  partOf,
  patientFactsOf,
  proxiesIn,
  relationshipsIn,
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

  /** The resource as it is shown, without server `meta`; undefined where it is not. */
  shown(action: AccessAction, resource: Json): Json | undefined {
    const decision = this.decide(action, resource);
    if (!decision.permit) return undefined;
    const taken = (decision.redact ?? []).map(({ element }) => element);
    return Object.fromEntries(Object.entries(resource).filter(([name]) => !taken.includes(name))) as Json;
  }

  #patientFacts(id: string): PatientFacts {
    const all = [...this.#all.values()];
    const ofPatient = ({ patient }: { readonly patient: string }) => patient === `Patient/${id}`;
    const number = this.#caller.nhsNumber;
    const isCaller = (it: Json | undefined) =>
      number !== undefined && JSON.stringify(it?.['identifier'] ?? '').includes(`"${number}"`);
    return patientFactsOf(
      {
        relationships: all.flatMap(relationshipsIn).filter(ofPatient),
        decisions: all.flatMap((it) => decisionsIn(it, policy)).filter(ofPatient),
        proxies: all.flatMap(proxiesIn).filter(ofPatient),
      },
      {
        isParty: (party) => party === `setting:${this.#caller.careSetting}` || this.#isOurs(party, []),
        isPerson: (who) => who === `nhs:${number}` || isCaller(this.#all.get(who)),
        isPatient: isCaller(this.#all.get(`Patient/${id}`)),
        brokeGlass: this.#brokenGlass.includes(id),
      },
      Date.now(),
      policy,
    );
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
  return { type, patients, labels: labelsOf(resource, policy), meets };
}

const isLaboratory = (resource: Json) => JSON.stringify(resource['category'] ?? '').includes('"laboratory"');
