// Equality of types: optional, readonly and `any` make a difference.
export type Equal<A, B> =
  (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true : false;

/** Compiles only if every member is true. */
export type Holds<_Claims extends readonly true[]> = true;

/** An intersection as a single object. */
export type Flat<T> = { [K in keyof T]: T[K] };
