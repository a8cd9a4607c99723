/** What lists of nodes are put together with. Pure. */

/** By code point: the same on every machine, whatever its language. */
export const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

export function groupedBy<T>(list: readonly T[], key: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>()
  for (const item of list) {
    const at = key(item)
    const known = groups.get(at)
    if (known) known.push(item)
    else groups.set(at, [item])
  }
  return groups
}

/** The item that is there most often; of equals the first by text. null: the list is empty. */
export function commonest<T extends string | number>(list: readonly T[]): T | null {
  const counts = new Map<T, number>()
  for (const item of list) counts.set(item, (counts.get(item) ?? 0) + 1)
  const [first] = [...counts].toSorted((a, b) => b[1] - a[1] || compareText(String(a[0]), String(b[0])))
  return first?.[0] ?? null
}

/** Names that a sentence lists before it counts the rest. */
const LISTED = 6

/** "n1, n2 and n3", "n1, n2, n3, n4, n5, n6 and 32 more" */
export function namesText(names: readonly string[], most = LISTED): string {
  if (names.length > most + 1) return `${names.slice(0, most).join(', ')} and ${names.length - most} more`
  const last = names.at(-1) ?? ''
  return names.length > 1 ? `${names.slice(0, -1).join(', ')} and ${last}` : last
}

/** "node n1", "nodes n1 and n2" */
export const nodesText = (names: readonly string[]): string =>
  `${names.length > 1 ? 'nodes' : 'node'} ${namesText(names)}`

/** "1 node", "2 nodes" */
export const count = (n: number, noun: string): string => `${n} ${noun}${n === 1 ? '' : 's'}`

/** Rows of a table as evidence shows them; the rest is counted. */
export function cappedTable(
  name: string,
  columns: readonly string[],
  rows: readonly (readonly (string | number | boolean | null)[])[],
  most = 60,
) {
  const omitted = rows.length - Math.min(rows.length, most)
  return { kind: 'table' as const, name, columns, rows: rows.slice(0, most), ...(omitted > 0 ? { omitted } : {}) }
}
