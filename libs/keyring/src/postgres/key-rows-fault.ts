/** What goes wrong with a keyring in PostgreSQL, in the port's words. */
import { KeyringFault } from '../keyring-fault.ts';

export function closedFault(schema: string): KeyringFault {
  return new KeyringFault(
    'closed',
    `The keyring in the schema ${schema} was closed. Open it again to use it.`,
  );
}

// https://www.postgresql.org/docs/18/errcodes-appendix.html
export function keyRowsFault(cause: unknown, schema: string): KeyringFault {
  const { code = '', message = '' } = cause as { code?: string; message?: string };
  if (code === '53100')
    return new KeyringFault('full', `The keyring's database (schema ${schema}) has no room left. Make room, and it goes on by itself.`, { cause }); // prettier-ignore
  if (code === '42501')
    return new KeyringFault('permissions', `This role may not do that in the schema ${schema}. Keys are destroyed by the schema's owner; give the role its rights with the migration.`, { cause }); // prettier-ignore
  if (code === '42P01' || code === '3F000')
    return new KeyringFault('missing', `There is no keyring in the schema ${schema}. Run the migration, or name the right schema.`, { cause }); // prettier-ignore
  return new KeyringFault('io', `The keyring's database (schema ${schema}) could not be used: ${code || message}. Check that it runs and can be reached.`, { cause }); // prettier-ignore
}
