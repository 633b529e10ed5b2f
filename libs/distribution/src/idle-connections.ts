/**
 * kafkajs 2.2.4 asks each of its connections a thousand times a second whether a request waits to be sent, also where none does:
 * some 5 ms of a processor a second for each. https://github.com/tulios/kafkajs/issues/1704
 */
import { createRequire } from 'node:module';

interface RequestQueue {
  readonly pending: readonly unknown[];
  scheduleCheckPendingRequests(): void;
}

const require = createRequire(import.meta.url);
const { prototype } = require('kafkajs/src/network/requestQueue') as { readonly prototype: RequestQueue };
const { scheduleCheckPendingRequests } = prototype;

/** From now on nothing is asked while nothing waits: whatever is put there to wait lets it be asked again. May be called again. */
export function letIdleConnectionsRest(): void {
  prototype.scheduleCheckPendingRequests = function () {
    if (this.pending.length > 0) scheduleCheckPendingRequests.call(this);
  };
}
