/** How far a view certainly reflects the log, from what is known of its lanes. */
import type { RelayCheckpoint } from '@carelog/distribution';

export interface LaneCheckpoint {
  readonly position: number;
  readonly epoch: string;
}

/** How far a view certainly reflects one lane. */
export interface LaneProgress {
  readonly epoch: string;
  /** Its last event there, or what a heartbeat said. */
  readonly at: number;
  /** It has everything of the lane up to this position of the log. */
  readonly complete: number;
}

/**
 * What is known of each lane now, with what was known `before`. A view that has the last event that was sent to a lane has all
 * of the lane up to where the relay is; and it keeps that when more is sent, unless the lane itself went back. Empty while
 * the relay is in another epoch of the log.
 */
export function progressed(
  before: readonly LaneProgress[],
  relay: RelayCheckpoint | undefined,
  lanes: ReadonlyMap<number, LaneCheckpoint>,
  epoch: string,
): readonly LaneProgress[] {
  if (relay?.epoch !== epoch) return [];
  return relay.positions.map((sent, lane) => {
    const known = lanes.get(lane);
    const at = known?.epoch === epoch ? known.position : 0;
    if (at >= sent) return { epoch, at, complete: Math.max(at, relay.position) };
    const last = before[lane];
    const isKept = last?.epoch === epoch && last.at <= at;
    return { epoch, at, complete: isKept ? Math.max(at, last.complete) : at };
  });
}

/** Position up to which the view certainly reflects the log. */
export const reached = (lanes: readonly LaneProgress[]): number =>
  lanes.length === 0 ? 0 : Math.min(...lanes.map(({ complete }) => complete));
