/*
 * States as values: nothing that a state consists of is ever changed. A patch
 * copies each container on its paths at most once, and visits no others; what
 * it does not name is the same object in the new state. Keys are data: only own
 * properties are read, and `__proto__` is a key as any other.
 */

/** An operation of JSON Patch (RFC 6902); what it holds is not checked yet. */
export interface Operation {
  op: string;
  path: string;
  value?: unknown;
}

type Container = { [key: string | number]: unknown };

/** Whether states are frozen: a constant of the build. */
declare const DEVELOPMENT: boolean;

function misfit(): never {
  throw new Error("misfit");
}

function put(container: Container, key: string | number, value: unknown): void {
  Object.defineProperty(container, key, { configurable: true, enumerable: true, value, writable: true });
}

/** The key of a member or item that is there, or where one can be added. */
function locate(at: Container, step: string, adds: boolean): string | number {
  if (!Array.isArray(at)) return adds || Object.hasOwn(at, step) ? step : misfit();
  if (adds && step === "-") return at.length;
  return /^(0|[1-9]\d*)$/.test(step) && Number(step) < at.length + Number(adds) ? Number(step) : misfit();
}

function change(at: Container, step: string, { op, value }: Operation, overwrites: boolean): void {
  const [adds, removes] = [op === "add", op === "remove"];
  const key = locate(at, step, adds);
  if (Array.isArray(at)) {
    const replaced = adds && !(overwrites && Number(key) < at.length) ? 0 : 1;
    at.splice(Number(key), replaced, ...(removes ? [] : [value]));
  } else if (removes) {
    delete at[key];
  } else {
    put(at, key, value);
  }
}

/**
 * Returns the state after a patch; throws if an operation does not fit. Where
 * `overwrites`, `add` at an index that there is replaces the item, as plain
 * Zocket reads it.
 */
export function applyPatch(state: unknown, patch: readonly Operation[], overwrites: boolean): unknown {
  const root: Container = { "": state };
  const copies = new Set<unknown>(); // changed in place from then on
  for (const operation of patch) {
    const { op, path } = operation;
    if (!/^(add|replace|remove)$/.test(op) || (!overwrites && /^[^/]|~(?![01])/.test(path))) misfit();
    const steps = path.split("/").map((step) => step.replaceAll("~1", "/").replaceAll("~0", "~"));
    const last = steps.pop()!;
    let at = root;
    for (const step of steps) {
      const key = locate(at, step, false);
      let child = at[key];
      if (!copies.has(child)) {
        if (Object(child) !== child) misfit();
        child = Array.isArray(child) ? child.slice() : { ...(child as Container) };
        copies.add(child);
        put(at, key, child);
      }
      at = child as Container;
    }
    change(at, last, operation, overwrites);
  }
  return frozen(root[""] === undefined ? misfit() : root[""]);
}

/** Freezes what is new of a value: what is in something frozen is frozen. */
export function frozen<T>(value: T): T {
  if (DEVELOPMENT && typeof value === "object" && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    Object.values(value).forEach(frozen);
  }
  return value;
}
