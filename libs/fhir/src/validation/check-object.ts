/** The inner loop of validation: one JSON object against the table of checks compiled from its type's definition. */
import type { Invariant } from './invariants.ts';
import { nearestName } from './nearest-name.ts';
import type { JsonObject, Run } from './run.ts';

export type Check = (value: unknown, run: Run) => void;

export interface Member {
  /** How FHIRPath names the element: `code`, `value.ofType(Quantity)`. */
  readonly step: string;
  readonly many: boolean;
  readonly check: Check;
  /** For the `_` member of a primitive: the check where the primitive has a value, so that an id alone is enough. */
  readonly checkBeside: Check;
  /** One bit for each required element and each choice, 0 for the others; the members of a choice share theirs. */
  readonly bit: number;
  /** The choice this is one of: `value` for `valueQuantity`. */
  readonly choice: string | undefined;
  /** For a primitive, the member that holds its value; its `_` member has the same. */
  readonly primitive: string | undefined;
  readonly isExtensionOfPrimitive: boolean;
}

export interface Shape {
  readonly name: string;
  /** Resources, and what stands beside a primitive's value, need nothing but an id. */
  readonly mayBeIdOnly: boolean;
  readonly members: ReadonlyMap<string, Member>;
  readonly required: readonly { bit: number; name: string; step: string }[];
  readonly requiredBits: number;
  readonly rules: readonly CompiledRule[];
}

export interface CompiledRule {
  readonly message: string;
  readonly holds: Invariant;
}

/** Reports all that is wrong with an object where the run stands, and below. */
export function checkObject(shape: Shape, value: JsonObject, run: Run): void {
  if (run.full || !run.isWithinDepth()) return;
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
  if (run.full) return;
  if (count === 0 || (count === 1 && !shape.mayBeIdOnly && value['id'] !== undefined)) {
    return run.report(
      'invariant',
      'The element has neither a value nor children (ele-1). Fill it or leave it out.',
    );
  }
  if ((seen & shape.requiredBits) !== shape.requiredBits) reportMissing(shape, seen, run);
  const rules = shape.rules;
  for (let i = 0; i < rules.length; i++) checkRule(rules[i] as CompiledRule, value, run);
}

/** Reports one invariant where it does not hold. */
export function checkRule(rule: CompiledRule, value: JsonObject, run: Run): void {
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
    return (primitive === undefined ? member.check : member.checkBeside)(value, run);
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
    if (isObject(item)) (valueless ? member.check : member.checkBeside)(item, run);
    else if (item !== null) {
      run.report('structure', 'This is to be an object with `extension` or `id`, or `null`.');
    } else if (values?.[i] === undefined) {
      run.report('value', 'Neither a value nor an extension stands here. Remove this `null`.');
    }
    run.leave();
  });
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

function asArray(value: unknown): readonly unknown[] | undefined {
  return Array.isArray(value) ? value : undefined;
}

function quote(names: readonly string[]): string {
  return names.map((name) => `\`${name}\``).join(', ');
}

/** Whether it is a JSON object. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Whether it has the form of a FHIR name, so that a message may repeat it. */
export function isName(name: string): boolean {
  return /^_?[A-Za-z][A-Za-z0-9]{0,63}$/.test(name);
}
