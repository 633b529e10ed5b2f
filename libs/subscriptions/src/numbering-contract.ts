/** The part of the contract that is about who numbers and delivers, and what is left when one of them stops. */
import { describe, expect, it } from 'vitest';
import { aNotice, keepOne, MINUTE, NOW, numbersOf } from './some-subscription.ts';
import type { SubscriptionStore } from './subscription-store.ts';

export function describeNumbering(name: string, newPlace: () => Promise<() => SubscriptionStore>): void {
  const newStore = async () => (await newPlace())();
  async function making(store: SubscriptionStore, count: number): Promise<string[]> {
    const made = Array.from({ length: count }, () => keepOne(store));
    return (await Promise.all(made)).map(({ id }) => id).sort();
  }
  const idsOf = (held: readonly { readonly id: string }[]) => held.map(({ id }) => id);

  describe(`${name}: numbers`, () => {
    it('begin at 1, follow the order that is given, and hold each notice whole', async () => {
      const store = await newStore();
      const [one, other] = (await making(store, 2)) as [string, string];
      await store.lease('me', NOW, NOW + MINUTE, 10);
      const [first, second, third] = [aNotice(3), { ...aNotice(5), nationalEvent: 'x', worklists: ['triage'] }, aNotice(9)]; // prettier-ignore
      const lost = await store.number('me', [
        { id: one, position: 6, notices: [first, second] },
        { id: other, position: 6, notices: [second] },
        { id: 'unknown', position: 6, notices: [second] },
      ]);
      expect(lost).toEqual(['unknown']);
      expect(await store.number('me', [{ id: one, position: 9, notices: [third] }])).toEqual([]);
      expect(await store.numbered(one, 0, 10)).toEqual([
        { number: 1, notice: first },
        { number: 2, notice: second },
        { number: 3, notice: third },
      ]);
      expect(await store.numbered(one, 1, 1)).toEqual([{ number: 2, notice: second }]);
      expect(await store.numbered(other, 0, 10)).toEqual([{ number: 1, notice: second }]);
      expect(await store.read(one)).toMatchObject({ events: 3, position: 9 });
      expect(await store.read(other)).toMatchObject({ events: 1, position: 6 });
      expect(await store.number('me', [])).toEqual([]);
    });

    it('are given once, though a call whose answer was lost is made again', async () => {
      const store = await newStore();
      const [id] = (await making(store, 1)) as [string];
      await store.lease('me', NOW, NOW + MINUTE, 10);
      const notices = [aNotice(1), aNotice(2)];
      await store.number('me', [{ id, position: 2, notices }]);
      await store.number('me', [{ id, position: 3, notices: [...notices, aNotice(3)] }]);
      expect((await store.numbered(id, 0, 10)).map(({ notice }) => notice.position)).toEqual([1, 2, 3]);
    });

    it('follow a position that never moves back', async () => {
      const store = await newStore();
      const [id] = (await making(store, 1)) as [string];
      await store.lease('me', NOW, NOW + MINUTE, 10);
      await store.number('me', [{ id, position: 5, notices: [aNotice(5)] }]);
      expect(await store.number('me', [{ id, position: 3, notices: [aNotice(2)] }])).toEqual([]);
      expect(await store.read(id)).toMatchObject({ position: 5, events: 1 });
    });

    it('have no gap, and no notice comes twice, while several race for the lease', async () => {
      const place = await newPlace();
      const ids = await making(place(), 6);
      let now = NOW;
      let races = 0;
      // Each looks at the log again from where the subscription is, as one does that takes over.
      const stores = Array.from({ length: 4 }, () => place());
      const race = async (store: SubscriptionStore, turn: number): Promise<void> => {
        for (let round = 0; round < 25; round += 1) {
          const holder = `${turn} ${(races += 1)}`;
          // Runs out while one or two others come: sometimes before it was of use.
          const held = await store.lease(holder, (now += MINUTE), now + 2.5 * MINUTE, 10);
          const looked = held.map(({ id, position }) => {
            const until = position + 1 + ((turn + round) % 3);
            const notices = Array.from({ length: until - position }, (_, at) => aNotice(position + 1 + at));
            return { id, position: until, notices };
          });
          await store.number(holder, looked);
        }
      };
      const store = place();
      const isEnough = async () => (await store.list({ count: 10 })).some(({ events }) => events > 10);
      // Whoever looks while another shares out may come too late each time; sooner or later somebody does not.
      do await Promise.all(stores.map((racer, turn) => race(racer, turn)));
      while (!(await isEnough()));
      for (const id of ids) {
        const { events, position } = (await store.read(id))!;
        const numbered = await store.numbered(id, 0, 10_000);
        const upTo = (last: number) => Array.from({ length: last }, (_, at) => at + 1);
        expect(numbered.map(({ number }) => number)).toEqual(upTo(events));
        expect(numbered.map(({ notice }) => notice.position)).toEqual(upTo(position));
      }
    });

    it('of five hundred subscriptions are given in one call', async () => {
      const store = await newStore();
      const ids = await making(store, 500);
      await store.lease('me', NOW, NOW + MINUTE, 1_000);
      const notices = Array.from({ length: 10 }, (_, at) => aNotice(at + 1));
      expect(await store.number('me', ids.map((id) => ({ id, position: 10, notices })))).toEqual([]); // prettier-ignore
      for (const id of [ids[0]!, ids[499]!]) expect(await numbersOf(store, id)).toHaveLength(10);
    });
  });

  describe(`${name}: a lease`, () => {
    it('keeps others out until it has run out, and whoever lost it changes nothing', async () => {
      const place = await newPlace();
      const [one, other] = [place(), place()];
      const [id] = (await making(one, 1)) as [string];
      expect(idsOf(await one.lease('one', NOW, NOW + MINUTE, 10))).toEqual([id]);
      expect(await other.lease('other', NOW + MINUTE - 1, NOW + 2 * MINUTE, 10)).toEqual([]);
      expect(idsOf(await other.lease('other', NOW + MINUTE, NOW + 2 * MINUTE, 10))).toEqual([id]);
      await other.number('other', [{ id, position: 4, notices: [aNotice(2)] }]);
      const before = await other.read(id);
      expect(await one.number('one', [{ id, position: 9, notices: [aNotice(8)] }])).toEqual([id]);
      expect(await one.delivered('one', id, 1, NOW)).toBe(false);
      expect(await one.failed('one', id, 1, NOW, NOW, 'No answer.')).toBe(false);
      expect(await one.setStatus('one', id, 1, 'off', 'No answer.')).toBe(false);
      await one.enterEpoch('one', id, 'second', 0);
      expect(await other.read(id)).toEqual(before);
      expect(await numbersOf(other, id)).toEqual([1]);
    });

    it('is shared out among all who ask, and taken over from who stopped', async () => {
      const place = await newPlace();
      const [one, other, third] = [place(), place(), place()];
      const ids = await making(one, 9);
      expect(await one.lease('one', NOW, NOW + MINUTE, 100)).toHaveLength(9);
      // The second finds nothing free, and what is more than the first one's share is given back when that asks again.
      expect(await other.lease('other', NOW, NOW + MINUTE, 100)).toEqual([]);
      const first = await one.lease('one', NOW, NOW + MINUTE, 100);
      const second = await other.lease('other', NOW, NOW + MINUTE, 100);
      expect([first.length, second.length]).toEqual([5, 4]);
      expect([...idsOf(first), ...idsOf(second)].sort()).toEqual(ids);
      await third.lease('third', NOW, NOW + MINUTE, 100);
      const counts = async () => [
        (await one.lease('one', NOW + 1, NOW + 2 * MINUTE, 100)).length,
        (await other.lease('other', NOW + 1, NOW + 2 * MINUTE, 100)).length,
        (await third.lease('third', NOW + 1, NOW + 2 * MINUTE, 100)).length,
      ];
      expect(await counts()).toEqual([3, 3, 3]);
      await one.release('one');
      await other.lease('other', NOW + 2, NOW + 2 * MINUTE, 100);
      expect(await third.lease('third', NOW + 2, NOW + 2 * MINUTE, 100)).toHaveLength(4);
      // Nobody hears of the second any more.
      expect(await third.lease('third', NOW + 2 * MINUTE, NOW + 3 * MINUTE, 100)).toHaveLength(9);
    });

    it('is of no more than its holder asks for', async () => {
      const store = await newStore();
      const ids = await making(store, 5);
      expect(idsOf(await store.lease('me', NOW, NOW + MINUTE, 3))).toEqual(ids.slice(0, 3));
      expect(idsOf(await store.lease('me', NOW, NOW + MINUTE, 4))).toEqual(ids.slice(0, 4));
      expect(await store.lease('me', NOW, NOW + MINUTE, 0)).toEqual([]);
    });

    it('is of none that is off or has ended, and is lost with it', async () => {
      const store = await newStore();
      const [off, ended, live] = (await making(store, 3)) as [string, string, string];
      await store.lease('me', NOW, NOW + MINUTE, 10);
      expect(await store.setStatus('me', off, 1, 'off', 'Its endpoint wants no more.')).toBe(true);
      expect(await store.delivered('me', off, 0, NOW)).toBe(false);
      const later = NOW + 60 * MINUTE;
      await store.renew(live, (await store.read(live))!.owner, later + 1);
      expect(idsOf(await store.lease('me', later, later + MINUTE, 10))).toEqual([live]);
      expect(await store.delivered('me', ended, 0, NOW)).toBe(false);
      const again = { ...(await store.read(off))!, status: 'requested' } as const;
      await store.replace(off, again, 1);
      await store.renew(off, (await store.read(off))!.owner, later + 1);
      expect(idsOf(await store.lease('me', later, later + MINUTE, 10))).toEqual([off, live].sort());
    });
  });

  describe(`${name}: delivery`, () => {
    it('moves on only, as far as there are numbers, and a success ends a row of failures', async () => {
      const store = await newStore();
      const [id] = (await making(store, 1)) as [string];
      await store.lease('me', NOW, NOW + MINUTE, 10);
      await store.number('me', [{ id, position: 3, notices: [1, 2, 3].map(aNotice) }]);
      expect(await store.failed('me', id, 1, NOW + 1, NOW + 5, 'Status 500.')).toBe(true);
      expect(await store.failed('me', id, 1, NOW + 5, NOW + 9, 'No answer.')).toBe(true);
      expect(await store.read(id)).toMatchObject({ failures: 2, failingSince: NOW + 1, tryAt: NOW + 9, reason: 'No answer.' }); // prettier-ignore
      expect(await store.delivered('me', id, 2, NOW + 9)).toBe(true);
      expect(await store.delivered('me', id, 1, NOW + 10)).toBe(true);
      expect(await store.read(id)).toMatchObject({ delivered: 2, failures: 0, failingSince: 0, tryAt: 0, reason: '', sentAt: NOW + 10 }); // prettier-ignore
      await store.delivered('me', id, 99, NOW + 11);
      expect(await store.read(id)).toMatchObject({ delivered: 3 });
    });

    it('begins again in another life of the log, and its numbers go on', async () => {
      const store = await newStore();
      const [id] = (await making(store, 1)) as [string];
      await store.lease('me', NOW, NOW + MINUTE, 10);
      await store.number('me', [{ id, position: 50, notices: [aNotice(50)] }]);
      await store.enterEpoch('me', id, 'second', 20);
      await store.number('me', [{ id, position: 21, notices: [aNotice(21)] }]);
      expect(await numbersOf(store, id)).toEqual([1, 2]);
      expect(await store.read(id)).toMatchObject({ epoch: 'second', position: 21, events: 2 });
    });
  });
}
