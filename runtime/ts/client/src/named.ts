/* Objects with properties that are made when they are asked for. */

export type Named<T> = { readonly [name: string]: T };
export type Listen = (value: any) => void;

/** What promises, JSON and React look for in any object. */
const FOREIGN = /^(then|toJSON|\$\$typeof)$/;

/**
 * An object that has, beside its own properties, what `make` makes by name: each
 * the same every time. `known` has all names that there are; missing: every name
 * is good.
 */
export function named(own: { [name: string]: any }, known: object | undefined, make: (name: string) => unknown): object {
  const made = new Map<string, unknown>();
  return new Proxy(own, {
    get(target, name) {
      if (typeof name === "symbol" || FOREIGN.test(name)) return undefined;
      if (Object.hasOwn(target, name) || !(known ? Object.hasOwn(known, name) : !(name in target))) {
        return target[name];
      }
      if (!made.has(name)) made.set(name, make(name));
      return made.get(name);
    },
  });
}
