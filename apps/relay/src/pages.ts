/** Events as pages of messages for lanes, each page small enough for one request, with the checkpoint that it leads to. */
import { encodeHeartbeat, encodeMessage, laneOf } from '@carelog/distribution';
import type { LaneMessage, LanePage } from '@carelog/distribution';
import type { RecordedEvent } from '@carelog/event-store';
import type { Reached } from './resume.ts';

export interface Page {
  readonly lanes: LanePage;
  readonly events: number;
  /** Reached once every lane has its messages. */
  readonly checkpoint: Reached;
}

/** A page may be larger by its last event. */
const maxPageBytes = 3 * 1024 * 1024;

/** `events` follow on `reached` without a gap, and there is at least one. */
export function* pagesOf(reached: Reached, events: readonly RecordedEvent[]): Generator<Page> {
  const { epoch } = reached;
  const positions = [...reached.positions];
  let lanes = new Map<number, LaneMessage[]>();
  let bytes = 0;
  let count = 0;
  for (const [index, event] of events.entries()) {
    const lane = laneOf(event.partition, positions.length);
    const message = encodeMessage(event, { epoch, previous: positions[lane]! });
    positions[lane] = event.position;
    const own = lanes.get(lane);
    if (own) own.push(message);
    else lanes.set(lane, [message]);
    bytes += message.value.byteLength;
    count += 1;
    if (bytes < maxPageBytes && index < events.length - 1) continue;
    const checkpoint = { epoch, position: event.position, positions: [...positions], eventId: event.id };
    yield { lanes, events: count, checkpoint };
    lanes = new Map();
    bytes = count = 0;
  }
}

/** A message for every lane that says how far it is complete: it shows a lane's lost end when no event follows. */
export function heartbeatsAt({ epoch, position, positions }: Reached): LanePage {
  return new Map(
    positions.map((previous, lane) => [lane, [encodeHeartbeat(position, { epoch, previous })]] as const),
  );
}
