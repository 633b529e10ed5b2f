// Which events are whose business: topics and filters over made notices.
import { CATALOGUE } from '@carelog/activity';
import { describe, expect, it } from 'vitest';
import type { Notice } from './notice.ts';
import { signalText } from './signal.ts';
import { isWanted, topicNamed, topicsWith, TOPIC_BASE, type Filter } from './topics.ts';

const topics = topicsWith([{ name: 'letters', title: 'Letters not yet filed' }]);
const notice: Notice = {
  position: 7,
  eventId: '01a20000-0000-7000-8000-000000000000',
  activity: 'encounter.started',
  stream: 'Encounter/e',
  version: 2,
  action: 'amend',
  occurredAt: '2026-01-01T10:00:00+01:00',
  recordedAt: '2026-01-01T09:00:01.000Z',
  organisation: 'RX1',
  careSettings: ['acute'],
  patients: ['ada', 'ben'],
};
const named = (...names: string[]): Filter => ({ topics: names.map((name) => topics.get(name)!) });

describe('topics', () => {
  it('are one for each family of activities, each care setting, each worklist, one record, and everything', () => {
    const families = new Set(CATALOGUE.map(({ type }) => type.split('.')[0]!));
    const settings = new Set(CATALOGUE.flatMap(({ careSettings }) => careSettings));
    settings.delete('any');
    const expected = ['everything', 'patient-record', 'worklist-letters', ...families, ...settings.values().map((it) => `setting-${it}`)]; // prettier-ignore
    expect([...topics.keys()].sort()).toEqual(expected.sort());
  });

  it('are found by name and by canonical URL', () => {
    expect(topicNamed(topics, 'encounter')).toBe(topicNamed(topics, `${TOPIC_BASE}encounter`));
    expect(topicNamed(topics, 'https://elsewhere.example/encounter')).toBeUndefined();
  });

  it.each<[string, Filter, Partial<Notice>, boolean]>([
    ['everything', named('everything'), {}, true],
    ['nothing asked for', {}, {}, true],
    ['the family', named('encounter'), {}, true],
    ['another family', named('observation'), {}, false],
    ['one of two topics', named('observation', 'encounter'), {}, true],
    ['a family whose name begins alike', named('encounter'), { activity: 'encounters.x' }, false],
    ['the care setting', named('setting-acute'), {}, true],
    ['another care setting', named('setting-pharmacy'), {}, false],
    ['a record', named('patient-record'), {}, true],
    ['what is of nobody', named('patient-record'), { patients: [] }, false],
    ['the worklist', named('worklist-letters'), { worklists: ['letters'] }, true],
    ['another worklist', named('worklist-letters'), { worklists: ['others'] }, false],
    ['no worklist', named('worklist-letters'), {}, false],
    ['one of several patients', { patients: ['ben'] }, {}, true],
    ['another patient', { patients: ['cleo'] }, {}, false],
    ['nobody', { patients: [] }, {}, false],
    ['the setting', { careSettings: ['acute', 'community'] }, {}, true],
    ['another setting', { careSettings: ['community'] }, {}, false],
    ['the activity', { events: ['encounter.started'] }, {}, true],
    ['the national event', { events: ['professional-contacts-1'] }, { nationalEvent: 'professional-contacts-1' }, true], // prettier-ignore
    ['another event', { events: ['encounter.ended'] }, {}, false],
    ['the resource type', { resources: ['Encounter'] }, {}, true],
    ['another resource type', { resources: ['Enc'] }, {}, false],
    ['topic and patient', { ...named('encounter'), patients: ['ada'] }, {}, true],
    ['topic but not patient', { ...named('encounter'), patients: ['cleo'] }, {}, false],
  ])('%s', (_, filter, more, expected) => {
    expect(isWanted({ ...notice, ...more }, filter)).toBe(expected);
  });
});

describe('a signal', () => {
  const base = 'https://record.example/fhir/R4';
  it('is a CloudEvent in one line that says where to read, and holds no content', () => {
    const text = signalText({ ...notice, nationalEvent: 'professional-contacts-1' }, { base });
    expect(text).not.toContain('\n');
    expect(JSON.parse(text)).toEqual({
      specversion: '1.0',
      id: notice.eventId,
      source: base,
      type: 'professional-contacts-1',
      time: notice.occurredAt,
      subject: 'Patient/ada',
      dataref: `${base}/Encounter/e/_history/2`,
      activity: 'encounter.started',
      action: 'amend',
      resource: 'Encounter/e',
      versionid: '2',
      recordedtime: notice.recordedAt,
      organisation: 'RX1',
      patients: 'Patient/ada,Patient/ben',
      caresettings: 'acute',
    });
  });
  it('tells nothing of the place where that is hidden', () => {
    const text = signalText(notice, { base, unplacedId: 'another' });
    for (const told of ['RX1', 'acute', notice.eventId]) expect(text).not.toContain(told);
  });
});
