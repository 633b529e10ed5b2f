/**
 * A notice as a CloudEvent 1.0, with the attributes and the names of events of NHS England's Multicast Notification Service: a
 * signal that something changed and where it is read, without content. https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md,
 * https://digital.nhs.uk/developer/api-catalogue/multicast-notification-service
 */
import type { Notice } from './notice.ts';

export interface SignalOptions {
  /** URL of the FHIR API. */
  readonly base: string;
  /** Where it must not be told where the person is seen: an id in place of the event's, which tells of nobody who published it. */
  readonly unplacedId?: string;
}

/** JSON text in one line. The subject is an id of ours: an NHS number has no place in a signal. */
export function signalText(notice: Notice, { base, unplacedId }: SignalOptions): string {
  const { eventId, activity, nationalEvent, stream, version, patients, careSettings, worklists } = notice;
  return JSON.stringify({
    specversion: '1.0',
    id: unplacedId ?? eventId,
    source: base,
    type: nationalEvent ?? activity,
    time: notice.occurredAt,
    ...(patients.length > 0 && { subject: `Patient/${patients[0]}` }),
    dataref: `${base}/${stream}/_history/${version}`,
    activity,
    action: notice.action,
    resource: stream,
    versionid: String(version),
    recordedtime: notice.recordedAt,
    ...(patients.length > 1 && { patients: patients.map((id) => `Patient/${id}`).join(',') }),
    ...(unplacedId === undefined && { organisation: notice.organisation }),
    ...(unplacedId === undefined && careSettings.length > 0 && { caresettings: careSettings.join(',') }),
    ...(worklists !== undefined && { worklists: worklists.join(',') }),
  });
}
