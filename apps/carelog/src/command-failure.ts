/** A command cannot do what it was asked to: the message says why and what to do. 2 means that it was asked wrongly. */
export class CommandFailure extends Error {
  readonly exitCode: 1 | 2;

  constructor(message: string, exitCode: 1 | 2 = 1) {
    super(message);
    this.exitCode = exitCode;
  }
}
