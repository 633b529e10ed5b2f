/**
 * What every engine of the port promises, as a suite. Each test begins with an empty place that several processes may open:
 * `begin` makes one, and gives how to open it once more.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { describeNumbering } from './numbering-contract.ts';
import {
  aNotice,
  aSubscription,
  keepOne,
  CLINIC,
  MINUTE,
  NOW,
  numbersOf,
  WARD,
} from './some-subscription.ts';
import type { StoredSubscription, SubscriptionStore } from './subscription-store.ts';

export type Place = () => SubscriptionStore;

export function describeSubscriptionStore(name: string, begin: () => Promise<Place>): void {
  const opened: SubscriptionStore[] = [];
  async function newPlace(): Promise<Place> {
    const place = await begin();
    return () => {
      const store = place();
      opened.push(store);
      return store;
    };
  }
  const newStore = async (): Promise<SubscriptionStore> => (await newPlace())();
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((store) => store.close()));
  });

  describe(`${name}: a subscription`, () => {
    it('is kept whole, and there for who opens the store again', async () => {
      const place = await newPlace();
      const store = place();
      const made = aSubscription({ resource: '{"reason":"naïve \\u0000 \\ud83d\\ude91","channel":{"type":"rest-hook"}}' }); // prettier-ignore
      const stored = await store.create(made, 1);
      expect(stored).toEqual({
        ...made,
        secretGeneration: 1,
        version: 1,
        reason: '',
        events: 0,
        delivered: 0,
        failures: 0,
        failingSince: 0,
        tryAt: 0,
        sentAt: 0,
      });
      await store.close();
      expect(await place().read(made.id)).toEqual(stored);
      expect(await place().read('another')).toBeUndefined();
    });

    it('cannot be made under the id of another, which stays as it is', async () => {
      const store = await newStore();
      const first = await keepOne(store);
      const both = [keepOne(store, { id: first.id, owner: WARD }), keepOne(store)];
      expect((await Promise.allSettled(both)).map(({ status }) => status)).toEqual(['rejected', 'fulfilled']);
      expect(await store.read(first.id)).toEqual(first);
    });

    it('is listed in the order of ids, page by page, all of them or those of one subject in one system', async () => {
      const store = await newStore();
      for (const owner of [CLINIC, CLINIC, WARD, CLINIC, { ...CLINIC, system: 'another' }])
        await keepOne(store, { owner });
      const all = await store.list({ count: 100 });
      expect(all.map(({ id }) => id)).toEqual(all.map(({ id }) => id).sort());
      expect(all).toHaveLength(5);
      const mine = all.filter(({ owner }) => owner.subject === CLINIC.subject && owner.system === CLINIC.system); // prettier-ignore
      const page = await store.list({ count: 2 }, CLINIC);
      expect(page).toEqual(mine.slice(0, 2));
      expect(await store.list({ count: 2, after: page[1]!.id }, CLINIC)).toEqual(mine.slice(2));
      const progress = await store.progress([all[0]!.id, all[3]!.id, 'another']);
      const stands = ({ status, endsAt, events }: StoredSubscription) => ({ status, endsAt, events });
      expect(progress).toEqual(new Map([all[0]!, all[3]!].map((it) => [it.id, stands(it)])));
    });

    it('is made as often as its owner may have one, also where several are made at once', async () => {
      const place = await newPlace();
      const stores = [place(), place()];
      await keepOne(stores[0]!, { owner: WARD });
      const making = Array.from({ length: 10 }, (_, at) => stores[at % 2]!.create(aSubscription(), 3));
      const outcomes = await Promise.all(making);
      expect(outcomes.filter((it) => it !== 'too-many')).toHaveLength(3);
      expect(await stores[1]!.list({ count: 100 }, CLINIC)).toHaveLength(3);
      expect(await stores[1]!.create(aSubscription({ owner: WARD }), 2)).not.toBe('too-many');
    });

    it('is replaced at the version that is expected only, and its failures are forgotten', async () => {
      const store = await newStore();
      const { id } = await keepOne(store);
      await store.lease('one', NOW, NOW + MINUTE, 10);
      await store.failed('one', id, 1, NOW, NOW + 1_000, 'Status 500.');
      await store.setStatus('one', id, 1, 'error', 'Status 500.');
      const change = {
        owner: WARD,
        resource: '{"channel":{"type":"websocket"}}',
        secrets: 'other',
        lastUpdated: '2026-11-21T10:00:00.000Z',
        status: 'requested',
        endsAt: NOW + 5 * MINUTE,
      } as const;
      expect(await store.replace(id, change, 2)).toBe('mismatch');
      expect(await store.replace('another', change, 1)).toBe('missing');
      const replaced = await store.replace(id, change, 1);
      expect(replaced).toMatchObject({ ...change, version: 2, reason: '', failures: 0, failingSince: 0, tryAt: 0 }); // prettier-ignore
      expect(await store.read(id)).toEqual(replaced);
      expect(await store.list({ count: 10 }, WARD)).toEqual([replaced]);
      expect(await store.failed('one', id, 1, NOW, NOW + 1_000, 'Status 500.')).toBe(false);
      expect(await store.setStatus('one', id, 1, 'off', 'Status 410.')).toBe(false);
      expect(await store.read(id)).toEqual(replaced);
      const racing = ['a', 'b', 'c'].map((secrets) => store.replace(id, { ...change, secrets }, 2));
      const outcomes = await Promise.all(racing);
      expect(outcomes.filter((it) => it === 'mismatch')).toHaveLength(2);
    });

    it('is removed with its numbers, and what its holder does afterwards changes nothing', async () => {
      const store = await newStore();
      const { id } = await keepOne(store);
      await store.lease('one', NOW, NOW + MINUTE, 10);
      await store.number('one', [{ id, position: 1, notices: [aNotice(1)] }]);
      expect(await store.remove(id)).toBe(true);
      expect(await store.remove(id)).toBe(false);
      expect(await store.read(id)).toBeUndefined();
      expect(await store.number('one', [{ id, position: 2, notices: [aNotice(2)] }])).toEqual([id]);
      expect(await store.delivered('one', id, 1, NOW)).toBe(false);
      expect(await store.numbered(id, 0, 10)).toEqual([]);
      expect(await store.lease('one', NOW, NOW + MINUTE, 10)).toEqual([]);
    });

    it('is renewed by its owner’s latest token, and never ends earlier', async () => {
      const store = await newStore();
      const { id, endsAt } = await keepOne(store);
      const later = { ...CLINIC, purpose: 'audit' } as const;
      await store.renew(id, later, endsAt - 1);
      expect(await store.read(id)).toMatchObject({ owner: later, endsAt, version: 1 });
      await store.renew(id, CLINIC, endsAt + 1);
      expect(await store.read(id)).toMatchObject({ owner: CLINIC, endsAt: endsAt + 1 });
      await store.renew('another', CLINIC, endsAt);
    });

    it('counts its secrets, also when two ask at once', async () => {
      const store = await newStore();
      const { id } = await keepOne(store);
      const generations = await Promise.all([store.nextSecret(id), store.nextSecret(id)]);
      expect(generations.sort()).toEqual([2, 3]);
      expect(await store.read(id)).toMatchObject({ secretGeneration: 3, version: 1 });
      expect(await store.nextSecret('another')).toBeUndefined();
    });
  });

  describe(`${name}: what was numbered`, () => {
    const days = (count: number) => new Date(NOW + count * 24 * 60 * MINUTE).toISOString();

    it.each([
      ['of a rest-hook, is forgotten once its endpoint took it', 'rest-hook', {}, [3, 4, 5]],
      ['of a websocket, is forgotten in its time', 'websocket', {}, [4, 5]],
      ['of a rest-hook that is off, is forgotten in its time', 'rest-hook', { status: 'off' }, [4, 5]],
      ['of a rest-hook that ended after that time, is forgotten once its endpoint took it', 'rest-hook', { endsAt: Date.parse(days(4)) }, [3, 4, 5]], // prettier-ignore
    ] as const)(
      '%s',
      async (
        _,
        type,
        {
          status = 'active',
          endsAt = NOW + 1e12,
        }: { status?: 'off'; endsAt?: number } | { status?: 'active'; endsAt?: number },
        left,
      ) => {
        // prettier-ignore
        const store = await newStore();
        const { id } = await keepOne(store, { resource: JSON.stringify({ channel: { type } }), endsAt }); // prettier-ignore
        await store.lease('one', NOW, NOW + MINUTE, 10);
        const notices = [1, 2, 3, 4, 5].map((day) => ({ ...aNotice(day), recordedAt: days(day) }));
        await store.number('one', [{ id, position: 5, notices }]);
        await store.delivered('one', id, 2, NOW);
        if (status === 'off') await store.setStatus('one', id, 1, status, 'Its owner said so.');
        await store.forget(days(4));
        expect(await numbersOf(store, id)).toEqual(left);
        expect(await store.read(id)).toMatchObject({ events: 5 });
      },
    );

    it('goes with its subscription once that has ended for so long, unless it is renewed', async () => {
      const store = await newStore();
      const [over, renewed, live] = [
        await keepOne(store),
        await keepOne(store),
        await keepOne(store, { endsAt: Date.parse(days(4)) }),
      ];
      await store.lease('one', NOW, NOW + MINUTE, 10);
      const notices = [1, 2].map((day) => ({ ...aNotice(day), recordedAt: days(day) }));
      await store.number('one', [over, renewed, live].map(({ id }) => ({ id, position: 2, notices }))); // prettier-ignore
      await store.renew(renewed.id, CLINIC, Date.parse(days(5)));
      await store.forget(days(4));
      expect((await store.list({ count: 10 })).map(({ id }) => id)).toEqual([renewed.id, live.id].sort());
      expect(await numbersOf(store, over.id)).toEqual([]);
      expect(await numbersOf(store, renewed.id)).toEqual([1, 2]);
    });

    it('is forgotten whatever number there is of it, and nothing that is younger', async () => {
      const store = await newStore();
      const ids: string[] = [];
      for (let count = 0; count < 3; count += 1)
        ids.push(
          (await keepOne(store, { resource: '{"channel":{"type":"websocket"}}', endsAt: NOW + 1e12 })).id,
        );
      await store.lease('one', NOW, NOW + MINUTE, 10);
      const notices = Array.from({ length: 2_500 }, (_, at) => ({ ...aNotice(at + 1), recordedAt: days(at < 2_400 ? 1 : 3) })); // prettier-ignore
      await store.number('one', ids.map((id) => ({ id, position: 2_500, notices }))); // prettier-ignore
      await store.forget(days(2));
      for (const id of ids) {
        const left = await store.numbered(id, 0, 5_000);
        expect([left.length, left[0]?.number]).toEqual([100, 2_401]);
      }
    });
  });

  describeNumbering(name, newPlace);
}
