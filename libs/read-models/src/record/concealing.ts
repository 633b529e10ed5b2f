/**
 * What of a resource tells where its patient may be found: every element that refers to a place, an address, and what the
 * policy names besides. Worked out once from the definitions of R4; a body is gone over only where something is concealed.
 */
import type { Concealment } from '@carelog/access';
import {
  definitionOf,
  parseJson,
  pathsOf,
  searchParametersOf,
  stringify,
  type ElementDefinition,
  type SearchCondition,
  type SearchParameter,
  type TypeReference,
} from '@carelog/fhir';

/**
 * Of the values that a search parameter reads: `wholly`, any of them may be taken out; `partly`, references to places are and
 * others never.
 */
export type Touched = 'wholly' | 'partly';

/** How a condition is answered of a resource that is shown in part: as of any, by what is shown of it, or with no. */
export type Answering = 'freely' | 'by-what-is-shown' | 'never';

export class Concealing {
  readonly #rule: Rule;
  readonly #shapes = new Map<string, ReadonlyMap<string, Member>>();
  readonly #touched = new Map<string, ReadonlyMap<string, Touched>>();
  #last = { type: '', body: '', shown: '' };

  constructor({ places, hides, datatypes, people, takesOut, together, keeps }: Concealment) {
    const [placesOf, hidden] = [new Set(places), new Set([...places, ...hides])];
    this.#rule = { places: placesOf, hidden, datatypes: new Set(datatypes), people: new Set(people), takesOut: new Set(takesOut), together: new Set(together), keeps: new Set(keeps) }; // prettier-ignore
  }

  /** The JSON text of a resource without what is concealed: numbers as they were written, and the same text where it has none of it. */
  shown(type: string, body: string): string {
    const last = this.#last;
    if (last.type === type && last.body === body) return last.shown;
    const parsed = parseJson(body);
    if (parsed.kind !== 'parsed') throw new Error('A resource of the record is no JSON.');
    const of = parsed.value as Json;
    const { isChanged } = this.#strip(of, type, containedTypes(of));
    const shown = isChanged ? stringify(of, parsed.exact) : body;
    this.#last = { type, body, shown };
    return shown;
  }

  /** The search parameters of a type that read what is concealed. */
  touched(type: string): ReadonlyMap<string, Touched> {
    let touched = this.#touched.get(type);
    if (touched === undefined) {
      const found = searchParametersOf(type).map((it) => [it.code, this.#touches(type, it)] as const);
      touched = new Map(found.filter((it): it is [string, Touched] => it[1] !== undefined));
      this.#touched.set(type, touched);
    }
    return touched;
  }

  answering(type: string, condition: SearchCondition): Answering {
    const touched = this.touched(type);
    if (condition.kind === 'compartment') {
      const mayHide = (it: Touched | undefined) => it === 'wholly' || (it === 'partly' && this.mayBePlace(condition.of));
      return condition.parameters.some((it) => mayHide(touched.get(it))) ? 'by-what-is-shown' : 'freely';
    } // prettier-ignore
    const how = touched.get(condition.parameter);
    if (how === undefined) return 'freely';
    const isOfPeople = condition.kind === 'reference' && !condition.values.some((it) => this.mayBePlace(it.target)); // prettier-ignore
    if (how === 'partly' && isOfPeople) return 'freely';
    // That there is nothing would tell those who have something from those who have not.
    const isNegative = (condition.kind === 'token' && condition.not) || (condition.kind === 'missing' && condition.missing); // prettier-ignore
    return isNegative === true ? 'never' : 'by-what-is-shown';
  }

  /** Whether a reference to this is to a place, or it cannot be told to what. */
  mayBePlace(target: string): boolean {
    const type = typeNamedBy(target);
    return type === undefined || this.#rule.places.has(type);
  }

  /** Takes out of `value`; `vanishes` where what is left of it could not stand, or would tell. */
  #strip(value: Json, shape: string, contained: Contained): Stripped {
    const members = this.#membersOf(shape);
    let [isChanged, vanishes] = [false, false];
    const isWhole = this.#rule.together.has(shape);
    for (const name of Object.keys(value)) {
      const member = members.get(name);
      if (member === undefined) continue;
      const left = this.#without(value[name], member, contained);
      if (!left.isChanged) continue;
      isChanged = true;
      if (left.isGone) delete value[name];
      // An extension is beside what it stands in, and goes alone.
      const isPart = member.type !== 'Extension' || shape === 'Extension';
      if (left.isShorter && ((isWhole && isPart) || (left.isGone && member.isRequired))) vanishes = true;
    }
    // R4 knows no empty element.
    return { isChanged, vanishes: vanishes || (isChanged && Object.keys(value).length === 0) };
  }

  #without(value: unknown, member: Member, contained: Contained): Left {
    if (member.isTaken) return { isChanged: true, isGone: true, isShorter: true };
    const items = (Array.isArray(value) ? value : [value]) as unknown[];
    let [isChanged, isShorter] = [false, false];
    for (let i = items.length - 1; i >= 0; i -= 1) {
      const item = items[i];
      if (typeof item !== 'object' || item === null) continue;
      const left = this.#stripItem(item as Json, member, contained);
      isChanged ||= left.isChanged || left.vanishes;
      if (!left.vanishes) continue;
      isShorter = true;
      items.splice(i, 1);
    }
    return { isChanged, isShorter, isGone: isShorter && items.length === 0 };
  }

  #stripItem(item: Json, { type, targets }: Member, contained: Contained): Stripped {
    if (type === 'Resource') {
      const name = String(item['resourceType']);
      return this.#rule.hidden.has(name) ? GONE : { ...this.#strip(item, name, containedTypes(item) ?? contained), vanishes: false }; // prettier-ignore
    }
    if (type === 'Reference' && this.#isToPlace(item, targets, contained)) return GONE;
    return this.#strip(item, type, contained);
  }

  #isToPlace({ reference, type, identifier }: Json, targets: Targets, contained: Contained): boolean {
    const { places, people } = this.#rule;
    if (targets !== undefined && !targets.some((it) => places.has(it))) return false;
    const named = typeof reference !== 'string' ? undefined : reference.startsWith('#') ? contained?.get(reference.slice(1)) : typeNamedBy(reference); // prettier-ignore
    const known = named ?? (typeof type === 'string' ? type : undefined);
    if (known !== undefined) return places.has(known);
    const system = (identifier as Json | undefined)?.['system'];
    return typeof system !== 'string' || !people.has(system);
  }

  #membersOf(shape: string): ReadonlyMap<string, Member> {
    let members = this.#shapes.get(shape);
    if (members === undefined) {
      members = new Map((definitionOf(shape)?.elements ?? []).flatMap((it) => this.#members(shape, it)));
      this.#shapes.set(shape, members);
    }
    return members;
  }

  #members(shape: string, element: ElementDefinition): [string, Member][] {
    const isTaken = this.#isTaken(shape, element);
    const isKept = this.#rule.keeps.has(`${shape}.${element.name}`);
    return element.types.flatMap((type): [string, Member][] => {
      const name = element.choice ? element.name + type.code.charAt(0).toUpperCase() + type.code.slice(1) : element.name; // prettier-ignore
      const taken = isTaken || this.#rule.datatypes.has(type.code);
      if (isKept || (!taken && type.shape === undefined)) return [];
      const member = { isTaken: taken, isRequired: element.required === true, type: type.shape ?? type.code, targets: type.targets }; // prettier-ignore
      return [[name, member], ...(taken && type.shape === undefined ? [[`_${name}`, member] as [string, Member]] : [])]; // prettier-ignore
    });
  }

  /** Whatever it holds: the policy names it, or it is there to say where. */
  #isTaken(shape: string, { name, types, choice }: ElementDefinition): boolean {
    const { takesOut, places, datatypes, keeps } = this.#rule;
    if (keeps.has(`${shape}.${name}`)) return false;
    if (takesOut.has(`${shape}.${name}`)) return true;
    if (takesOut.has(`*.${name}`) && definitionOf(shape)?.kind === 'resource') return true;
    const isPlace = ({ code, targets }: TypeReference) => datatypes.has(code) || (code === 'Reference' && targets?.every((it) => places.has(it)) === true); // prettier-ignore
    const isOpen = choice === true && types.some((it) => it.code === 'Reference' && it.targets === undefined);
    return !isOpen && types.some(isPlace) && types.every((it) => it.code !== 'Reference' || isPlace(it));
  }

  #touches(type: string, parameter: SearchParameter): Touched | undefined {
    const all = pathsOf(type, parameter).map(({ steps }) => this.#onPath(type, steps));
    return all.includes('wholly') ? 'wholly' : all.find((it) => it !== undefined);
  }

  #onPath(resource: string, steps: ReturnType<typeof pathsOf>[number]['steps']): Touched | undefined {
    let shape = resource;
    let types: readonly TypeReference[] = [];
    for (const step of steps) {
      if (step.kind === 'extension') return 'wholly';
      if (step.kind === 'type') types = types.filter(({ code }) => code === step.name);
      if (step.kind === 'target-type' && !this.#rule.places.has(step.name)) return undefined;
      if (step.kind !== 'property') continue;
      if (types.length > 0) shape = types[0]?.shape ?? '';
      const element = definitionOf(shape)?.elements.find((it) => it.name === step.name);
      if (element === undefined) return undefined;
      if (this.#isTaken(shape, element)) return 'wholly';
      if (shape !== resource && this.#endings(shape).some((it) => it !== step.name)) return 'wholly';
      types = element.types.filter(({ code }) => !this.#rule.datatypes.has(code));
      if (types.length < element.types.length) return 'wholly';
      if (this.#rule.keeps.has(`${shape}.${step.name}`)) return undefined;
    }
    const isPlace = ({ code, targets }: TypeReference) => code === 'Reference' && (targets === undefined || targets.some((it) => this.#rule.places.has(it))); // prettier-ignore
    return types.some(isPlace) ? 'partly' : undefined;
  }

  /** The elements of a shape with which all of it may be taken out. */
  #endings(shape: string, above: readonly string[] = []): readonly string[] {
    const isWhole = this.#rule.together.has(shape);
    const elements = (definitionOf(shape)?.elements ?? []).filter((it) => it.required === true || isWhole);
    return elements.filter((it) => this.#mayGo(shape, it, [...above, shape])).map((it) => it.name);
  }

  #mayGo(shape: string, element: ElementDefinition, above: readonly string[]): boolean {
    const { keeps, places, datatypes } = this.#rule;
    if (keeps.has(`${shape}.${element.name}`)) return false;
    if (this.#isTaken(shape, element)) return true;
    return element.types.some(({ code, shape: inner, targets }) => {
      if (datatypes.has(code)) return true;
      if (code === 'Reference') return targets === undefined || targets.some((it) => places.has(it));
      return inner !== undefined && code !== 'Extension' && !above.includes(inner) && this.#endings(inner, above).length > 0; // prettier-ignore
    });
  }
}

type Json = Record<string, unknown>;
type Targets = readonly string[] | undefined;
/** The types of what a resource contains, by id. */
type Contained = ReadonlyMap<string, string> | undefined;

interface Rule {
  readonly places: ReadonlySet<string>;
  /** Places, and types that are not shown at all. */
  readonly hidden: ReadonlySet<string>;
  readonly datatypes: ReadonlySet<string>;
  readonly people: ReadonlySet<string>;
  readonly takesOut: ReadonlySet<string>;
  readonly together: ReadonlySet<string>;
  readonly keeps: ReadonlySet<string>;
}

interface Member {
  readonly isTaken: boolean;
  readonly isRequired: boolean;
  readonly type: string;
  readonly targets: Targets;
}

interface Stripped {
  readonly isChanged: boolean;
  readonly vanishes: boolean;
}
interface Left {
  readonly isChanged: boolean;
  readonly isShorter: boolean;
  readonly isGone: boolean;
}

const GONE: Stripped = { isChanged: true, vanishes: true };

const TARGET = /(?:^|\/)([A-Z][A-Za-z]+)(?:\/[A-Za-z0-9.-]{1,64}(?:\/_history\/[^/]+)?|\?.*)$/;
const typeNamedBy = (target: string): string | undefined => TARGET.exec(target)?.[1];

function containedTypes({ contained }: Json): Contained {
  if (!Array.isArray(contained)) return undefined;
  return new Map(contained.map((it: Json) => [String(it['id']), String(it['resourceType'])]));
}
