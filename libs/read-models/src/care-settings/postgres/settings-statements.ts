/** The statements by which care settings are written in PostgreSQL, each prepared once. Rows come as arrays, one for each column. */
import type { Pool } from 'pg';
import { columnsIn } from '../../record/postgres/texts.ts';
import { RECORDS_MAX } from '../statements.ts';

export type Asked = Pick<Pool, 'query'>;
type Values = readonly unknown[];

export type SettingsStatements = ReturnType<typeof settingsStatements>;

export function settingsStatements(schema: string) {
  const [fact, link, work, parked, checkpoint] = ['fact', 'link', 'work', 'parked', 'checkpoint'].map((table) => `${schema}.${table}`); // prettier-ignore
  const question = (name: string, text: string) => {
    const given = columnsIn(text);
    return async <Row extends object>(asked: Asked, values: Values = []): Promise<readonly Row[]> =>
      (await asked.query<Row>({ name, text, values: given(values) })).rows;
  };
  const command = (name: string, text: string) => {
    const given = columnsIn(text);
    return async (asked: Asked, values: Values): Promise<void> =>
      void (await asked.query({ name, text, values: given(values) }));
  };
  const unnested = (from: number, types: readonly string[]) => `unnest(${types.map((type, index) => `$${from + index}::${type}[]`).join(', ')})`; // prettier-ignore
  const move = `UPDATE ${checkpoint} SET position = $2, epoch = $3 WHERE lane = $1`;

  return {
    schema,
    checkpoints: question('checkpoints', `SELECT lane, position, epoch FROM ${checkpoint}`),
    parked: question('parked', `SELECT partition, position, reason FROM ${parked} WHERE lane = $1`),
    lock: question('lock', `SELECT lane, position, epoch FROM ${checkpoint} WHERE lane = $1 FOR UPDATE`),
    begin: command('begin', `INSERT INTO ${checkpoint} VALUES ($1, 0, $2) ON CONFLICT (lane) DO NOTHING`),
    release: command('release', `DELETE FROM ${parked} WHERE partition = ANY($1::text[])`),
    park: command(
      'park',
      `INSERT INTO ${parked} SELECT *, $1 FROM ${unnested(2, ['text', 'bigint', 'text'])} ON CONFLICT DO NOTHING`,
    ),
    standing: question('standing', `SELECT stream, patient, issued, mark, version, lane FROM ${fact} WHERE stream = ANY($1::text[])`), // prettier-ignore
    residents: question('residents', `SELECT DISTINCT stream FROM ${fact} WHERE stream = ANY($1::text[]) AND lane = $2`), // prettier-ignore
    samePersons: question(
      'same persons',
      `SELECT p AS of, same.patient
       FROM (SELECT p FROM unnest($1::text[]) p
             WHERE EXISTS (SELECT FROM ${link} l WHERE l.patient = p OR l.other = p)) asked,
       LATERAL (
         WITH RECURSIVE same(patient) AS (
           SELECT p COLLATE "C"
           UNION SELECT CASE WHEN l.patient = same.patient THEN l.other ELSE l.patient END
           FROM ${link} l JOIN same ON l.patient = same.patient OR l.other = same.patient
         ) SELECT patient FROM same LIMIT ${RECORDS_MAX + 1}) same`,
    ),
    remove: command('remove', `DELETE FROM ${fact} WHERE stream = ANY($1::text[])`),
    move: command('move', move),
    keepAndMove: command(
      'keep and move',
      `WITH kept AS (INSERT INTO ${fact} SELECT *, $1 FROM ${unnested(4, ['text', 'text', 'text', 'bigint', 'bigint', 'text', 'text'])}) ${move}`, // prettier-ignore
    ),
    /** Whom the links of these persons name. */
    linkedBy: question('linked by', `SELECT other FROM ${link} WHERE patient = ANY($1::text[])`),
    unlink: command('unlink', `DELETE FROM ${link} WHERE patient = ANY($1::text[])`),
    link: command(
      'link',
      `INSERT INTO ${link} SELECT *, $1 FROM ${unnested(2, ['text', 'text'])} ON CONFLICT DO NOTHING`,
    ),
    /** Of patients, facts of some kinds, by name alone, and with a `list` the work that waits. */
    ground: question(
      'ground',
      `SELECT NULL AS list, patient, stream, version, NULL AS item FROM ${fact}
       WHERE patient = ANY($1::text[]) AND kind = ANY($2::text[]) AND told IS NOT NULL
       UNION ALL SELECT list, patient, stream, NULL, item FROM ${work} WHERE patient = ANY($1::text[])`,
    ),
    told: question('told', `SELECT DISTINCT ON (stream) stream, version, told FROM ${fact} WHERE stream = ANY($1::text[]) AND told IS NOT NULL`), // prettier-ignore
    done: command(
      'done',
      `DELETE FROM ${work} w USING ${unnested(1, ['text', 'text'])} u(list, patient)
       WHERE w.list = u.list AND w.patient = u.patient`,
    ),
    /** First the position up to which the batch goes. By the lane of what is waited about, which may be another where persons are linked. */
    put: command(
      'put',
      `INSERT INTO ${work} SELECT u.list, u.patient, u.stream, u.since, u.due, u.opens, u.until, u.item, f.lane, $1
       FROM ${unnested(2, ['text', 'text', 'text', 'bigint', 'bigint', 'bigint', 'bigint', 'text'])}
         u(list, patient, stream, since, due, opens, "until", item)
       JOIN ${fact} f ON f.stream = u.stream AND f.patient = u.patient ON CONFLICT DO NOTHING`,
    ),
  };
}
