/** Takes members out of JSON text, and leaves all else as it is written: what `json_remove` of SQLite does. */

/** Of an object's text, without these members and what FHIR says of them beside (`_name`). */
export function withoutMembers(text: string, names: readonly string[]): string {
  const gone = new Set(names.flatMap((name) => [name, `_${name}`]));
  const kept = [...membersOf(text)].filter(({ name }) => !gone.has(name)).map((it) => it.text);
  return `{${kept.join(',')}}`;
}

function* membersOf(text: string): Iterable<{ readonly name: string; readonly text: string }> {
  let start = text.indexOf('{') + 1;
  let depth = 0;
  for (let i = start; i < text.length; i += 1) {
    const at = text[i];
    if (at === '"') i = endOfString(text, i);
    else if (at === '{' || at === '[') depth += 1;
    else if (depth > 0 && (at === '}' || at === ']')) depth -= 1;
    else if (depth === 0 && (at === ',' || at === '}')) {
      const member = text.slice(start, i);
      if (member.trim() !== '') yield { name: nameOf(member), text: member };
      start = i + 1;
    }
  }
}

function endOfString(text: string, from: number): number {
  for (let i = from + 1; ; i += 1) {
    i = text.indexOf('"', i);
    let escapes = 0;
    while (text[i - 1 - escapes] === '\\') escapes += 1;
    if (escapes % 2 === 0) return i;
  }
}

const nameOf = (member: string) =>
  JSON.parse(member.slice(member.indexOf('"'), endOfString(member, member.indexOf('"')) + 1)) as string;
