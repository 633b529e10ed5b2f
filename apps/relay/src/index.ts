export { startRelay } from './relay.ts';
export type { Relay, RelayOptions, RelayStatus } from './relay.ts';
