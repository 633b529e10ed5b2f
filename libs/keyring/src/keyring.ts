/**
 * Seals content under a data key of its partition, so that destroying one key makes one person's history unreadable
 * wherever copies of the log lie. The keys lie apart from the log: in a folder, or in a database of their own.
 */
export interface SealedContent {
  readonly keyId: string;
  readonly content: Uint8Array;
}

/** What of an event is needed to open it. */
export interface SealedEvent extends SealedContent {
  readonly id: string;
  readonly stream: string;
  readonly partition: string;
}

/** `erased`: the key was destroyed on purpose. `unknown-key`: this keyring never had it. `damaged`: key and bytes do not fit. */
export type Opened =
  | { readonly kind: 'opened'; readonly bytes: Uint8Array }
  | { readonly kind: 'unreadable'; readonly reason: 'erased' | 'unknown-key' | 'damaged' };

export interface Keyring {
  /** A digest of a value that identifies somebody, for names of alias streams: base64url, the same for the same kind and value. */
  hmac(kind: string, value: string): string;
  /**
   * Resolves when each partition has a data key and that key is on disk. Returns without touching the disk where they are
   * known. Rejects with a `KeyringFault`: `erased` when one of them was erased, `read-only`, `full`, `io`.
   */
  prepare(partitions: Iterable<string>): Promise<void>;
  /**
   * To be asked before a batch of events is opened: resolves when this keyring knows the keys of their partitions as they are
   * now. Where the keys lie in a folder it has nothing to do. Rejects with a `KeyringFault`: `closed`, `io`.
   */
  know(partitions: Iterable<string>): Promise<void>;
  /** Seals for this event and no other. Throws a `KeyringFault`: `unprepared` before `prepare`, `erased` after `erase`. */
  seal(
    partition: string,
    event: { readonly id: string; readonly stream: string },
    plaintext: Uint8Array,
  ): SealedContent;
  /** A digest that only this partition's key can make: equal for equal plaintext, and worthless once the key is destroyed. Throws as `seal` does. */
  fingerprint(partition: string, plaintext: Uint8Array): string;
  /** Never throws for what the event holds; `unprepared` where the keys lie elsewhere and `know` was not asked. */
  open(event: SealedEvent): Opened;
  /**
   * Destroys the partition's data key; durable when it resolves, and noticed within 10 ms (keys in a folder) or 100 ms (keys in
   * a database) by every other keyring that is open on it, in whichever thread or process. Remembers only that it happened.
   * Copies made before still hold the key, wrapped: destroy those too.
   */
  erase(partition: string): Promise<void>;
  /** Copies both files into a folder that does not exist yet. Keep it apart from copies of the log. */
  backup(target: string): Promise<void>;
  close(): void;
}
