/** What several views of a process need of an event is found out once, as long as they are brought the same event. */
import type { RecordedEvent } from '@carelog/event-store';
import { notes, type OpenedContent, type Projection } from '@carelog/projection';

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
