/**
 * Why a keyring cannot serve: `missing` (a file it needs is not there), `permissions` (others may read it), `damaged`,
 * `erased` (this partition's key was destroyed on purpose), `unprepared` (`seal` before `prepare`), `read-only`, `full`,
 * `closed`, `io`.
 */
export type KeyringFaultCode =
  'missing' | 'permissions' | 'damaged' | 'erased' | 'unprepared' | 'read-only' | 'full' | 'closed' | 'io';

/** Its message says what is wrong, where, and how to put it right; it never holds key material or content. */
export class KeyringFault extends Error {
  readonly code: KeyringFaultCode;

  constructor(code: KeyringFaultCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'KeyringFault';
    this.code = code;
  }
}
