export { startRelay } from './relay.ts';
export type { Relay, RelayOptions, RelayStatus } from './relay.ts';
export { startRelayService } from './service.ts';
export type { RelayService } from './service.ts';
