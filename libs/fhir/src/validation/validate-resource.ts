/**
 * Validates resources against R4 4.0.1: each type's definition is compiled once, at its first use, into a table of checks
 * by member name, so that an ordinary resource takes a few microseconds.
 * https://hl7.org/fhir/R4/validation.html
 */
import type { ElementDefinition, Rule, TypeReference } from '../build-definitions.ts';
import { definitionOf, definitions, isResourceType, resourceTypes } from '../definitions.ts';
import type { Problem } from '../problem.ts';
import { checkContained } from './contained.ts';
import { type Invariant, invariants } from './invariants.ts';
import { checkNarrative } from './narrative.ts';
import { nearestName } from './nearest-name.ts';
import { primitiveChecks } from './primitives.ts';
import { checkReference } from './reference.ts';
import { type JsonObject, Run } from './run.ts';

/**
 * Everything that is wrong with a value as an R4 resource: at most 100 problems, each with its place and a remedy; none when
 * it is valid. Resources in a Bundle, in Parameters and contained ones are validated too. Extensions and profiles are not
 * looked up. Never throws, whatever the value.
 */
export function validateResource(value: unknown): Problem[] {
  const run = new Run();
  checkResource(value, run, 'outermost');
  return run.problems;
}

type Check = (value: unknown, run: Run) => void;

interface Member {
  /** How FHIRPath names the element: `code`, `value.ofType(Quantity)`. */
  readonly step: string;
  readonly many: boolean;
  readonly check: Check;
  /** One bit for each required element and each choice, 0 for the others; the members of a choice share theirs. */
  readonly bit: number;
  /** The choice this is one of: `value` for `valueQuantity`. */
  readonly choice: string | undefined;
  /** For a primitive, the member that holds its value; its `_` member has the same. */
  readonly primitive: string | undefined;
  readonly isExtensionOfPrimitive: boolean;
}

interface Shape {
  readonly name: string;
  readonly isResource: boolean;
  readonly members: ReadonlyMap<string, Member>;
  readonly required: readonly { bit: number; name: string; step: string }[];
  readonly requiredBits: number;
  readonly rules: readonly CompiledRule[];
}

interface CompiledRule {
  readonly message: string;
  readonly holds: Invariant;
}

function checkResource(value: unknown, run: Run, where: 'outermost' | 'inner' | 'contained'): void {
  const type = isObject(value) ? value['resourceType'] : undefined;
  if (!isResourceType(type)) return reportNoType(value, type, run, where);
  const { resource, root } = run;
  if (where === 'outermost') run.enter(type);
  run.resource = value as JsonObject;
  if (where !== 'contained') run.root = run.resource;
  checkObject(shapeOf(type), run.resource, run);
  if (run.resource['contained'] !== undefined && where !== 'contained') checkContained(run.resource, run);
  run.resource = resource;
  run.root = root;
  if (where === 'outermost') run.leave();
}

function reportNoType(value: unknown, type: unknown, run: Run, where: string): void {
  if (!isObject(value)) {
    run.report('structure', 'This is not a FHIR resource. Send one JSON object with a `resourceType`.');
  } else if (type === undefined) {
    run.report('structure', 'The resource has no `resourceType`. Add it, such as "resourceType": "Patient".');
  } else {
    const near = typeof type === 'string' && isName(type) ? nearestName(type, resourceTypes()) : undefined;
    const remedy =
      near === undefined
        ? 'Use one of those listed at https://hl7.org/fhir/R4/resourcelist.html.'
        : `Did you mean ${near}?`;
    const place = where === 'outermost' ? undefined : 'resourceType';
    const named =
      typeof type === 'string' && isName(type)
        ? `${type} is not a resource type`
        : 'This `resourceType` is not one';
    run.report('structure', `${named} of R4. ${remedy}`, place);
  }
}

function checkObject(shape: Shape, value: JsonObject, run: Run): void {
  if (run.full) return;
  if (run.tooDeep) return run.report('structure', 'This is nested too deep. Flatten it.');
  let seen = 0;
  let count = 0;
  for (const name in value) {
    count++;
    const member = shape.members.get(name);
    if (member === undefined) {
      reportUnknown(shape, name, run);
      continue;
    }
    if (member.choice !== undefined && (seen & member.bit) !== 0) checkOneChoice(shape, member, value, run);
    seen |= member.bit;
    const item = value[name];
    run.enter(member.step);
    if (member.primitive === undefined) checkMember(member, item, run);
    else if (member.isExtensionOfPrimitive)
      checkPrimitiveExtension(member, item, value[member.primitive], run);
    else checkPrimitive(member, item, value, run);
    run.leave();
  }
  if (count === 0 || (count === 1 && !shape.isResource && value['id'] !== undefined)) {
    return run.report(
      'invariant',
      'The element has neither a value nor children (ele-1). Fill it or leave it out.',
    );
  }
  if ((seen & shape.requiredBits) !== shape.requiredBits) reportMissing(shape, seen, run);
  const rules = shape.rules;
  for (let i = 0; i < rules.length; i++) checkRule(rules[i] as CompiledRule, value, run);
}

function checkRule(rule: CompiledRule, value: JsonObject, run: Run): void {
  if (!rule.holds(value, run)) run.report('invariant', rule.message);
}

function checkMember(member: Member, value: unknown, run: Run): void {
  if (!member.many) {
    if (Array.isArray(value))
      return run.report('structure', 'This element does not repeat. Send one value, not an array.');
    return member.check(value, run);
  }
  if (!checkArray(value, run)) return;
  for (let i = 0; i < value.length; i++) {
    run.enter(i);
    member.check(value[i], run);
    run.leave();
  }
}

function checkPrimitive(member: Member, value: unknown, holder: JsonObject, run: Run): void {
  if (!member.many) {
    if (Array.isArray(value))
      return run.report('structure', 'This element does not repeat. Send one value, not an array.');
    return member.check(value, run);
  }
  if (!checkArray(value, run)) return;
  for (let i = 0; i < value.length; i++) {
    run.enter(i);
    if (value[i] !== null) member.check(value[i], run);
    else if (!isObject(asArray(holder[`_${member.primitive}`])?.[i])) {
      run.report(
        'value',
        'A `null` in an array only keeps the place of an extension, and there is none. Remove it.',
      );
    }
    run.leave();
  }
}

/** The member `_name` beside a primitive: ids and extensions, aligned with the values. */
function checkPrimitiveExtension(member: Member, value: unknown, primitive: unknown, run: Run): void {
  if (!member.many) {
    if (!isObject(value))
      return run.report('structure', 'The `_` member of an element is an object with `extension` or `id`.');
    return checkExtended(value, primitive === undefined, run);
  }
  if (!checkArray(value, run)) return;
  const values = asArray(primitive);
  if (values !== undefined && values.length !== value.length) {
    run.report(
      'structure',
      'The arrays of values and of their extensions differ in length. Fill the gaps with `null`.',
    );
  }
  value.forEach((item, i) => {
    const valueless = values?.[i] === undefined || values[i] === null;
    run.enter(i);
    if (isObject(item)) checkExtended(item, valueless, run);
    else if (item !== null)
      run.report('structure', 'This is to be an object with `extension` or `id`, or `null`.');
    else if (valueless)
      run.report('value', 'Neither a value nor an extension stands here. Remove both `null`s.');
    run.leave();
  });
}

function checkExtended(value: JsonObject, valueless: boolean, run: Run): void {
  checkObject(valueless ? shapeOf('Element') : idOnlyElement(), value, run);
}

function checkArray(value: unknown, run: Run): value is unknown[] {
  if (!Array.isArray(value))
    run.report('structure', 'This element repeats. Send an array, even for one value.');
  else if (value.length === 0) run.report('structure', 'An array is never empty. Fill it or leave it out.');
  else return true;
  return false;
}

function checkOneChoice(shape: Shape, member: Member, value: JsonObject, run: Run): void {
  const present = Object.keys(value).filter((name) => shape.members.get(name)?.choice === member.choice);
  const names = new Set(present.map((name) => name.replace(/^_/, '')));
  if (names.size > 1)
    run.report('structure', `Only one of ${quote([...names])} may be present. Keep one.`, member.choice);
}

function reportUnknown(shape: Shape, name: string, run: Run): void {
  if (!isName(name))
    return run.report('structure', 'There is a member whose name no FHIR element has. Remove it.');
  const extensionOf = name.startsWith('_') ? shape.members.get(name.slice(1)) : undefined;
  if (extensionOf !== undefined) {
    return run.report(
      'structure',
      `\`${name.slice(1)}\` is no primitive: put the extension inside it, not in \`${name}\`.`,
    );
  }
  const near = nearestName(
    name,
    [...shape.members.keys()].filter((it) => !it.startsWith('_')),
  );
  const remedy = near === undefined ? 'Remove it, or carry it in an extension.' : `Did you mean \`${near}\`?`;
  run.report('structure', `\`${shape.name}\` has no element \`${name}\`. ${remedy}`, name);
}

function reportMissing(shape: Shape, seen: number, run: Run): void {
  for (const { bit, name, step } of shape.required) {
    if ((seen & bit) === 0) run.report('required', `\`${name}\` is required here. Add it.`, step);
  }
}

// Compiling -------------------------------------------------------------------------------------------------------------

const shapes = new Map<string, Shape>();

function shapeOf(name: string): Shape {
  return shapes.get(name) ?? compileShape(name);
}

function compileShape(name: string): Shape {
  const definition = definitionOf(name);
  if (definition === undefined) throw new Error(`R4 has no type ${name}.`);
  const members = new Map<string, Member>();
  const required: Shape['required'][number][] = [];
  let nextBit = 1;
  for (const element of definition.elements) {
    let bit = 0;
    if (element.required || element.choice) {
      bit = nextBit;
      nextBit *= 2;
      if (nextBit > 2 ** 31) throw new Error(`${name} has more required elements than a number has bits.`);
    }
    if (element.required)
      required.push({ bit, name: element.name + (element.choice ? '[x]' : ''), step: element.name });
    for (const type of element.types) addMember(members, element, type, bit);
  }
  const isResource = definition.kind === 'resource';
  // Where an element of that name exists (ExampleScenario.instance) it is an ordinary one.
  if (isResource) members.set('resourceType', member('resourceType', { check: () => {} }));
  // An invariant of a primitive is judged on the element that holds it.
  const ofPrimitives = definition.elements
    .filter((element) => element.types.every((type) => type.shape === undefined))
    .flatMap((element) => element.rules ?? []);
  const shape: Shape = {
    name,
    isResource,
    members,
    required,
    requiredBits: required.reduce((bits, it) => bits | it.bit, 0),
    rules: [
      ...(builtInRules[name] ?? []),
      ...compileRules([...(definition.rules ?? []), ...ofPrimitives], name),
    ],
  };
  shapes.set(name, shape);
  return shape;
}

function addMember(
  members: Map<string, Member>,
  element: ElementDefinition,
  type: TypeReference,
  bit: number,
): void {
  const name = element.choice
    ? element.name + type.code.charAt(0).toUpperCase() + type.code.slice(1)
    : element.name;
  const step = element.choice ? `${element.name}.ofType(${type.code})` : element.name;
  const common = { many: element.many === true, bit, choice: element.choice && element.name };
  if (type.shape !== undefined) {
    members.set(name, member(step, { ...common, check: complexCheck(element, type, type.shape) }));
    return;
  }
  const check = primitiveCheck(element, type.code);
  // Ids and XHTML are attributes or text in XML, so they have no extensions.
  const primitive = type.code === 'xhtml' || type.code === 'element-id' ? undefined : name;
  members.set(name, member(step, { ...common, check, primitive }));
  if (primitive !== undefined) {
    members.set(`_${name}`, member(step, { ...common, check, primitive, isExtensionOfPrimitive: true }));
  }
}

/** Every member has the same fields in the same order: the checks read them for each element of each resource. */
function member(
  step: string,
  { many = false, check, bit = 0, ...rest }: Partial<Member> & { check: Check },
): Member {
  const { choice, primitive, isExtensionOfPrimitive = false } = rest;
  return { step, many, check, bit, choice, primitive, isExtensionOfPrimitive };
}

function complexCheck(element: ElementDefinition, type: TypeReference, shapeName: string): Check {
  if (shapeName === 'Resource') {
    const where = element.name === 'contained' ? 'contained' : 'inner';
    return (value, run) => checkResource(value, run, where);
  }
  if (isResourceType(shapeName)) return (value, run) => checkResource(value, run, 'inner');
  const codes = element.valueSet === undefined ? undefined : definitions().valueSets[element.valueSet];
  const checks: ((value: JsonObject, run: Run) => void)[] = [];
  if (type.code === 'CodeableConcept' && codes !== undefined) checks.push(conceptCheck(codes));
  if (type.code === 'Reference') {
    const targets = type.targets && new Set(type.targets);
    checks.push((value, run) => checkReference(value, targets, run));
  }
  for (const rule of compileRules(element.rules ?? [], shapeName))
    checks.push((value, run) => checkRule(rule, value, run));
  let shape: Shape | undefined;
  return (value, run) => {
    if (!isObject(value)) {
      return run.report('structure', `This is to be ${article(type.code)} as a JSON object. Send one.`);
    }
    checkObject((shape ??= shapeOf(shapeName)), value, run);
    for (let i = 0; i < checks.length; i++) (checks[i] as Check)(value, run);
  };
}

function primitiveCheck(element: ElementDefinition, type: string): Check {
  if (type === 'xhtml') {
    return (value, run) => {
      const wrong = typeof value === 'string' ? checkNarrative(value) : 'This is to be a string of XHTML.';
      if (wrong !== undefined) run.report('invariant', wrong);
    };
  }
  const check = primitiveChecks[type];
  if (check === undefined) throw new Error(`R4 has no primitive type ${type}.`);
  const codes = element.valueSet === undefined ? undefined : definitions().valueSets[element.valueSet];
  const known = codes && new Set(Object.values(codes).flat());
  return (value, run) => {
    if (known?.has(value as string)) return;
    const should = check(value);
    if (should !== undefined) run.report('value', `This is to be ${should}.`);
    else if (known !== undefined) {
      run.report(
        'code-invalid',
        `The code is not in the required value set. ${allowedCodes([...known], element)}`,
      );
    }
  };
}

function conceptCheck(
  codes: Readonly<Record<string, readonly string[]>>,
): (value: JsonObject, run: Run) => void {
  const known = new Map(Object.entries(codes).map(([system, list]) => [system, new Set(list)]));
  return (value, run) => {
    const codings = asArray(value['coding']) ?? [];
    const fits = codings.some(
      (it) => isObject(it) && known.get(it['system'] as string)?.has(it['code'] as string),
    );
    // An extension alone may say why there is no code.
    const isSilent = codings.length === 0 && value['text'] === undefined;
    if (fits || isSilent) return;
    const systems = [...known.keys()].join(' or ');
    const listed = allowedCodes([...known.values()].flatMap((list) => [...list]));
    run.report(
      'code-invalid',
      `No coding is from the required value set. Give one of the system ${systems}. ${listed}`,
    );
  };
}

function allowedCodes(codes: readonly string[], element?: ElementDefinition): string {
  if (codes.length <= 12) return `Use ${codes.join(' | ')}.`;
  return `Use one of its ${codes.length} codes${element?.valueSet === undefined ? '' : `: see ${element.valueSet}`}.`;
}

function compileRules(rules: readonly Rule[], shapeName: string): CompiledRule[] {
  const type = shapeName.split('.')[0] ?? shapeName;
  return rules.map(({ key, human }) => {
    const holds = invariants[`${type}/${key}`] ?? invariants[key];
    if (holds === undefined) throw new Error(`The invariant ${key} of ${shapeName} has no function.`);
    return {
      message: `${human.trim().replace(/\.$/, '')} (${key}). Correct the element so that this holds.`,
      holds,
    };
  });
}

const builtInRules: Readonly<Record<string, readonly CompiledRule[]>> = {
  Extension: [
    {
      message:
        'An extension has either a value or extensions inside, never both or neither (ext-1). Keep one.',
      holds: (it) => {
        let hasValue = false;
        for (const key in it) hasValue ||= key.startsWith('value') || key.startsWith('_value');
        return hasValue !== (it['extension'] !== undefined);
      },
    },
  ],
  Element: [
    {
      message: 'The element has neither a value nor an extension (ele-1). Fill it or leave it out.',
      holds: (it) => it['extension'] !== undefined,
    },
  ],
};

/** What stands beside a primitive that has a value: an id alone is enough there. */
function idOnlyElement(): Shape {
  return (besideValue ??= { ...shapeOf('Element'), isResource: true, rules: [] });
}
let besideValue: Shape | undefined;

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function asArray(value: unknown): readonly unknown[] | undefined {
  return Array.isArray(value) ? value : undefined;
}

function isName(name: string): boolean {
  return /^_?[A-Za-z][A-Za-z0-9]{0,63}$/.test(name);
}

function article(type: string): string {
  return `${/^[AEIOU]/.test(type) ? 'an' : 'a'} ${type}`;
}

function quote(names: readonly string[]): string {
  return names.map((name) => `\`${name}\``).join(', ');
}
