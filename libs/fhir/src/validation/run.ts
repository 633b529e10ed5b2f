/** One validation in progress: where it is, what it found, and which resources surround the element being looked at. */
import type { Problem } from '../problem.ts';

/** More than anyone corrects in one go; the rest would only repeat the same mistakes. */
export const PROBLEMS_MAX = 100;

/** Deeper than any real resource; guards the stack against values that did not come through `parseJson`. */
export const DEPTH_MAX = 300;

export type JsonObject = Record<string, unknown>;

export class Run {
  readonly problems: Problem[] = [];
  /** The resource the current element belongs to, `%resource` in FHIRPath. */
  resource: JsonObject = {};
  /** The same, or the resource that contains it, `%rootResource`. */
  root: JsonObject = {};
  /** Element names and array indexes from the outermost resource down; only the first `depth` count. */
  readonly #path: (string | number)[] = [];
  #depth = 0;

  #stopped = false;

  /** Whether to stop looking: enough problems were found, or the value has no end. */
  get full(): boolean {
    return this.#stopped || this.problems.length >= PROBLEMS_MAX;
  }

  /** Whether the place is within the depth that is looked at; the first that is not ends the validation. */
  isWithinDepth(): boolean {
    if (this.#depth <= DEPTH_MAX) return true;
    this.report('structure', `This is nested more than ${DEPTH_MAX} levels deep. Flatten it.`);
    this.#stopped = true;
    return false;
  }

  enter(step: string | number): void {
    this.#path[this.#depth++] = step;
  }

  leave(): void {
    this.#depth--;
  }

  /** Notes a problem at the current place, or at an element below it. */
  report(code: string, message: string, below?: string | number): void {
    if (this.full) return;
    const expression = this.#expression(below);
    this.problems.push({ category: 'incorrect', code, message, ...(expression !== '' && { expression }) });
    if (this.full) {
      const note = `There may be more: only the first ${PROBLEMS_MAX} problems are listed. Correct them and try again.`;
      this.problems.push({
        category: 'incorrect',
        code: 'informational',
        severity: 'information',
        message: note,
      });
    }
  }

  #expression(below?: string | number): string {
    const steps = this.#path.slice(0, this.#depth);
    if (below !== undefined) steps.push(below);
    return steps
      .map((step, i) => (typeof step === 'number' ? `[${step}]` : i === 0 ? step : `.${step}`))
      .join('');
  }
}
