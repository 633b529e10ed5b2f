/**
 * Reads the subset of FHIRPath that the R4 SearchParameters are written in: paths, unions, `ofType`, `as`, `where`,
 * `extension`, an index, and the test `exists() and … != false`.
 * https://hl7.org/fhirpath/N1/
 */

/** One alternative of an expression: where it starts (a type name, or nothing for an element of the type) and its steps. */
export interface Path {
  readonly steps: readonly Step[];
  /** The expression asks whether the path's value exists and is not `false`. */
  readonly isTest?: true;
}

export type Step =
  | { readonly kind: 'property'; readonly name: string }
  | { readonly kind: 'type'; readonly name: string }
  | { readonly kind: 'target-type'; readonly name: string }
  | { readonly kind: 'equals'; readonly name: string; readonly value: string }
  | { readonly kind: 'extension'; readonly url: string }
  | { readonly kind: 'index'; readonly at: number };

/** The alternatives of an expression. Throws when it holds something outside the subset: a definition we cannot index. */
export function parseExpression(expression: string): readonly Path[] {
  const reader = new Reader(expression);
  const paths = reader.union();
  reader.end();
  return paths;
}

const TOKEN = /\s*(?:([A-Za-z_][A-Za-z0-9_]*)|'((?:[^'\\]|\\.)*)'|(\d+)|(!=|[|().[\]=]))/y;

interface Token {
  readonly kind: 'name' | 'text' | 'number' | 'symbol';
  readonly text: string;
}

class Reader {
  readonly #expression: string;
  readonly #tokens: Token[] = [];
  #at = 0;

  constructor(expression: string) {
    this.#expression = expression;
    TOKEN.lastIndex = 0;
    while (TOKEN.lastIndex < expression.trimEnd().length) {
      const match = TOKEN.exec(expression);
      if (match === null)
        throw new Error(`Not in the subset of FHIRPath for search parameters: ${expression}`);
      const [, name, text, number, symbol] = match;
      if (name !== undefined) this.#tokens.push({ kind: 'name', text: name });
      else if (text !== undefined) this.#tokens.push({ kind: 'text', text });
      else if (number !== undefined) this.#tokens.push({ kind: 'number', text: number });
      else this.#tokens.push({ kind: 'symbol', text: symbol ?? '' });
    }
  }

  union(): Path[] {
    const paths = this.#term();
    while (this.#take('|')) paths.push(...this.#term());
    return paths;
  }

  end(): void {
    if (this.#at < this.#tokens.length) this.#refuse();
  }

  #term(): Path[] {
    const starts = this.#take('(') ? this.#parenthesised() : [{ steps: [this.#property()] }];
    const rest: Step[] = [];
    let isTest = false;
    for (;;) {
      if (this.#take('[')) {
        rest.push({ kind: 'index', at: Number(this.#next('number')) });
        this.#expect(']');
      } else if (this.#take('.')) {
        const step = this.#step();
        if (step === 'exists') isTest = true;
        else rest.push(step);
      } else if (this.#take('as')) {
        rest.push({ kind: 'type', name: this.#next('name') });
      } else break;
    }
    if (isTest && this.#take('and')) this.#notFalse();
    return starts.map((start) => ({
      steps: [...start.steps, ...rest],
      ...(isTest && { isTest: true as const }),
    }));
  }

  #parenthesised(): Path[] {
    const paths = this.union();
    this.#expect(')');
    return paths;
  }

  #step(): Step | 'exists' {
    const property = this.#property();
    if (!this.#take('(')) return property;
    if (property.name === 'exists') {
      this.#expect(')');
      return 'exists';
    }
    const step = this.#call(property.name);
    this.#expect(')');
    return step;
  }

  #call(name: string): Step {
    if (name === 'ofType' || name === 'as') return { kind: 'type', name: this.#next('name') };
    if (name === 'extension') return { kind: 'extension', url: this.#next('text') };
    if (name !== 'where') return this.#refuse();
    const element = this.#next('name');
    if (element !== 'resolve') {
      this.#expect('=');
      return { kind: 'equals', name: element, value: this.#next('text') };
    }
    for (const word of ['(', ')', 'is']) this.#expect(word);
    return { kind: 'target-type', name: this.#next('name') };
  }

  // The second half of `X.exists() and X != false`.
  #notFalse(): void {
    while (!this.#take('!=')) if (this.#tokens[this.#at++] === undefined) this.#refuse();
    this.#expect('false');
  }

  #property(): Step & { kind: 'property' } {
    return { kind: 'property', name: this.#next('name') };
  }

  #next(kind: Token['kind']): string {
    const token = this.#tokens[this.#at++];
    return token?.kind === kind ? token.text : this.#refuse();
  }

  #take(text: string): boolean {
    const token = this.#tokens[this.#at];
    if (token === undefined || token.kind === 'text' || token.text !== text) return false;
    this.#at += 1;
    return true;
  }

  #expect(text: string): void {
    if (!this.#take(text)) this.#refuse();
  }

  #refuse(): never {
    throw new Error(`Not in the subset of FHIRPath for search parameters: ${this.#expression}`);
  }
}
