// Texts and patterns for random schemas. JavaScript decides in `u` mode which
// texts match; the runtime must agree.
import { readFileSync } from "node:fs";

export const texts = [
  "", "a", "b", "x", "é", "😀", "€", "0", "7", "42", "007", "1234", "99999",
  "foo", "bar", "a foo b", "foobar", "_", "a_b", "a-b", "-", "/", "\\", "]",
  "[", "[]", "{", "a/b", "a\\b", "aa", "aaa", "abab", "abc", "ABC", "Foo",
  "aB3", "x y", "x\ty", "x\ny", "x\ry", "x\u2028y", "x\u00a0y", "x\u3000y",
  "x\ufeffy", "x\u180ey", "x\u0085y", " x", "x ", "\n", "\r", "\u2029",
  "\u00a0", "\u3000", "\ufeff", "\u0000", "a\u0000b", "\u007f", "ünïcödé",
  "größe", "日本語", "😀😀", "e\u0301", "\"", "a\"b", "'", "$", "$1", "^a",
  "a.b", "a+b@c", "1e3", "0x1f", "tab\t", "line\n", "K", "ſ", "ß", "İ", "٣",
  "null", "true", "a,b", "a;b", "*/", "/*", "??/", "%d%s", "{\"a\":1}",
  "0123456789", "abcdefghijklmnopqrstuvwxyz", "😀".repeat(20), "x".repeat(40),
  "a@example.com", "first.last+tag@sub.example.co", "a@b.c", "a@b", "@b.cd",
  "a..b@example.com", "a@-b.com", "a b@example.com", "a@example.com\n",
  "http://example.com", "https://example.com:8080/a?b#c", "https://[::1]/x",
  "http://user@example.com", "ftp://example.com", "http://", "http://a b",
  "https://größe.example/", "http://example.com/\u00a0",
  "123e4567-e89b-12d3-a456-426614174000", "123E4567-E89B-12D3-A456-426614174000",
  "123e4567e89b12d3a456426614174000", "123e4567-e89b-12d3-a456-42661417400g",
];

export const patterns = [
  "/^[a-z0-9-]+$/", "/^\\S+$/", "/\\s/", "/^.$/", "/^.{1,3}$/", "/\\bfoo\\b/",
  "/^\\w+$/", "/^\\d{2,4}$/", "/[^\\x00-\\x7f]/", "/^(?:a|b)*$/", "/\\Bb/",
  "/^(?=.*\\d)(?=.*[a-z]).+$/", "/\\u{1F600}/", "/^[\\s\\S]*$/", "/^[^\\n]*$/",
  "/\\//", "/^$|^x/", "/[\\]\\\\-]/", "/\\D/", "/\\W/", "/^[\\w.+-]+@/", "/é/",
  "/^\\u00e9|^\\x41/", "/^(?!x)/", "/a{2}/", "/[/]/", "/x[\\t\\n\\r]y/", "/^.*$/",
  "/^a??b*?$/", "/[^\\s\\d]$/", "/[\\W_]/", "/\\$|\\^/", "/(a)(b)?/",
  "/^[😀-😎]+$/", "/\\0/", "/^[\\u3000-\\u30ff\\u4e00-\\u9fff]+$/", "/\\v|\\f|\\r/",
  "/^[\\D]{0,3}$/", "/[\\b]|\\t/", "/\"/", "/\\?\\?\\//", "/(?:)/",
];

// The compiler's own table of formats; its C strings are JSON strings, too.
const table = readFileSync(new URL("../../../zocketc/schema/formats.def", import.meta.url), "utf8");
export const formats = Object.fromEntries(
  [...table.matchAll(/^F\(("\w+"), (".*")\)$/gm)].map((m) => m.slice(1).map(JSON.parse)),
);

/** Returns true if JavaScript finds the pattern, or format, in the text. */
export function isMatch(shown, text) {
  const source = formats[shown] ?? shown;
  return new RegExp(source.slice(1, -1), "u").test(text);
}

export const isTrimmed = (text) => text.trim() === text;
export const isUppered = (text) => !/[a-z]/.test(text);
export const isLowered = (text) => !/[A-Z]/.test(text);
export const codePoints = (text) => [...text].length;
