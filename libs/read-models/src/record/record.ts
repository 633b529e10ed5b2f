/**
 * The record read model: every current resource with its versions and its search index, as the gateway asks it.
 * Answers are JSON text as served, never parsed on the way. Every answer about a person whose partition is parked says so.
 */
import type { CallerFacts, Concealment, Party, PatientFacts, ResourceFacts, Scope } from '@carelog/access';
import type { Include, Problem, SearchQuery } from '@carelog/fhir';
import type { Checkpoint, Parked } from '@carelog/projection';
import type { Viewer } from './audience.ts';
import type { Standpoint } from './known-patients.ts';

/**
 * `viewer`: for whom is asked. What they may not see is left out of every answer, total and page as if it were not there; what
 * is concealed from them is taken out of what is shown and finds nothing. Without a viewer nothing is kept back.
 */
export interface RecordQueries {
  /** The current version. */
  read(type: string, id: string, viewer?: Viewer): Promise<VersionAnswer>;
  /** One version; `unknown` when the resource never had it. */
  vread(type: string, id: string, version: number, viewer?: Viewer): Promise<VersionAnswer>;
  /** Many versions by their names, live ones only, each as the viewer may see it. */
  theseVersions(asked: readonly AskedVersion[], viewer?: Viewer): Promise<TheseVersions>;
  /**
   * Ids of the Patients whose record each of these versions is of, as it was and as the resource is now, in the order asked;
   * undefined where the record has no such version, as of a partition that is parked.
   */
  patientsOf(asked: readonly Required<AskedVersion>[]): Promise<readonly (readonly string[] | undefined)[]>;
  /** Versions of one resource, newest first; undefined when the resource never existed, or is not shown as it is now. */
  history(type: string, id: string, page: PageRequest, viewer?: Viewer): Promise<HistoryPage | undefined>;
  /**
   * Resources that match, in the order asked for or one that does not change while they are updated: what matches while
   * all pages are read is on just one of them. What could take long runs aside, and is refused when it takes too long.
   */
  search(query: SearchQuery, request: SearchRequest, viewer?: Viewer): Promise<SearchPage | SearchRefusal>;
  /** How many resources match. */
  count(query: SearchQuery, viewer?: Viewer): Promise<SearchPage | SearchRefusal>;
  /**
   * The Patient, then its compartment, then the shared resources (practitioners, organisations, …) that those refer to
   * directly. Undefined when the Patient never existed, or is not shown.
   * https://hl7.org/fhir/R4/operation-patient-everything.html
   */
  everything(patient: string, page: EverythingRequest, viewer?: Viewer): Promise<SearchPage | undefined>;
  /**
   * Facts of a resource as it stands, or as it stood before its end; undefined where it never existed. `scopes`: those of the
   * caller, whose conditions are looked for in it; `conceal`: what an S-flag conceals, which is looked for in it.
   */
  resourceFacts(
    type: string,
    id: string,
    scopes: readonly Scope[],
    conceal?: Concealment,
  ): Promise<ResourceFacts | undefined>;
  /** Facts of these Patients, by id, of whom the record knows anything; times are as of now. */
  patientFacts(
    of: Standpoint,
    caller: CallerFacts,
    ids: readonly string[],
  ): Promise<ReadonlyMap<string, PatientFacts>>;
  /** Whom the person with this NHS number is in the record, and whom they are a proxy for now. */
  standsFor(nhsNumber: string): Promise<Pick<CallerFacts, 'own' | 'proxyFor'>>;
  /** Which of these parties are the organisation, belong to it, or are the care setting. */
  ours(of: Standpoint, parties: readonly Party[]): Promise<ReadonlySet<Party>>;
  stats(): Promise<{ readonly people: number; readonly resources: number }>;
  /** The last event that every answer from now on reflects; undefined before the first. */
  checkpoint(): Promise<Checkpoint | undefined>;
  /** Partitions that stopped at an event which could not be projected. */
  parked(): Promise<readonly Parked[]>;
  /** The parked partition that this resource belongs to, also where the resource itself was set aside; none of a stranger's. */
  parkedPartitionOf(type: string, id: string, viewer?: Viewer): Promise<Parked | undefined>;
  /** A digest of the whole view; equal views have equal digests, in whatever order they were projected. */
  hash(): Promise<string>;
  close(): void;
}

export type VersionAnswer =
  | {
      readonly kind: 'found';
      readonly body: string;
      readonly versionId: number;
      readonly lastUpdated: string;
      readonly shown: Shown;
    }
  | { readonly kind: 'deleted'; readonly versionId: number; readonly lastUpdated: string }
  /** The version was recorded, but its content can no longer be opened. */
  | { readonly kind: 'erased'; readonly versionId: number; readonly lastUpdated: string }
  /** Never existed, or is not shown. */
  | { readonly kind: 'unknown' };

export interface AskedVersion {
  readonly stream: string;
  /** The current one unless told. */
  readonly version?: number;
}

export interface TheseVersions {
  /** By stream, as served; those that are not shown, or have ended, are missing. */
  readonly bodies: ReadonlyMap<string, ShownVersion>;
  /** The same in the order asked for, where several versions of one resource are asked for at once. */
  readonly each: readonly (ShownVersion | undefined)[];
  /** Streams that are there and kept from the viewer. */
  readonly withheld: readonly string[];
  readonly shown: Shown;
}

export interface ShownVersion {
  readonly body: string;
  /** Something was taken out of it. */
  readonly isConcealed: boolean;
  /** Where the person lives or is seen is kept from the viewer, whether or not the body told of it. */
  readonly hidesPlaces: boolean;
}

/** Which versions an answer shows and whose they are: what an access record needs to know of it. */
export interface Shown {
  /** Positions of their events, in the order shown, with commas between: each names a resource and its version. */
  readonly versions: string;
  /** Ids of the Patients whose resources they are; none for what belongs to nobody. */
  readonly patients: readonly string[];
  /** Something was taken out of what is shown. */
  readonly isConcealed?: boolean;
}

/** Where the next page goes on. State for the gateway to seal; its content means nothing to anybody else. */
export type Cursor = readonly (number | string | null)[];

export interface PageRequest {
  /** At most this many entries. */
  readonly count: number;
  readonly cursor?: Cursor;
  /** Base URL of the answer's `fullUrl`s, without a slash at its end. */
  readonly base: string;
}

export interface SearchRequest extends PageRequest {
  readonly includes?: readonly Include[];
  /** For whom what comes along is looked up; the viewer unless told. */
  readonly includesFor?: Viewer;
  /** `none` never tells a total, `accurate` always; else it is told where it is known. */
  readonly total?: 'none' | 'estimate' | 'accurate';
}

/** The search took longer than it may, or too many such searches wait already. */
export interface SearchRefusal {
  readonly refused: 'too-slow' | 'busy';
  readonly problem: Problem;
}

export interface EverythingRequest extends PageRequest {
  /** `_type`: only resources of these types. */
  readonly types?: readonly string[];
  /** `_since`: only resources changed at or after this instant, milliseconds UTC. */
  readonly since?: number;
}

export interface SearchPage {
  /** The page's Bundle entries, UTF-8 JSON joined by commas, in parts as they were read; none when nothing matches. */
  readonly entries: readonly Uint8Array[];
  /** How many of them match; those included come after. */
  readonly count: number;
  readonly included?: number;
  /** There was more to include than a page takes. */
  readonly includesCut?: true;
  readonly next?: Cursor;
  /** Given where it is known; then it is right. */
  readonly total?: number;
  readonly shown: Shown;
  /** Parked partitions this answer may lack events of. */
  readonly incomplete: readonly Parked[];
}

export interface HistoryPage extends SearchPage {
  /** Number of versions. */
  readonly total: number;
}
