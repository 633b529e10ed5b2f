/**
 * What one event says to the care settings. Read once, whichever settings keep it. Which of two versions of a resource
 * stands is told by `version-order.ts`.
 */
import { defaultPolicy, type Policy } from '@carelog/access';
import type { AppliedChange, OpenedContent, Projection } from '@carelog/projection';
import type { Source } from './care-setting.ts';
import { beyondCareOf, type BeyondCare } from '../population/beyond-care.ts';
import { editionOf, type Edition } from './version-order.ts';
import { factOf, kindOf, patientsOf, type Fact, type Kind } from './fact.ts';

type RecordedEvent = AppliedChange<unknown>['event'];

export interface Told extends Edition {
  readonly stream: string;
  readonly kind: Kind;
  readonly source: Source;
  /** `Patient/id`; empty where it is gone, or about nobody. */
  readonly patients: readonly string[];
  /** Undefined where it was taken back, deleted or erased. */
  readonly fact: Fact | undefined;
  /** `{fact, source}`, written once for all who keep it; undefined where `fact` is. */
  readonly json: string | undefined;
  /** Undefined where `fact` is. */
  readonly beyondCare: BeyondCare | undefined;
}

/** `policy`: by which is told what may be used beyond a person's own care. */
export function careSettingsProjectionBy(policy: Policy): Projection<Told> {
  return {
    name: 'care-settings',
    version: 1,
    evolve(event: RecordedEvent, content: OpenedContent) {
      const { stream } = event;
      const kind = kindOf(stream.slice(0, stream.indexOf('/')));
      if (kind === undefined) return undefined;
      const resource =
        content.kind === 'opened' && event.action !== 'retract' ? parsed(content.bytes) : undefined;
      const fact = resource && factOf(resource);
      const isGone = fact === undefined || fact.status === 'entered-in-error';
      const source = sourceOf(event);
      return {
        stream,
        kind,
        ...editionOf(event, isGone ? undefined : resource),
        source,
        patients: isGone ? [] : patientsOf(resource!),
        fact: isGone ? undefined : fact,
        json: isGone ? undefined : JSON.stringify({ fact, source }),
        beyondCare: isGone ? undefined : beyondCareOf(resource!, policy),
      };
    },
  };
}

/** By the policy that is shipped. */
export const careSettingsProjection = careSettingsProjectionBy(defaultPolicy());

function sourceOf({
  id,
  position,
  publisher,
  author,
  careSetting,
  occurredAt,
  recordedAt,
}: RecordedEvent): Source {
  const { organisation, system } = publisher;
  return {
    event: id,
    position,
    organisation,
    system,
    ...(author && { author: author.id }),
    careSetting,
    occurredAt,
    recordedAt,
  };
}

const decoder = new TextDecoder('utf-8', { fatal: true });
const parsed = (bytes: Uint8Array) => JSON.parse(decoder.decode(bytes)) as Record<string, unknown>;
