/** The statements by which care settings are written in PostgreSQL: each is for the schemas of all of them, and prepared once. */
import type { Pool } from 'pg';
import { RECORDS_MAX } from '../statements.ts';

export type Asked = Pick<Pool, 'query'>;
type Values = readonly unknown[];

export type SettingsStatements = ReturnType<typeof settingsStatements>;

/** Questions answer with the rows of each setting, in the order of the schemas. `$1` and so on are the same for all, where not said. */
export function settingsStatements(schemas: readonly string[]) {
  const question = (name: string, part: (schema: string, at: number) => string) => {
    const parts = schemas.map((it, at) => `SELECT ${at} AS setting, one.* FROM (${part(it, at)}) one`);
    const text = parts.join(' UNION ALL ');
    return async <Row extends object>(asked: Asked, values: Values): Promise<readonly (readonly Row[])[]> => {
      const { rows } = await asked.query<Row & { setting: number }>({ name, text, values: [...values] });
      const bySetting = Map.groupBy(rows, ({ setting }) => setting);
      return schemas.map((_, at) => bySetting.get(at) ?? []);
    };
  };
  const command = (name: string, parts: (schema: string, at: number) => readonly string[]) => {
    const all = schemas.flatMap(parts).map((part, index) => `part_${index} AS (${part})`);
    const text = `WITH ${all.join(', ')} SELECT`;
    return async (asked: Asked, values: Values): Promise<void> => {
      await asked.query({ name, text, values: [...values] });
    };
  };
  const move = (s: string) => `UPDATE ${s}.checkpoint SET position = $2, epoch = $3 WHERE lane = $1 AND (epoch <> $3 OR position < $2)`; // prettier-ignore
  /** Rows that have a bit or the number of the setting. */
  const unnested = (from: number, types: readonly string[]) => `unnest(${types.map((type, index) => `$${from + index}::${type}[]`).join(', ')})`; // prettier-ignore

  return {
    schemas,
    checkpoints: question('checkpoints', (s) => `SELECT lane, position, epoch FROM ${s}.checkpoint`), // prettier-ignore
    parked: question('parked', (s) => `SELECT partition, position, reason FROM ${s}.parked WHERE lane = $1`),
    lock: question('lock', (s) => `SELECT lane, position, epoch FROM ${s}.checkpoint WHERE lane = $1 FOR UPDATE`), // prettier-ignore
    begin: command('begin', (s) => [`INSERT INTO ${s}.checkpoint VALUES ($1, 0, $2) ON CONFLICT (lane) DO NOTHING`]), // prettier-ignore
    release: command('release', (s) => [`DELETE FROM ${s}.parked WHERE partition = ANY($1::text[])`]),
    /** Rows have a bit of `settings` for each setting that parks them. */
    park: command('park', (s, at) => [
      `INSERT INTO ${s}.parked SELECT u.partition, u.position, u.reason, $1
       FROM ${unnested(2, ['int', 'text', 'bigint', 'text'])} u(settings, partition, position, reason)
       WHERE u.settings & ${1 << at} <> 0 ON CONFLICT DO NOTHING`,
    ]),
    standing: question('standing', (s) => `SELECT stream, patient, issued, mark, version, lane FROM ${s}.fact WHERE stream = ANY($1::text[])`), // prettier-ignore
    residents: question('residents', (s) => `SELECT DISTINCT stream FROM ${s}.fact WHERE stream = ANY($1::text[]) AND lane = $2`), // prettier-ignore
    samePersons: question(
      'same persons',
      (s) => `
        SELECT p AS of, same.patient
        FROM (SELECT p FROM unnest($1::text[]) p
              WHERE EXISTS (SELECT FROM ${s}.link l WHERE l.patient = p OR l.other = p)) asked,
        LATERAL (
          WITH RECURSIVE same(patient) AS (
            SELECT p COLLATE "C"
            UNION SELECT CASE WHEN l.patient = same.patient THEN l.other ELSE l.patient END
            FROM ${s}.link l JOIN same ON l.patient = same.patient OR l.other = same.patient
          ) SELECT patient FROM same LIMIT ${RECORDS_MAX + 1}) same`,
    ),
    /** Of each setting its streams. */
    remove: command('remove', (s, at) => [`DELETE FROM ${s}.fact WHERE stream = ANY($${at + 1}::text[])`]),
    move: command('move', (s) => [move(s)]),
    /** Rows have a bit of `settings` for each setting that keeps them. */
    keepAndMove: command('keep and move', (s, at) => [
      `INSERT INTO ${s}.fact SELECT u.stream, u.patient, u.kind, u.version, u.issued, u.mark, u.told, $1
       FROM ${unnested(4, ['int', 'text', 'text', 'text', 'bigint', 'bigint', 'text', 'text'])}
         u(settings, stream, patient, kind, version, issued, mark, told)
       WHERE u.settings & ${1 << at} <> 0`,
      move(s),
    ]),
    /** Whom the links of these persons name. */
    linkedBy: question('linked by', (s) => `SELECT patient, other FROM ${s}.link WHERE patient = ANY($1::text[])`), // prettier-ignore
    /** Of each setting the patients whose links are replaced. */
    unlink: command('unlink', (s, at) => [`DELETE FROM ${s}.link WHERE patient = ANY($${at + 1}::text[])`]),
    link: command('link', (s, at) => [
      `INSERT INTO ${s}.link SELECT u.patient, u.other, $1 FROM ${unnested(2, ['int', 'text', 'text'])} u(settings, patient, other)
       WHERE u.settings & ${1 << at} <> 0 ON CONFLICT DO NOTHING`,
    ]),
    /** Of each setting patients and kinds: their facts, by name alone, and with a `list` the work that waits. */
    ground: question('ground', (s, at) => {
      const patients = `$${2 * at + 1}::text[]`;
      return `SELECT NULL AS list, patient, stream, version, NULL AS item FROM ${s}.fact
              WHERE patient = ANY(${patients}) AND kind = ANY($${2 * at + 2}::text[]) AND told IS NOT NULL
              UNION ALL SELECT list, patient, stream, NULL, item FROM ${s}.work WHERE patient = ANY(${patients})`;
    }),
    /** Of each setting its streams. */
    told: question('told', (s, at) => `SELECT DISTINCT ON (stream) stream, version, told FROM ${s}.fact WHERE stream = ANY($${at + 1}::text[]) AND told IS NOT NULL`), // prettier-ignore
    done: command('done', (s, at) => [
      `DELETE FROM ${s}.work w USING ${unnested(1, ['int', 'text', 'text'])} u(setting, list, patient)
       WHERE u.setting = ${at} AND w.list = u.list AND w.patient = u.patient`,
    ]),
    /** First the position up to which the batch goes. By the lane of what is waited about, which may be another where persons are linked. */
    put: command('put', (s, at) => [
      `INSERT INTO ${s}.work SELECT u.list, u.patient, u.stream, u.since, u.due, u.opens, u.until, u.item, f.lane, $1
       FROM ${unnested(2, ['int', 'text', 'text', 'text', 'bigint', 'bigint', 'bigint', 'bigint', 'text'])}
         u(setting, list, patient, stream, since, due, opens, "until", item)
       JOIN ${s}.fact f ON f.stream = u.stream AND f.patient = u.patient
       WHERE u.setting = ${at} ON CONFLICT DO NOTHING`,
    ]),
  };
}
