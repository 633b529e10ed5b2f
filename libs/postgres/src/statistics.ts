/** What a server is to find out about tables of wide rows, of which it needs to know little to plan what is asked. */

/** PostgreSQL's own is 100. It looks at 300 rows for each, most of them on a page of their own. */
const TARGET = 10;

/**
 * SQL that lets ANALYZE look at few rows, so that it does not read a large part of a table again each time that it has grown. Names
 * are parted by spaces. `columns`: all that queries name; `payload`: what is only handed out, and is not looked at at all.
 */
export function sampledLittle(table: string, columns: string, payload = ''): string {
  const targets = [...ofEach(columns, TARGET), ...ofEach(payload, 0)];
  return `ALTER TABLE ${table} ${targets.join(', ')};`;
}

function ofEach(names: string, target: number): string[] {
  return names
    .split(' ')
    .filter(Boolean)
    .map((name) => `ALTER ${name} SET STATISTICS ${target}`);
}
