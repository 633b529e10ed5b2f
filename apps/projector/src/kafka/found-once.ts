/** What several views of a process need of an event is found out once, as long as they are brought the same event. */
import type { RecordedEvent } from '@carelog/event-store';
import type { OpenedContent, Projection } from '@carelog/projection';

type Open = (event: RecordedEvent) => OpenedContent;

/** What cannot be opened may be openable later, and is asked for again; so is what must not be known any more. */
export function openedOnce(open: Open, isErased: (partition: string) => boolean): Open {
  const known = new WeakMap<RecordedEvent, OpenedContent>();
  return (event) => {
    const before = known.get(event);
    if (before !== undefined && !isErased(event.partition)) return before;
    const content = open(event);
    if (content.kind === 'opened') known.set(event, content);
    return content;
  };
}

/** A rule that throws is asked again. */
export function evolvedOnce<Change>(projection: Projection<Change>): Projection<Change> {
  const known = new WeakMap<OpenedContent, Change | undefined>();
  return {
    ...projection,
    evolve(event, content) {
      if (known.has(content)) return known.get(content);
      const change = projection.evolve(event, content);
      // By its content, which is one event's alone, and another one when it could be opened no longer.
      if (content.kind === 'opened') known.set(content, change);
      return change;
    },
  };
}
