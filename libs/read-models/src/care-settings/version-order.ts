/**
 * Which of two versions of a resource stands, whichever came first: what its source says of the version, and no date of what
 * the version tells, such as `authoredOn`, which stays as it is when the rest is corrected. In words: docs/reference/care-settings.md
 */
import type { AppliedChange } from '@carelog/projection';

type RecordedEvent = AppliedChange<unknown>['event'];

/** What orders one version among those of its resource. */
export interface Edition {
  /** Of its stream: the log's own number. */
  readonly version: number;
  /** Milliseconds UTC: when its source says that it issued it, else when it was recorded. */
  readonly issued: number;
  readonly mark?: Mark | undefined;
}

/** Orders versions that are marked alike, where times do not. */
export interface Mark {
  /** Who counts, and what; the same for all versions that can be compared by it. */
  readonly of: string;
  readonly at: number;
  /** Its source says when it issued the version, too. */
  readonly isDated?: true;
}

/** `resource`: undefined where the version says that there is none, or that it was never so. */
export function editionOf(
  { revision, recordedAt, sourceVersion, publisher }: RecordedEvent,
  resource: Readonly<Record<string, unknown>> | undefined,
): Edition {
  const recorded = Date.parse(recordedAt);
  const said = Date.parse(sourceVersion?.issuedAt ?? '');
  const isDated = !Number.isNaN(said);
  const by = `${publisher.organisation} ${publisher.system}`;
  const number = sourceVersion?.version ?? '';
  const told = isDated ? Number.NaN : Date.parse(issueTimeIn(resource));
  const mark: Mark | undefined = NUMBER.test(number)
    ? { of: `${by} version`, at: Number(number), ...(isDated && { isDated }) }
    : Number.isNaN(told)
      ? undefined
      : { of: `${by} issue`, at: Math.min(told, recorded) };
  // A clock that runs ahead must not keep what comes after it from being seen.
  return { version: revision, issued: isDated ? Math.min(said, recorded) : recorded, mark };
}

/**
 * The one that stands, of what stood and what came. Where neither is marked, and where all are marked alike, every order of
 * coming ends the same.
 */
export function standingOf<E extends Edition>(stood: E | undefined, came: E): E {
  if (stood === undefined) return came;
  if (!isNewer(came, stood)) return stood;
  // Who is not marked does not let back what another had outdone.
  return came.mark === undefined && stood.mark !== undefined ? { ...came, mark: stood.mark } : came;
}

function isNewer(a: Edition, b: Edition): boolean {
  const isMarkedAlike = a.mark !== undefined && a.mark.of === b.mark?.of && a.mark.at !== b.mark.at;
  const areDated = a.mark?.isDated === true && b.mark?.isDated === true;
  if (isMarkedAlike && (!areDated || a.issued === b.issued)) return a.mark.at > b.mark.at;
  return a.issued > b.issued || (a.issued === b.issued && a.version > b.version);
}

/** A larger one is no counter. */
const NUMBER = /^\d{1,15}$/;

/** Elements that FHIR R4 defines as the time of the version, not of what it tells. https://hl7.org/fhir/R4/observation-definitions.html#Observation.issued */
const ISSUE_TIMES: Readonly<Record<string, string>> = {
  Observation: 'issued',
  DiagnosticReport: 'issued',
  Task: 'lastModified',
};

function issueTimeIn(resource: Readonly<Record<string, unknown>> | undefined): string {
  const value = resource?.[ISSUE_TIMES[String(resource['resourceType'])] ?? ''];
  return typeof value === 'string' ? value : '';
}
