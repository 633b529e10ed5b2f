/**
 * R4's invariants of severity error as plain functions. Each holds where HL7's FHIRPath does; where that leaves a case
 * open (partial dates, quantities in different units) the invariant holds.
 * https://hl7.org/fhir/R4/conformance-rules.html#constraints
 */
import { definitionInvariants } from './definition-invariants.ts';
import { has, hasChoice, isDistinct, list, object, objects, text } from './elements.ts';
import { literalType } from './reference.ts';
import type { JsonObject, Run } from './run.ts';

/** Whether the invariant holds for one element that is present. Members may still have a wrong type: those are reported elsewhere. */
export type Invariant = (it: JsonObject, run: Run) => boolean;

/** By key; where two types use one key for different rules, by `Type/key`. */
export const invariants: Readonly<Record<string, Invariant>> = {
  ...definitionInvariants,

  // Data types
  'age-1': (it) => isUcum(it) && (has(it, 'code') || !has(it, 'value')) && !(num(it['value']) <= 0),
  'att-1': (it) => !has(it, 'data') || has(it, 'contentType'),
  'cnt-3': (it) =>
    isUcum(it) &&
    (has(it, 'code') || !has(it, 'value')) &&
    (!has(it, 'code') || it['code'] === '1') &&
    !isFraction(it['value']),
  'cpt-2': (it) => !has(it, 'value') || has(it, 'system'),
  'dis-1': (it) => isUcum(it) && (has(it, 'code') || !has(it, 'value')),
  'drq-1': (it) => has(it, 'path') !== has(it, 'searchParam'),
  'drq-2': (it) => has(it, 'path') !== has(it, 'searchParam'),
  'drt-1': (it) => !has(it, 'code') || (it['system'] === UCUM && has(it, 'value')),
  'exp-1': (it) => has(it, 'expression') || has(it, 'reference'),
  'mqty-1': (it) =>
    (has(it, 'code') || !has(it, 'value')) && (!has(it, 'system') || it['system'] === 'urn:iso:std:iso:4217'),
  'per-1': (it) => !isAfter(it['start'], it['end']),
  'qty-3': (it) => !has(it, 'code') || has(it, 'system'),
  'rat-1': (it) =>
    has(it, 'numerator') === has(it, 'denominator') && (has(it, 'numerator') || has(it, 'extension')),
  'rng-2': (it) => !isGreater(it['low'], it['high']),
  'sqty-1': (it) => !has(it, 'comparator'),
  'tim-1': (it) => !has(it, 'duration') || has(it, 'durationUnit'),
  'tim-2': (it) => !has(it, 'period') || has(it, 'periodUnit'),
  'tim-4': (it) => !(num(it['duration']) < 0),
  'tim-5': (it) => !(num(it['period']) < 0),
  'tim-6': (it) => !has(it, 'periodMax') || has(it, 'period'),
  'tim-7': (it) => !has(it, 'durationMax') || has(it, 'duration'),
  'tim-8': (it) => !has(it, 'countMax') || has(it, 'count'),
  'tim-9': (it) =>
    !has(it, 'offset') || (has(it, 'when') && !list(it['when']).some((when) => MEALS.has(when as string))),
  'tim-10': (it) => !has(it, 'timeOfDay') || !has(it, 'when'),
  'trd-1': (it) => !has(it, 'data') || !hasChoice(it, 'timing'),
  'trd-2': (it) => !has(it, 'condition') || has(it, 'data'),
  'trd-3': (it) =>
    (it['type'] !== 'named-event' || has(it, 'name')) &&
    (it['type'] !== 'periodic' || hasChoice(it, 'timing')) &&
    (!text(it['type']).startsWith('data-') || has(it, 'data')),

  // Resources, in alphabetical order
  'ait-1': (it) =>
    hasCode(it['verificationStatus'], ALLERGY_VERIFICATION, 'entered-in-error') || has(it, 'clinicalStatus'),
  'ait-2': (it) =>
    !hasCode(it['verificationStatus'], ALLERGY_VERIFICATION, 'entered-in-error') ||
    !has(it, 'clinicalStatus'),
  'app-1': (it) => has(it, 'type') || has(it, 'actor'),
  'app-2': (it) => has(it, 'start') === has(it, 'end'),
  'app-3': (it) =>
    (has(it, 'start') && has(it, 'end')) ||
    ['proposed', 'cancelled', 'waitlist'].includes(it['status'] as string),
  'app-4': (it) => !has(it, 'cancelationReason') || it['status'] === 'noshow' || it['status'] === 'cancelled',
  'apr-1': (it) => has(it, 'participantType') || has(it, 'actor'),
  'bdl-1': (it) => !has(it, 'total') || it['type'] === 'searchset' || it['type'] === 'history',
  'bdl-2': (it) => it['type'] === 'searchset' || !objects(it['entry']).some((entry) => has(entry, 'search')),
  'bdl-3': (it) => {
    const expected = ['batch', 'transaction', 'history'].includes(it['type'] as string);
    return objects(it['entry']).every((entry) => has(entry, 'request') === expected);
  },
  'bdl-4': (it) => {
    const expected = ['batch-response', 'transaction-response', 'history'].includes(it['type'] as string);
    return objects(it['entry']).every((entry) => has(entry, 'response') === expected);
  },
  'bdl-5': (it) => has(it, 'resource') || has(it, 'request') || has(it, 'response'),
  'bdl-7': (it) => {
    if (it['type'] === 'history') return true;
    const entries = objects(it['entry']).filter((entry) => has(entry, 'fullUrl'));
    const version = (entry: JsonObject) => object(object(entry['resource'])['meta'])['versionId'] ?? '';
    return isDistinct(entries.map((entry) => `${text(entry['fullUrl'])} ${text(version(entry))}`));
  },
  'bdl-8': (it) => !text(it['fullUrl'] ?? '').includes('/_history/'),
  'bdl-9': (it) =>
    it['type'] !== 'document' ||
    (has(object(it['identifier']), 'system') && has(object(it['identifier']), 'value')),
  'bdl-10': (it) => it['type'] !== 'document' || it['timestamp'] !== undefined,
  'bdl-11': (it) => it['type'] !== 'document' || firstEntryType(it) === 'Composition',
  'bdl-12': (it) => it['type'] !== 'message' || firstEntryType(it) === 'MessageHeader',
  'ces-1': (it) => has(it, 'category') !== has(it, 'productOrService'),
  'cmp-1': (it) => has(it, 'text') || has(it, 'entry') || has(it, 'section'),
  'cmp-2': (it) => !has(it, 'emptyReason') || !has(it, 'entry'),
  'con-1': (it) => has(it, 'summary') || has(it, 'assessment'),
  'con-2': (it) => has(it, 'code') || has(it, 'detail'),
  'con-4': (it) =>
    !hasChoice(it, 'abatement') ||
    hasCode(it['clinicalStatus'], CONDITION_CLINICAL, 'resolved', 'remission', 'inactive'),
  'con-5': (it) =>
    !hasCode(it['verificationStatus'], CONDITION_VERIFICATION, 'entered-in-error') ||
    !has(it, 'clinicalStatus'),
  'cpl-3': (it) => !has(it, 'detail') || !has(it, 'reference'),
  // A reference whose type does not show cannot be resolved here: by the expression that passes.
  'ctm-1': (it, run) => {
    const reference = object(it['member'])['reference'];
    const contained = objects(run.root['contained']).find((one) => `#${text(one['id'])}` === reference);
    const type = contained?.['resourceType'] ?? literalType(text(reference));
    return !has(it, 'onBehalfOf') || type === undefined || type === 'Practitioner';
  },
  'fhs-1': (it) => !hasChoice(it, 'age') || !hasChoice(it, 'born'),
  'fhs-2': (it) => hasChoice(it, 'age') || !has(it, 'estimatedAge'),
  'gol-1': (it) => !hasChoice(it, 'detail') || has(it, 'measure'),
  'grp-1': (it) => !has(it, 'member') || it['actual'] === true,
  'imm-1': (it) => has(it, 'documentType') || has(it, 'reference'),
  'imr-1': (it) => has(it, 'vaccineCode') || has(it, 'targetDisease'),
  'ipn-1': (it) => has(it, 'identifier') || has(it, 'name'),
  'lnk-1': (it) => list(it['item']).length > 1,
  'lst-1': (it) => !has(it, 'emptyReason') || !has(it, 'entry'),
  'lst-2': (it) => it['mode'] === 'changes' || !objects(it['entry']).some((entry) => has(entry, 'deleted')),
  'lst-3': (it) => it['mode'] === 'working' || !objects(it['entry']).some((entry) => has(entry, 'date')),
  'mad-1': (it) => has(it, 'dose') || hasChoice(it, 'rate'),
  'mdd-1': (it) => !isAfter(it['whenPrepared'], it['whenHandedOver']),
  'mrp-1': (it) => it['type'] !== 'data-collection' || !has(it, 'group'),
  'msq-3': (it) => it['coordinateSystem'] === 1 || it['coordinateSystem'] === 0,
  'obs-3': (it) => has(it, 'low') || has(it, 'high') || has(it, 'text'),
  'obs-6': (it) => !has(it, 'dataAbsentReason') || !hasChoice(it, 'value'),
  'obs-7': (it) => {
    if (!has(it, 'component') || !hasChoice(it, 'value')) return true;
    const codes = objects(object(it['code'])['coding']);
    return !objects(it['component']).some((component) =>
      objects(object(component['code'])['coding']).some((coding) =>
        codes.some((code) => isSame(code, coding)),
      ),
    );
  },
  'org-1': (it) => has(it, 'identifier') || has(it, 'name'),
  'org-2': (it) => it['use'] !== 'home',
  'org-3': (it) => it['use'] !== 'home',
  'Parameters/inv-1': (it) =>
    has(it, 'part')
      ? !hasChoice(it, 'value') && !has(it, 'resource')
      : hasChoice(it, 'value') !== has(it, 'resource'),
  'pat-1': (it) => has(it, 'name') || has(it, 'telecom') || has(it, 'address') || has(it, 'organization'),
  'ppc-1': (it) => has(it, 'policy') || has(it, 'policyRule'),
  'ppc-2': (it) => has(it, 'patient') || !hasCode(it['scope'], 'something', 'patient-privacy'),
  'ppc-3': (it) => has(it, 'patient') || !hasCode(it['scope'], 'something', 'research'),
  'ppc-4': (it) => has(it, 'patient') || !hasCode(it['scope'], 'something', 'adr'),
  'ppc-5': (it) => has(it, 'patient') || !hasCode(it['scope'], 'something', 'treatment'),
  'prr-1': (it) => !has(it, 'orderDetail') || has(it, 'code'),
  'qrs-1': (it) => !has(it, 'answer') || !has(it, 'item'),
  'ras-1': (it) => isPercent(it['low']) && isPercent(it['high']),
  'ras-2': (it) => !(num(it['probabilityDecimal']) > 100),
  'rqg-1': (it) => has(it, 'resource') !== has(it, 'action'),
  'sev-1': (it) => !has(it, 'name') || !has(it, 'query'),
  'Task/inv-1': (it) => !isAfter(it['authoredOn'], it['lastModified']),

  // Questionnaires, which have hundreds of items
  'que-1': (it) =>
    (it['type'] !== 'group' || has(it, 'item')) && (it['type'] !== 'display' || !has(it, 'item')),
  'que-2': (it) => isDistinct(linkIds(it, [])),
  'que-3': (it) => it['type'] !== 'display' || !has(it, 'code'),
  'que-4': (it) => !has(it, 'answerOption') || !has(it, 'answerValueSet'),
  'que-5': (it) =>
    ANSWERED.has(it['type'] as string) || (!has(it, 'answerValueSet') && !has(it, 'answerOption')),
  'que-6': (it) => it['type'] !== 'display' || (!has(it, 'required') && !has(it, 'repeats')),
  'que-7': (it) => it['operator'] !== 'exists' || has(it, 'answerBoolean'),
  'que-8': (it) => (it['type'] !== 'group' && it['type'] !== 'display') || !has(it, 'initial'),
  'que-9': (it) => it['type'] !== 'display' || !has(it, 'readOnly'),
  'que-10': (it) => WITH_LENGTH.has(it['type'] as string) || !has(it, 'maxLength'),
  'que-11': (it) => !has(it, 'answerOption') || !has(it, 'initial'),
  'que-12': (it) => list(it['enableWhen']).length <= 2 || has(it, 'enableBehavior'),
  'que-13': (it) => it['repeats'] === true || list(it['initial']).length <= 1,
};

const UCUM = 'http://unitsofmeasure.org';
const ALLERGY_VERIFICATION = 'http://terminology.hl7.org/CodeSystem/allergyintolerance-verification';
const CONDITION_CLINICAL = 'http://terminology.hl7.org/CodeSystem/condition-clinical';
const CONDITION_VERIFICATION = 'http://terminology.hl7.org/CodeSystem/condition-ver-status';
const MEALS = new Set(['C', 'CM', 'CD', 'CV']);
const ANSWERED = new Set('choice open-choice decimal integer date dateTime time string quantity'.split(' '));
const WITH_LENGTH = new Set('boolean decimal integer string text url open-choice'.split(' '));

/** NaN, which compares with nothing, when it is not a number. */
function num(value: unknown): number {
  return typeof value === 'number' ? value : NaN;
}

function isUcum(it: JsonObject): boolean {
  return !has(it, 'system') || it['system'] === UCUM;
}

function isFraction(value: unknown): boolean {
  return typeof value === 'number' && !Number.isInteger(value);
}

function isPercent(value: unknown): boolean {
  return value === undefined || (object(value)['code'] === '%' && object(value)['system'] === UCUM);
}

function hasCode(concept: unknown, system: string, ...codes: string[]): boolean {
  return objects(object(concept)['coding']).some(
    (coding) => coding['system'] === system && codes.includes(coding['code'] as string),
  );
}

function firstEntryType(bundle: JsonObject): unknown {
  return object(objects(bundle['entry'])[0]?.['resource'])['resourceType'];
}

/** Whether a date or time is surely later than another; dates of different precision are compared as far as both go. */
function isAfter(start: unknown, end: unknown): boolean {
  if (typeof start !== 'string' || typeof end !== 'string') return false;
  if (start.includes('T') && end.includes('T')) return Date.parse(start) > Date.parse(end);
  const length = Math.min(start.split('T')[0]?.length ?? 0, end.split('T')[0]?.length ?? 0);
  return start.slice(0, length) > end.slice(0, length);
}

function isGreater(low: unknown, high: unknown): boolean {
  const [a, b] = [object(low), object(high)];
  const comparable = a['system'] === b['system'] && a['code'] === b['code'] && a['unit'] === b['unit'];
  return comparable && num(a['value']) > num(b['value']);
}

function linkIds(it: JsonObject, into: unknown[]): unknown[] {
  for (const item of objects(it['item'])) {
    if (item['linkId'] !== undefined) into.push(item['linkId']);
    linkIds(item, into);
  }
  return into;
}

function isSame(a: unknown, b: unknown): boolean {
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return a === b;
  const keys = Object.keys(a);
  return (
    keys.length === Object.keys(b).length &&
    keys.every((key) => isSame((a as JsonObject)[key], (b as JsonObject)[key]))
  );
}
