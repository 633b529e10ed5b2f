/**
 * The record read model: every current resource with its versions and its search index, as the gateway asks it.
 * Answers are JSON text as served, never parsed on the way. Every answer about a person whose partition is parked says so.
 */
import type { Include, Problem, SearchQuery } from '@carelog/fhir';
import type { Checkpoint, Parked } from '@carelog/projection';

export interface RecordQueries {
  /** The current version. */
  read(type: string, id: string, restrictTo?: Restriction): Promise<VersionAnswer>;
  /** One version; `unknown` when the resource never had it. */
  vread(type: string, id: string, version: number, restrictTo?: Restriction): Promise<VersionAnswer>;
  /** Versions of one resource, newest first; undefined when the resource never existed. */
  history(
    type: string,
    id: string,
    page: PageRequest,
    restrictTo?: Restriction,
  ): Promise<HistoryPage | undefined>;
  /**
   * Resources that match, in the order asked for or one that does not change while they are updated: what matches while
   * all pages are read is on just one of them. What could take long runs aside, and is refused when it takes too long.
   */
  search(
    query: SearchQuery,
    request: SearchRequest,
    restrictTo?: Restriction,
  ): Promise<SearchPage | SearchRefusal>;
  /** How many resources match. */
  count(query: SearchQuery, restrictTo?: Restriction): Promise<SearchPage | SearchRefusal>;
  /**
   * The Patient, then its compartment, then the shared resources (practitioners, organisations, …) that those refer to
   * directly. Undefined when the Patient never existed.
   * https://hl7.org/fhir/R4/operation-patient-everything.html
   */
  everything(
    patient: string,
    page: EverythingRequest,
    restrictTo?: Restriction,
  ): Promise<SearchPage | undefined>;
  stats(): Promise<{ readonly people: number; readonly resources: number }>;
  /** The last event that every answer from now on reflects; undefined before the first. */
  checkpoint(): Promise<Checkpoint | undefined>;
  /** Partitions that stopped at an event which could not be projected. */
  parked(): Promise<readonly Parked[]>;
  /** The parked partition that this resource belongs to, also where the resource itself was set aside. */
  parkedPartitionOf(type: string, id: string): Promise<Parked | undefined>;
  /** A digest of the whole view; equal views have equal digests, in whatever order they were projected. */
  hash(): Promise<string>;
  close(): void;
}

/** The caller may see this patient's compartment only (FHIR id of the Patient); totals and pages count nothing else. */
export interface Restriction {
  readonly patient: string;
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
  /** Never existed, or lies outside the caller's restriction. */
  | { readonly kind: 'unknown' };

/** Which versions an answer shows and whose they are: what an access record needs to know of it. */
export interface Shown {
  /** Positions of their events, in the order shown, with commas between: each names a resource and its version. */
  readonly versions: string;
  /** Ids of the Patients whose resources they are; none for what belongs to nobody. */
  readonly patients: readonly string[];
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
  /** What is included lies in this patient's compartment, though the matches need not: reference data that everybody may see. */
  readonly includeOnly?: Restriction;
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
