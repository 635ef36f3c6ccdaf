/* Failures: those that the client finds, and those that the server tells. */
import type { ZocketError as Shape } from "../index.js";

const TEMPORARY = /^(RESOURCE_EXHAUSTED|UNAVAILABLE|DEADLINE_EXCEEDED|ABORTED)$/;

export class ZocketError extends Error {
  override readonly name = "ZocketError";
  declare readonly reason: string | undefined;
  declare readonly details: unknown;
  declare readonly retryable: boolean;
  declare readonly retryAfterMs: number | undefined;
  declare readonly issues: Shape["issues"];
  declare readonly maybeRan: boolean;

  constructor(
    readonly code: string,
    message = code,
    more: Partial<Omit<Shape, "code">> = {},
  ) {
    super(message, more);
    const { reason, details, retryable = TEMPORARY.test(code), retryAfterMs, issues, maybeRan = false } = more;
    Object.assign(this, { reason, details, retryable, retryAfterMs, issues, maybeRan });
  }

}

export function isZocketError(error: unknown): error is ZocketError {
  return (error as Error | undefined)?.name === "ZocketError";
}

/** What the server tells of a failure; a plain server tells no code. */
export type Failure = Partial<Omit<Shape, keyof Error>> & { readonly error?: string };

export function received(failure: Failure, code = "INTERNAL"): ZocketError {
  code = failure.code ?? code;
  return new ZocketError(code, failure.error || code, failure);
}

/** The same failure as one of its own, of a call that may have been sent. */
export function copied(error: ZocketError, maybeRan = false): ZocketError {
  return new ZocketError(error.code, error.message, { ...error, maybeRan });
}
