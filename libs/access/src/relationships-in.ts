/** The legitimate relationships between organisations and patients that a recorded resource tells of. */
import type { RelationshipBasis } from './facts.ts';
import { objectsIn, partiesIn, patientIn, type Json, type Party, wordIn } from './parties.ts';
import type { Policy } from './policy.ts';
import { DAY, firstMoment, momentAfter } from './times.ts';

export interface Relationship {
  /** `Patient/…` */
  readonly patient: string;
  /** Whose relationship it is; leads to an organisation by `partOf`. */
  readonly party: Party;
  /** An encounter is `current` or `recent` by the clock: `basisNow` says which. */
  readonly basis: Exclude<RelationshipBasis, 'current-encounter' | 'recent-encounter'> | 'encounter';
  /** Milliseconds UTC: from when, and the end of it where one was recorded; then it lasts as long as the policy says. */
  readonly from: number;
  readonly until?: number;
}

/**
 * What this resource (parsed JSON, the version that stands) tells of relationships; none where it tells of none, was
 * entered in error or cancelled. Registered: generalPractitioner and managingOrganization of a Patient. Caseload:
 * EpisodeOfCare and CareTeam. Encounter, and acts of care that stand for one: MedicationDispense, Immunization. Referral:
 * ServiceRequest to its performer. Appointment: its participants. Never throws.
 */
export function relationshipsIn(resource: Json): readonly Relationship[] {
  const found = readers.get(resource['resourceType'])?.(resource);
  if (found === undefined) return [];
  const { basis, patients, parties, from = 0, until } = found;
  return patients.flatMap((patient) =>
    [...new Set(parties.filter(isOrganisational))].map((party) => ({
      patient,
      party,
      basis,
      from,
      ...(until !== undefined && { until }),
    })),
  );
}

/** What a relationship rests on now (milliseconds UTC); undefined where it has not begun, or is over. */
export function basisNow(
  { basis, from, until }: Pick<Relationship, 'basis' | 'from' | 'until'>,
  now: number,
  policy: Policy,
): RelationshipBasis | undefined {
  if (now < from) return undefined;
  const ended = until !== undefined && now >= until;
  const named = basis !== 'encounter' ? basis : ended ? 'recent-encounter' : 'current-encounter';
  return now < endOf({ basis, from, ...(until !== undefined && { until }) }, policy) ? named : undefined;
}

/** When it stops to be one (milliseconds UTC), given that nothing more is recorded; infinite for a registration that stands. */
export function endOf(
  { basis, from, until }: Pick<Relationship, 'basis' | 'from' | 'until'>,
  { relationships }: Policy,
): number {
  const { openAtMostDays } = relationships[basis === 'encounter' ? 'current-encounter' : basis];
  const { lastsDays } = relationships[basis === 'encounter' ? 'recent-encounter' : basis];
  const open = openAtMostDays === undefined ? Infinity : from + openAtMostDays * DAY;
  return until === undefined ? open : Math.min(until, open) + lastsDays * DAY;
}

/** A person is no party to a relationship: it is their organisation that has one. */
function isOrganisational(party: Party): boolean {
  return !party.startsWith('Practitioner/') && !party.startsWith('RelatedPerson/');
}

interface Found {
  readonly basis: Relationship['basis'];
  readonly patients: readonly string[];
  readonly parties: readonly Party[];
  readonly from?: number | undefined;
  readonly until?: number | undefined;
}

type Reader = (resource: Json) => Found | undefined;
const readers: ReadonlyMap<unknown, Reader> = new Map(
  Object.entries<Reader>({
    Patient(patient) {
      const id = patient['id'];
      if (typeof id !== 'string') return undefined;
      const elements = [
        ...objectsIn(patient['generalPractitioner']),
        ...objectsIn(patient['managingOrganization']),
      ];
      return { basis: 'registered', patients: [`Patient/${id}`], parties: elements.flatMap(partiesIn) };
    },
    EpisodeOfCare(episode) {
      return standing(episode, 'caseload', 'patient', objectsIn(episode['managingOrganization']), {
        open: ['planned', 'waitlist', 'active', 'onhold'],
        over: ['finished'],
      });
    },
    CareTeam(team) {
      const participants = objectsIn(team['participant']);
      const members = participants.flatMap(({ member, onBehalfOf }) => [
        ...objectsIn(member),
        ...objectsIn(onBehalfOf),
      ]);
      return standing(team, 'caseload', 'subject', [...objectsIn(team['managingOrganization']), ...members], {
        open: ['proposed', 'active', undefined],
        over: ['suspended', 'inactive'],
      });
    },
    Encounter(encounter) {
      const places = objectsIn(encounter['location']).flatMap(({ location }) => objectsIn(location));
      const provider = objectsIn(encounter['serviceProvider']);
      return standing(encounter, 'encounter', 'subject', provider.length > 0 ? provider : places, {
        open: ['planned', 'arrived', 'triaged', 'in-progress', 'onleave'],
        over: ['finished', 'unknown'],
      });
    },
    ServiceRequest(request) {
      const { status, authoredOn } = request;
      if (status !== 'active' && status !== 'on-hold' && status !== 'completed') return undefined;
      const from = firstMoment(authoredOn);
      return {
        basis: 'referral',
        patients: patientsOf(request['subject']),
        parties: objectsIn(request['performer']).flatMap(partiesIn),
        from,
        // Nothing in it says when it was completed; from then on it is for the encounter that it led to.
        ...(status === 'completed' && { until: from ?? 0 }),
      };
    },
    Appointment(appointment) {
      const { status, created, start, end } = appointment;
      if (!['pending', 'booked', 'arrived', 'checked-in', 'fulfilled', 'waitlist'].includes(wordIn(status)))
        return undefined;
      const actors = objectsIn(appointment['participant']).flatMap(({ actor }) => objectsIn(actor));
      return {
        basis: 'appointment',
        patients: actors.flatMap(patientsOf),
        parties: actors.flatMap(partiesIn),
        from: firstMoment(created) ?? firstMoment(start),
        until: momentAfter(end) ?? momentAfter(start),
      };
    },
    MedicationDispense(dispense) {
      const at = dispense['whenHandedOver'] ?? dispense['whenPrepared'];
      return act(dispense, 'subject', at, ['in-progress', 'completed', 'preparation', 'on-hold']);
    },
    Immunization(immunisation) {
      return act(immunisation, 'patient', immunisation['occurrenceDateTime'], ['completed']);
    },
  }),
);

/** Something with a status and a period. */
function standing(
  resource: Json,
  basis: Found['basis'],
  subject: string,
  references: readonly Json[],
  statuses: { readonly open: readonly unknown[]; readonly over: readonly unknown[] },
): Found | undefined {
  const { status } = resource;
  const over = statuses.over.includes(status);
  if (!over && !statuses.open.includes(status)) return undefined;
  const [{ start, end } = {} as Json] = objectsIn(resource['period']);
  const from = firstMoment(start);
  return {
    basis,
    patients: patientsOf(resource[subject]),
    parties: references.flatMap(partiesIn),
    from,
    // What is over without a recorded end is taken to have ended when it began.
    until: momentAfter(end) ?? (over ? (from ?? 0) : undefined),
  };
}

/** Something that was done at one moment, by organisations that it names. */
function act(resource: Json, subject: string, at: unknown, statuses: readonly string[]): Found | undefined {
  const moment = firstMoment(at);
  if (moment === undefined || !statuses.includes(wordIn(resource['status']))) return undefined;
  const actors = objectsIn(resource['performer']).flatMap(({ actor }) => objectsIn(actor));
  const parties = actors.flatMap(partiesIn);
  return {
    basis: 'encounter',
    patients: patientsOf(resource[subject]),
    parties,
    from: moment,
    until: moment,
  };
}

function patientsOf(reference: unknown): string[] {
  const patient = patientIn(reference);
  return patient === undefined ? [] : [patient];
}
