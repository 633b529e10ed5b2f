export { KeyringFault } from './keyring-fault.ts';
export type { KeyringFaultCode } from './keyring-fault.ts';
export { openKeyring } from './keyring.ts';
export type { Keyring, KeyringOptions, Opened, SealedContent, SealedEvent } from './keyring.ts';
