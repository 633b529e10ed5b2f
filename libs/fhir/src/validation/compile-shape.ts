/**
 * Compiles R4's definitions, each at its first use, into tables of checks by member name.
 * https://hl7.org/fhir/R4/elementdefinition.html
 */
import type { ElementDefinition, Rule, TypeReference } from '../build-definitions.ts';
import { definitionOf, definitions, isResourceType, resourceTypes } from '../definitions.ts';
import {
  type Check,
  checkObject,
  checkRule,
  type CompiledRule,
  isName,
  isObject,
  type Member,
  type Shape,
} from './check-object.ts';
import { checkContained } from './contained.ts';
import { objects } from './elements.ts';
import { invariants } from './invariants.ts';
import { checkNarrative } from './narrative.ts';
import { nearestName } from './nearest-name.ts';
import { primitiveChecks } from './primitives.ts';
import { checkReference } from './reference.ts';
import type { JsonObject, Run } from './run.ts';

/** Checks a resource by its own `resourceType`. */
export function checkResource(value: unknown, run: Run, where: 'outermost' | 'inner' | 'contained'): void {
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
        ? `\`${type}\` is not a resource type`
        : 'This `resourceType` is not one';
    run.report('structure', `${named} of R4. ${remedy}`, place);
  }
}

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
    mayBeIdOnly: isResource,
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
    const extension = {
      check: checkExtension,
      checkBeside: checkExtensionBeside,
      isExtensionOfPrimitive: true,
    };
    members.set(`_${name}`, member(step, { ...common, ...extension, primitive }));
  }
}

/** Every member has the same fields in the same order: the checks read them for each element of each resource. */
function member(
  step: string,
  { many = false, check, bit = 0, ...rest }: Partial<Member> & { check: Check },
): Member {
  const { checkBeside = check, choice, primitive, isExtensionOfPrimitive = false } = rest;
  return { step, many, check, checkBeside, bit, choice, primitive, isExtensionOfPrimitive };
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
    const codings = objects(value['coding']);
    const fits = codings.some((it) => known.get(it['system'] as string)?.has(it['code'] as string));
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
    const statement = human.trim().replace(/\.$/, '');
    const sentence = statement.charAt(0).toUpperCase() + statement.slice(1);
    return { message: `${sentence} (${key}). Correct the element so that this holds.`, holds };
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

function checkExtension(value: unknown, run: Run): void {
  checkObject(shapeOf('Element'), value as JsonObject, run);
}

function checkExtensionBeside(value: unknown, run: Run): void {
  checkObject(
    (elementBeside ??= { ...shapeOf('Element'), mayBeIdOnly: true, rules: [] }),
    value as JsonObject,
    run,
  );
}
let elementBeside: Shape | undefined;

function article(type: string): string {
  return `${/^[AEIOU]/.test(type) ? 'an' : 'a'} ${type}`;
}
