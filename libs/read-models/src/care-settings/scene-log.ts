/** For specs: the log of what a scene tells. */
import { encodeContent } from '@carelog/fhir';
import type { Activity, Resource } from './care-setting-scene.ts';
import { careSettingsProjection } from './care-settings-projection.ts';
import type { ToldInOrder } from './scene-engines.ts';

/** When scenes are recorded, and when they are looked at unless told: after everything that they tell of. */
export const RECORDED = Date.UTC(2030, 0, 1);

/** As it was recorded; `partitionOf`: whose history each lies in, where that is asked. */
export function logOf(
  activities: readonly Activity[],
  partitionOf: (resource: Resource) => string = () => 'any',
): ToldInOrder {
  const revisions = new Map<string, number>();
  return activities.flatMap(({ resource, by = 'RX1', issued, number = '', isDeleted }, at) => {
    const stream = `${resource.resourceType}/${resource.id}`;
    const revision = (revisions.get(stream) ?? 0) + 1;
    revisions.set(stream, revision);
    const bytes = new TextEncoder().encode(encodeContent(resource));
    const event = {
      stream,
      revision,
      position: at + 1,
      partition: partitionOf(resource),
      action: isDeleted ? 'retract' : revision === 1 ? 'new' : 'amend',
      recordedAt: new Date(RECORDED + at * 1_000).toISOString(),
      occurredAt: new Date(RECORDED).toISOString(),
      publisher: { organisation: by, system: 'spec' },
      careSetting: 'any',
      ...((issued !== undefined || number !== '') && { sourceVersion: { version: `${number}`, ...(issued && { issuedAt: issued }) } }), // prettier-ignore
    } as unknown as ToldInOrder[number]['event'];
    const change = careSettingsProjection.evolve(event, { kind: 'opened', bytes });
    return change === undefined ? [] : [{ event, change }];
  });
}
