import fc from 'fast-check';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { arrayOf, type ArrayType } from './arrays.ts';

// Of the run: see `test/support/one-postgres.ts`.
const url = process.env['CARELOG_SPEC_POSTGRES'];
const reason = process.env['CARELOG_SPEC_NO_POSTGRES'] ?? 'run vitest with --project=integration';
const whole = (bits: number) => fc.integer({ min: -(2 ** (bits - 1)), max: 2 ** (bits - 1) - 1 });
const text = fc.oneof(fc.string({ unit: 'grapheme' }), fc.constantFrom('', 'NULL', '"', '\\', '{,}'));
const VALUES: Record<ArrayType, fc.Arbitrary<string | number | Buffer>> = {
  text: text.map((it) => it.replaceAll('\0', '').toWellFormed()),
  bytea: fc.uint8Array().map((it) => Buffer.from(it)),
  bigint: fc.maxSafeInteger(),
  int: whole(32),
  smallint: whole(16),
  'double precision': fc.double({ noNaN: true }).map((it) => (it === 0 ? 0 : it)),
};

describe.skipIf(url === undefined)(`arrays in PostgreSQL${url === undefined ? `: ${reason}` : ''}`, () => {
  let client: Client;
  beforeAll(async () => {
    client = new Client({ connectionString: url });
    await client.connect();
  });
  afterAll(() => client.end());

  it.each(Object.entries(VALUES) as [ArrayType, fc.Arbitrary<string | number | Buffer>][])(
    'of %s are what was sent',
    async (type, value) => {
      const text = `SELECT back FROM unnest($1::${type}[]) back`;
      await fc.assert(
        fc.asyncProperty(fc.array(fc.option(value)), async (values) => {
          const { rows } = await client.query<{ back: unknown }>(text, [arrayOf(type, values)]);
          const back = rows.map((row) =>
            type === 'bigint' && row.back !== null ? Number(row.back) : row.back,
          );
          expect(back).toEqual(values);
        }),
        { numRuns: 200 },
      );
    },
  );
});
