/** What a server says is wrong: the issues of an OperationOutcome. https://hl7.org/fhir/R4/operationoutcome.html */

export interface Problem {
  /** FHIR issue type, e.g. `duplicate`. https://hl7.org/fhir/R4/valueset-issue-type.html */
  readonly code: string;
  /** What is wrong, and how to put it right. */
  readonly message: string;
  /** Where, e.g. `[3].data.status`. */
  readonly expression?: string;
}

/** What a server refused for good. */
export class CarelogError extends Error {
  override readonly name = 'CarelogError';
  /** HTTP status; 0 where what came was no answer of the server at all. */
  readonly status: number;
  readonly problems: readonly Problem[];

  constructor(status: number, problems: readonly Problem[]) {
    super(problems.map(({ message }) => message).join(' '));
    this.status = status;
    this.problems = problems;
  }
}

/** At least one: what is no OperationOutcome is a problem by itself. */
export function problemsIn(outcome: unknown, status: number): readonly Problem[] {
  const { issue } = (typeof outcome === 'object' && outcome !== null ? outcome : {}) as { issue?: unknown };
  const problems = Array.isArray(issue) ? issue.flatMap(problemOf) : [];
  return problems.length > 0 ? problems : [{ code: 'unknown', message: `The server answered ${status}.` }];
}

/** Of an answer that is a refusal. */
export async function problemsOf(response: Response): Promise<readonly Problem[]> {
  let outcome: unknown;
  try {
    outcome = await response.json();
  } catch {
    // A proxy's page, or nothing: the status is all that is known.
  }
  return problemsIn(outcome, response.status);
}

function problemOf(issue: unknown): readonly Problem[] {
  if (typeof issue !== 'object' || issue === null) return [];
  const { code, diagnostics, expression } = issue as Record<string, unknown>;
  const place: unknown = Array.isArray(expression) ? expression[0] : undefined;
  return [
    {
      code: String(code),
      message: typeof diagnostics === 'string' ? diagnostics : '',
      ...(typeof place === 'string' && { expression: place }),
    },
  ];
}
