/** The record's rule: what one event says of one resource, and what that version is found by. */
import { defaultPolicy, type Policy } from '@carelog/access';
import {
  indexResource,
  isResourceType,
  patientCompartmentParameters,
  subjectParametersOf,
  toServed,
  type IndexEntry,
} from '@carelog/fhir';
import type { OpenedContent, Projection } from '@carelog/projection';
import { accessFactsOf, accessFactsOfType, type AccessFacts } from './access-facts.ts';
import { RECORD_VERSION, ROLE, STATE, type State } from './tables.ts';

export interface RecordChange {
  readonly type: string;
  readonly state: State;
  /** The text that is served; null where there is none. */
  readonly body: string | null;
  readonly index: ResourceIndex;
}

export interface ResourceIndex {
  readonly entries: readonly IndexEntry[];
  /** `Patient/id` of every patient it names, with the strongest reason. */
  readonly patients: ReadonlyMap<string, number>;
  /** `Type/id` of what it refers to outside every patient's compartment. */
  readonly targets: readonly string[];
  /** A bit for each search parameter of the type, in order, that has a value. */
  readonly present: number;
  readonly access: AccessFacts;
}

/** `policy`: by which resources are labelled, and relationships and decisions read. */
export function recordProjectionBy(policy: Policy): Projection<RecordChange> {
  return {
    name: 'record',
    version: RECORD_VERSION,
    evolve({ stream, action, revision, recordedAt }, content: OpenedContent) {
      const type = stream.slice(0, stream.indexOf('/'));
      if (!isResourceType(type)) return undefined;
      if (action === 'retract' || content.kind === 'unreadable') {
        const state = action === 'retract' ? STATE.deleted : STATE.erased;
        return { type, state, body: null, index: { ...NOTHING, access: accessFactsOfType(type, policy) } };
      }
      const text = decoder.decode(content.bytes);
      const body = toServed(text, { versionId: String(revision), lastUpdated: recordedAt });
      return { type, state: STATE.live, body, index: indexOf(type, text, policy, Date.parse(recordedAt)) };
    },
  };
}

/** By the policy that is shipped. */
export const recordProjection = recordProjectionBy(defaultPolicy());

/**
 * What a resource is found by, from its JSON text; of relationships those that last beyond `since` (milliseconds UTC).
 * Throws where the text is no JSON object.
 */
export function indexOf(type: string, text: string, policy: Policy, since = 0): ResourceIndex {
  const resource = JSON.parse(text) as Record<string, unknown>;
  const entries: IndexEntry[] = [];
  const patients = new Map<string, number>();
  if (type === 'Patient') patients.set(`Patient/${String(resource['id'])}`, ROLE.subject);
  const naming = patientCompartmentParameters(type);
  const subjects = subjectParametersOf(type);
  const found = indexResource(type, resource);
  for (const entry of found.entries) {
    if (entry.kind === 'reference' && isPatient(entry.target)) {
      if (subjects.includes(entry.parameter)) {
        // The compartment row says it; a reference row would say it again.
        patients.set(entry.target, ROLE.subject);
        continue;
      }
      if (naming.includes(entry.parameter) && !patients.has(entry.target))
        patients.set(entry.target, ROLE.named);
    }
    entries.push(entry);
  }
  return {
    entries,
    patients,
    targets: targetsOutsideCompartments(text),
    present: found.present,
    access: accessFactsOf(resource, policy, since),
  };
}

/** Whether a reference is to a Patient of this record, whichever version. */
export const isPatient = (target: string) => target.startsWith('Patient/') && !target.includes('/', 8);

const NOTHING: Omit<ResourceIndex, 'access'> = { entries: [], patients: new Map(), targets: [], present: 0 };
const decoder = new TextDecoder('utf-8', { fatal: true });

// Read off the text: a walk over the parsed resource costs several times as much. A quotation mark inside a JSON string is
// escaped, so only real members match.
const REFERENCE = /"reference":"([A-Z][A-Za-z]+)\/([A-Za-z0-9.-]{1,64})"/g;

function targetsOutsideCompartments(text: string): string[] {
  const targets = new Set<string>();
  for (const [, type = '', id] of text.matchAll(REFERENCE)) {
    if (type !== 'Patient' && patientCompartmentParameters(type).length === 0) targets.add(`${type}/${id}`);
  }
  return [...targets];
}
