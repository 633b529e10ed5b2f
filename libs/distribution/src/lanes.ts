import { crc32 } from 'node:zlib';

/**
 * The lane, a Kafka partition counted from 0, of everything in one of the log's partitions: CRC-32 (IEEE 802.3) of its
 * UTF-8, modulo the number of lanes. Never changes in a topic's life: order within a patient rests on it.
 */
export function laneOf(partition: string, lanes: number): number {
  return crc32(partition) % lanes;
}
