import fc from 'fast-check';
import { DatabaseSync } from 'node:sqlite';
import { expect, it } from 'vitest';
import { withoutMembers } from './without-members.ts';

it('leaves what json_remove leaves, byte for byte', () => {
  const db = new DatabaseSync(':memory:');
  const remove = db.prepare(
    `SELECT json_remove(?, '$.address', '$._address', '$.telecom', '$._telecom') AS body`,
  );
  const names = fc.oneof(fc.constantFrom('address', '_address', 'telecom', 'id', 'addresses'), fc.string());
  const objects = fc.dictionary(names, fc.oneof(fc.jsonValue(), fc.constant('}"\\",{')), { maxKeys: 8 });
  fc.assert(
    fc.property(objects, (object) => {
      const text = JSON.stringify(object);
      expect(withoutMembers(text, ['address', 'telecom'])).toBe(remove.get(text)?.['body']);
    }),
  );
});
