/**
 * The invariants of R4's definition resources: StructureDefinition, ValueSet, CapabilityStatement, TestScript and their kin.
 * https://hl7.org/fhir/R4/conformance-module.html
 */
import { has, hasChoice, isDistinct, list, object, objects, text } from './elements.ts';
import type { Invariant } from './invariants.ts';
import type { JsonObject } from './run.ts';

/** By key, as `invariants`, of which they are a part. */
export const definitionInvariants: Readonly<Record<string, Invariant>> = {
  // CapabilityStatement, TerminologyCapabilities
  'cpb-1': (it) => has(it, 'rest') || has(it, 'messaging') || has(it, 'document'),
  'cpb-2': (it) => has(it, 'description') || has(it, 'software') || has(it, 'implementation'),
  'cpb-3': (it) =>
    it['kind'] === 'instance' || !objects(it['messaging']).some((messaging) => has(messaging, 'endpoint')),
  'cpb-7': (it) =>
    isDistinct(
      objects(it['document']).map((document) => `${text(document['profile'])} ${text(document['mode'])}`),
    ),
  'cpb-9': (it) => isDistinct(all(it['resource'], 'type')),
  'cpb-12': (it) => isDistinct(all(it['searchParam'], 'name')),
  'cpb-14': (it) => it['kind'] !== 'instance' || has(it, 'implementation'),
  'cpb-15': (it) => it['kind'] !== 'capability' || (!has(it, 'implementation') && has(it, 'software')),
  'cpb-16': (it) => it['kind'] !== 'requirements' || (!has(it, 'implementation') && !has(it, 'software')),
  'tcp-1': (it) =>
    list(it['version']).length <= 1 || objects(it['version']).every((version) => has(version, 'code')),
  'tcp-2': (it) => has(it, 'description') || has(it, 'software') || has(it, 'implementation'),
  'tcp-3': (it) => it['kind'] !== 'instance' || has(it, 'implementation'),
  'tcp-4': (it) => it['kind'] !== 'capability' || (!has(it, 'implementation') && has(it, 'software')),
  'tcp-5': (it) => it['kind'] !== 'requirements' || (!has(it, 'implementation') && !has(it, 'software')),

  // Terminology
  'cmd-1': (it) => has(it, 'comment') || !['narrower', 'inexact'].includes(it['equivalence'] as string),
  'cmd-2': (it) => it['mode'] !== 'fixed' || has(it, 'code'),
  'cmd-3': (it) => it['mode'] !== 'other-map' || has(it, 'url'),
  'csd-1': (it) => isDistinct(conceptCodes(it, [])),
  'nsd-1': (it) => it['kind'] !== 'root' || !all(it['uniqueId'], 'type').includes('uuid'),
  'nsd-2': (it) =>
    isDistinct(
      all(
        objects(it['uniqueId']).filter((id) => id['preferred'] === true),
        'type',
      ),
    ),
  'vsd-1': (it) => has(it, 'valueSet') || has(it, 'system'),
  'vsd-2': (it) => (!has(it, 'concept') && !has(it, 'filter')) || has(it, 'system'),
  'vsd-3': (it) => !has(it, 'concept') || !has(it, 'filter'),
  'vsd-6': (it) => has(it, 'code') || has(it, 'display'),
  'vsd-9': (it) => has(it, 'code') || it['abstract'] === true,
  'vsd-10': (it) => !has(it, 'code') || has(it, 'system'),

  // ElementDefinition
  'eld-1': (it) => has(it, 'discriminator') || has(it, 'description'),
  'eld-2': (it) =>
    it['max'] === '*' || !(typeof it['min'] === 'number' && it['min'] > Number(text(it['max']) || NaN)),
  'eld-3': (it) => !has(it, 'max') || /^(\*|\d+)$/.test(text(it['max'])),
  'eld-4': (it) => !has(it, 'aggregation') || REFERRING.includes(it['code']),
  'eld-5': (it) =>
    !has(it, 'contentReference') ||
    !(
      ['type', 'example', 'maxLength', 'binding'].some((name) => has(it, name)) ||
      ['defaultValue', 'fixed', 'pattern', 'minValue', 'maxValue'].some((name) => hasChoice(it, name))
    ),
  'eld-6': (it) => !hasChoice(it, 'fixed') || list(it['type']).length <= 1,
  'eld-7': (it) => !hasChoice(it, 'pattern') || list(it['type']).length <= 1,
  'eld-8': (it) => !hasChoice(it, 'pattern') || !hasChoice(it, 'fixed'),
  // As HL7 wrote it, the expression is true whatever the types are.
  'eld-11': () => true,
  'eld-12': (it) => !has(it, 'valueSet') || /^(http:|https|urn:)/.test(text(it['valueSet'])),
  'eld-13': (it) => isDistinct(all(it['type'], 'code')),
  'eld-14': (it) => isDistinct(all(it['constraint'], 'key')),
  'eld-15': (it) => !hasChoice(it, 'defaultValue') || !has(it, 'meaningWhenMissing'),
  'eld-16': (it) => it['sliceName'] === undefined || /^[a-zA-Z0-9/\-_[\]@]+$/.test(text(it['sliceName'])),
  'eld-17': (it) => !has(it, 'targetProfile') || REFERRING.includes(it['code']),
  'eld-18': (it) => it['isModifier'] !== true || has(it, 'isModifierReason'),
  'eld-19': (it) => it['path'] === undefined || ELEMENT_PATH.test(text(it['path'])),
  'eld-22': (it) => !has(it, 'sliceIsConstraining') || has(it, 'sliceName'),

  // StructureDefinition
  'sdf-1': (it) =>
    it['derivation'] === 'constraint' || isDistinct(all(object(it['snapshot'])['element'], 'path')),
  'sdf-2': (it) => has(it, 'name') || has(it, 'uri'),
  'sdf-3': (it) =>
    objects(it['element']).every(
      (element) => has(element, 'definition') && has(element, 'min') && has(element, 'max'),
    ),
  'sdf-4': (it) => it['abstract'] === true || has(it, 'baseDefinition'),
  'sdf-5': (it) => it['type'] !== 'Extension' || it['derivation'] === 'specialization' || has(it, 'context'),
  'sdf-6': (it) => has(it, 'snapshot') || has(it, 'differential'),
  'sdf-8': (it, run) => {
    const [first = '', ...rest] = paths(it);
    return (run.resource['kind'] === 'logical' || first === run.resource['type']) && allBelow(first, rest);
  },
  'sdf-8a': (it, run) => {
    const [first = '', ...rest] = paths(it);
    const startsRight = run.resource['kind'] === 'logical' || first.startsWith(text(run.resource['type']));
    return startsRight && allBelow(first.replace(/\..*/, ''), rest);
  },
  'sdf-8b': (it) => objects(it['element']).every((element) => has(element, 'base')),
  'sdf-9': (it) =>
    [...roots(it['snapshot']), ...roots(it['differential'])].every(
      (root) => !has(root, 'label') && !has(root, 'code') && !has(root, 'requirements'),
    ),
  'sdf-10': (it) =>
    !has(it, 'binding') ||
    has(object(it['binding']), 'valueSet') ||
    has(object(it['binding']), 'description'),
  'sdf-11': (it) =>
    it['kind'] === 'logical' || !has(it, 'snapshot') || paths(object(it['snapshot']))[0] === it['type'],
  'sdf-14': (it) => allElements(it).every((element) => has(element, 'id')),
  'sdf-15': (it) => it['kind'] === 'logical' || !has(firstElement(it['snapshot']), 'type'),
  'sdf-15a': (it) => {
    const first = firstElement(it['differential']);
    return it['kind'] === 'logical' || text(first['path']).includes('.') || !has(first, 'type');
  },
  'sdf-16': (it) => haveDistinctIds(it['snapshot']),
  'sdf-17': (it) => haveDistinctIds(it['differential']),
  'sdf-18': (it) => !has(it, 'contextInvariant') || it['type'] === 'Extension',
  'sdf-19': (it) =>
    !isHl7(it) ||
    allElements(it).every((element) =>
      all(element['type'], 'code').every((code) => TYPE_CODE.test(text(code))),
    ),
  'sdf-20': (it) => roots(it).every((root) => !has(root, 'slicing')),
  'sdf-21': (it) =>
    it['derivation'] === 'specialization' ||
    !objects(object(it['differential'])['element']).some((element) => hasChoice(element, 'defaultValue')),
  'sdf-22': (it) => !isHl7(it) || !allElements(it).some((element) => hasChoice(element, 'defaultValue')),
  'sdf-23': (it) =>
    [...roots(it['snapshot']), ...roots(it['differential'])].every((root) => !has(root, 'sliceName')),

  // Others
  'ig-1': (it) => {
    const groups = new Set(all(it['grouping'], 'id'));
    return all(it['resource'], 'groupingId').every((id) => groups.has(id));
  },
  'ig-2': (it) =>
    objects(object(it['definition'])['resource']).every((resource) =>
      list(resource['fhirVersion']).every((version) => list(it['fhirVersion']).includes(version)),
    ),
  'md-1': (it) => !has(it, 'max') || it['max'] === '*' || Number(text(it['max'])) > 0,
  'mea-1': (it) =>
    objects(it['group']).every((group) =>
      objects(group['stratifier']).every(
        (stratifier) =>
          ['code', 'description', 'criteria'].some((name) => has(stratifier, name)) !==
          has(stratifier, 'component'),
      ),
    ),
  'mrp-2': (it) =>
    objects(it['group']).every((group) =>
      objects(group['stratifier']).every((stratifier) =>
        objects(stratifier['stratum']).every(
          (stratum) => has(stratum, 'value') !== has(stratum, 'component'),
        ),
      ),
    ),
  'msq-5': (it) => has(it, 'chromosome') === has(it, 'genomeBuild'),
  'msq-6': (it) =>
    countOf(it, 'genomeBuild', 'referenceSeqId', 'referenceSeqPointer', 'referenceSeqString') === 1,
  'opd-1': (it) => has(it, 'type') || has(it, 'part'),
  'opd-2': (it) => !has(it, 'searchType') || it['type'] === 'string',
  'opd-3': (it) => !has(it, 'targetProfile') || REFERRING.includes(it['type']),
  'smp-1': (it) => !has(it, 'element') || has(it, 'context'),
  'smp-2': (it) => !has(it, 'context') || has(it, 'contextType'),
  'spd-1': (it) => !has(it, 'xpath') || has(it, 'xpathUsage'),
  'spd-2': (it) => !has(it, 'chain') || it['type'] === 'reference',

  // TestScript, TestReport
  'TestReport/inv-1': isOneAction,
  'TestReport/inv-2': isOneAction,
  'tst-1': isOneAction,
  'tst-2': isOneAction,
  'tst-3': (it) => !has(it, 'expression') || !has(it, 'headerField') || !has(it, 'path'),
  'tst-4': (it) => objects(it['capability']).some((one) => has(one, 'required') || has(one, 'validated')),
  'tst-5': isOneAssertion,
  'tst-6': isOneAssertion,
  'tst-7': hasOneTarget,
  'tst-8': hasOneTarget,
  'tst-9': hasOneTarget,
  'tst-10': comparesToOneSource,
  'tst-11': comparesToOneSource,
  'tst-12': isDirected,
  'tst-13': isDirected,
};

const REFERRING: readonly unknown[] = ['Reference', 'canonical'];
const NAME = '[^\\s.,:;\'"/|?!@#$%&*()[\\]{}]{1,64}';
const ELEMENT_PATH = new RegExp(`^${NAME}(\\.${NAME}(\\[x\\])?(:[^\\s.]+)?)*$`);
const TYPE_CODE = /^([a-zA-Z0-9.]+|http:\/\/hl7\.org\/fhirpath\/System\.[A-Z][A-Za-z]+)$/;

function all(items: unknown, name: string): unknown[] {
  return objects(items).flatMap((item) => (item[name] === undefined ? [] : [item[name]]));
}

function countOf(it: JsonObject, ...names: string[]): number {
  return names.filter((name) => has(it, name)).length;
}

function conceptCodes(it: JsonObject, into: unknown[]): unknown[] {
  for (const concept of objects(it['concept'])) {
    if (concept['code'] !== undefined) into.push(concept['code']);
    conceptCodes(concept, into);
  }
  return into;
}

function paths(view: JsonObject): string[] {
  return all(view['element'], 'path').map(text);
}

function allBelow(root: string, others: readonly string[]): boolean {
  return others.every((path) => path.startsWith(`${root}.`));
}

function firstElement(view: unknown): JsonObject {
  return objects(object(view)['element'])[0] ?? {};
}

/** The elements of a snapshot or differential whose path has no dot. */
function roots(view: unknown): readonly JsonObject[] {
  return objects(object(view)['element']).filter((element) => !text(element['path']).includes('.'));
}

function allElements(it: JsonObject): readonly JsonObject[] {
  return [...objects(object(it['snapshot'])['element']), ...objects(object(it['differential'])['element'])];
}

function haveDistinctIds(view: unknown): boolean {
  const ids = all(object(view)['element'], 'id');
  return ids.length === objects(object(view)['element']).length && isDistinct(ids);
}

function isHl7(it: JsonObject): boolean {
  return text(it['url']).startsWith('http://hl7.org/fhir/StructureDefinition');
}

function isOneAction(it: JsonObject): boolean {
  return has(it, 'operation') !== has(it, 'assert');
}

function isOneAssertion(it: JsonObject): boolean {
  const assertions =
    'contentType expression headerField minimumId navigationLinks path requestMethod resource'.split(' ');
  return (
    has(it, 'extension') || countOf(it, ...assertions, 'responseCode', 'response', 'validateProfileId') <= 1
  );
}

function hasOneTarget(it: JsonObject): boolean {
  const code = object(it['type'])['code'] as string;
  return (
    has(it, 'sourceId') ||
    countOf(it, 'targetId', 'url', 'params') === 1 ||
    ['capabilities', 'search', 'transaction', 'history'].includes(code)
  );
}

function comparesToOneSource(it: JsonObject): boolean {
  return (
    has(it, 'compareToSourceId') === (has(it, 'compareToSourceExpression') || has(it, 'compareToSourcePath'))
  );
}

function isDirected(it: JsonObject): boolean {
  return it['direction'] !== 'request' || (!has(it, 'response') && !has(it, 'responseCode'));
}
