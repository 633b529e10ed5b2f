/**
 * What goes wrong with a store that is nobody's decision: `full` (no room; reads go on, and appends work again once there
 * is room), `locked` (another process has it), `damaged` (what is on disk is not what was written), `closed`, `io` (the
 * disk or the file system refused), `invalid` (the caller broke a limit of the port; nothing was written).
 */
export type StoreFaultCode = 'full' | 'locked' | 'damaged' | 'closed' | 'io' | 'invalid';

/** Its message says what is wrong, where, and how to put it right; it never holds content. */
export class StoreFault extends Error {
  readonly code: StoreFaultCode;

  constructor(code: StoreFaultCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'StoreFault';
    this.code = code;
  }
}
