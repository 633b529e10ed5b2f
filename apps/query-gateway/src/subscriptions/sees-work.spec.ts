import { topicsWith, type Notice } from '@carelog/subscriptions';
import { expect, it } from 'vitest';
import { withListsSeen } from './sees-work.ts';

const topics = topicsWith(['missed', 'overdue'].map((name) => ({ name, title: name })));
const filterOf = (...names: string[]) => ({ topics: names.map((name) => topics.get(name)!) });
const notice = (told: Partial<Notice>): Notice => ({
  position: 1,
  eventId: 'e',
  activity: 'encounter.started',
  stream: 'Encounter/1',
  version: 1,
  action: 'new',
  occurredAt: '2026-11-21T08:59:00.000Z',
  recordedAt: '2026-11-21T08:59:30.000Z',
  organisation: 'RAA',
  careSettings: [],
  patients: ['ada'],
  ...told,
});
const nobody = () => Promise.reject(new Error('not asked'));

it('tells nothing of worklists to who asked for none, whatever others asked for', async () => {
  const [seen] = await withListsSeen([notice({ worklists: ['missed'] })], filterOf('everything'), [], nobody);
  expect(seen).toEqual(notice({}));
});

it('names of the worklists that were asked for those alone that show the person', async () => {
  const lists = ['missed', 'overdue'];
  const filter = filterOf('worklist-missed', 'worklist-overdue', 'encounter');
  const sees = (list: string, [id]: readonly string[]) => Promise.resolve(list === 'missed' && id === 'ada');
  const told = [
    notice({ worklists: ['missed', 'overdue', 'another'] }),
    notice({ worklists: ['overdue'] }),
    notice({ worklists: ['missed'], patients: ['bob'], activity: 'patient.moved' }),
  ];
  expect(await withListsSeen(told, filter, lists, sees)).toEqual([
    notice({ worklists: ['missed'] }),
    // Wanted for what it is.
    notice({}),
    undefined,
  ]);
});

it('asks about the same people on a list once', async () => {
  const asked: string[] = [];
  const sees = (list: string, patients: readonly string[]) => {
    asked.push(`${list} ${patients.join()}`);
    return Promise.resolve(true);
  };
  const told = ['ada', 'bob', 'ada'].map((id) => notice({ worklists: ['missed'], patients: [id] }));
  await withListsSeen(told, filterOf('worklist-missed'), ['missed'], sees);
  expect(asked).toEqual(['missed ada', 'missed bob']);
});
