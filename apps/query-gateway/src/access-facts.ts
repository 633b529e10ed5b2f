/** What the activity writer asks of the record before it lets a caller write who may not write everything. */
import {
  noCallerFacts,
  restrictionOf,
  type AccessAction,
  type Caller,
  type Json,
  type Party,
  type PatientFacts,
  type ResourceFacts,
} from '@carelog/access';
import type { Problem } from '@carelog/fhir';
import { resourceFactsOf, seesAll } from '@carelog/read-models';
import { decide, standingOf, type Standing } from './access.ts';
import { caughtUp } from './consistency.ts';
import type { Gateway } from './gateway.ts';

type Asked = Standing & Pick<Gateway, 'head' | 'projected'>;

const WRITES: readonly AccessAction[] = ['create', 'update', 'delete'];

/** Undefined for a caller from whom nothing is kept, who needs no decision about what in particular they record. */
export function accessFactsFrom(gateway: Asked) {
  const { policy } = gateway;
  return (caller: Caller) => {
    const isOpen = WRITES.every((action) => {
      const permission = restrictionOf(caller, action, undefined, noCallerFacts, policy);
      return permission.permit && seesAll(permission.restriction);
    });
    return isOpen ? undefined : factsFor(gateway, caller);
  };
}

function factsFor(gateway: Asked, caller: Caller) {
  const { record, policy } = gateway;
  const scopes = caller.scopes ?? [];
  const standing = once(async () => standingOf(gateway, caller));
  return {
    async ready(): Promise<readonly Problem[]> {
      return (await caughtUp(gateway))?.problems ?? [];
    },
    recorded: (type: string, content: string): Promise<ResourceFacts> =>
      resourceFactsOf(type, content, scopes, policy),
    standing: (stream: string) => record.resourceFacts(...partsOf(stream), scopes, policy.sFlag),
    async patients(ids: readonly string[]): Promise<ReadonlyMap<string, PatientFacts>> {
      return record.patientFacts(caller, await standing(), ids);
    },
    async consent(stream: string): Promise<Json | undefined> {
      const answer = await record.read(...partsOf(stream));
      return answer.kind === 'found' ? (JSON.parse(answer.body) as Json) : undefined;
    },
    ours: (parties: readonly Party[]) => record.ours(caller, parties),
    async sees(stream: string): Promise<boolean> {
      const [type, id] = partsOf(stream);
      const decision = decide(gateway, caller, 'read', type, await standing());
      return decision.permit && (await record.read(type, id, decision.viewer)).kind !== 'unknown';
    },
    seesAllOf: (type: string): boolean =>
      (['update', 'delete'] as const).every((action) => {
        const decision = decide(gateway, caller, action, type);
        return decision.permit && decision.seesAll;
      }),
  };
}

function partsOf(stream: string): [string, string] {
  const slash = stream.indexOf('/');
  return [stream.slice(0, slash), stream.slice(slash + 1)];
}

function once<Value>(make: () => Promise<Value>): () => Promise<Value> {
  let made: Promise<Value> | undefined;
  return () => (made ??= make());
}
