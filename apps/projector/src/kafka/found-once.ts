/**
 * What several views of a process need of an event is found out once, as long as they are brought the same event. It is noted on the
 * event itself, so that it goes when the event goes: a WeakMap's values outlive their keys by a collection of what is young, and so
 * grow old, all of them, until the collector stops the lanes to look for what is old.
 */
import type { RecordedEvent } from '@carelog/event-store';
import type { OpenedContent, Projection } from '@carelog/projection';

type Open = (event: RecordedEvent) => OpenedContent;

/** What cannot be opened may be openable later, and is asked for again; so is what must not be known any more. */
export function openedOnce(open: Open, isErased: (partition: string) => boolean): Open {
  const noted = notes<RecordedEvent, OpenedContent>('content');
  return (event) => {
    const before = noted.of(event);
    if (before !== undefined && !isErased(event.partition)) return before.found;
    const content = open(event);
    if (content.kind === 'opened') noted.note(event, content);
    return content;
  };
}

/** A rule that throws is asked again. */
export function evolvedOnce<Change>(projection: Projection<Change>): Projection<Change> {
  const noted = notes<OpenedContent, Change | undefined>('change');
  return {
    ...projection,
    evolve(event, content) {
      const before = noted.of(content);
      if (before !== undefined) return before.found;
      const change = projection.evolve(event, content);
      // By its content, which is one event's alone, and another one when it could be opened no longer.
      if (content.kind === 'opened') noted.note(content, change);
      return change;
    },
  };
}

/** Seen by nobody else: neither by whoever copies what is noted on, nor by who writes it as JSON. */
function notes<On extends object, Found>(name: string) {
  const key = Symbol(name);
  type Noted = On & { [key]?: { readonly found: Found } };
  return {
    of: (on: On) => (on as Noted)[key],
    note(on: On, found: Found): void {
      Object.defineProperty(on, key, { value: { found }, writable: true });
    },
  };
}
