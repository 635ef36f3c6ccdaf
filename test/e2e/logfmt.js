// Reads a line of logfmt strictly: pairs with a blank between them, KEY=VALUE,
// where a value is bare or a string of JSON. Throws for anything else.
const PAIR = /([a-z_]+)=(?:("(?:[^"\\]|\\.)*")|([^ "=\\]+))(?: |$)/y;

export function readLogfmt(line) {
  const record = {};
  PAIR.lastIndex = 0;
  while (PAIR.lastIndex < line.length) {
    const at = PAIR.lastIndex;
    const pair = PAIR.exec(line);
    if (pair === null || pair[1] in record) {
      throw new Error(`no logfmt from ${at}: ${line}`);
    }
    record[pair[1]] = pair[2] === undefined ? pair[3] : JSON.parse(pair[2]);
  }
  return record;
}
