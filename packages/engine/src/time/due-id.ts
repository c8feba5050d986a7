/**
 * A key's id and a timer's id in one string that sorts by key, then id: the key's zero characters are escaped, and a terminator below everything
 * else follows.
 */
export function joinId(key: string, sub: string): string {
  return `${key.includes("\0") ? key.replaceAll("\0", "\0\u00ff") : key}\0\u0001${sub}`;
}

export function splitId(id: string): { readonly key: string; readonly sub: string } {
  let end = id.indexOf("\0");
  while (id.charCodeAt(end + 1) === 0xff) end = id.indexOf("\0", end + 1);
  return { key: id.slice(0, end).replaceAll("\0\u00ff", "\0"), sub: id.slice(end + 2) };
}
