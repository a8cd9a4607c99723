/** Near misses: which name did the user mean? Pure. */

/**
 * Optimal string alignment distance: insertions, deletions, replacements and swaps of neighbours that turn a into b.
 */
export function editDistance(a: string, b: string): number {
  let previous: number[] = []
  let row = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1]
      let cost = Math.min((row[j - 1] ?? 0) + (same ? 0 : 1), (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1)
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        cost = Math.min(cost, (previous[j - 2] ?? 0) + 1)
      next.push(cost)
    }
    previous = row
    row = next
  }
  return row[b.length] ?? 0
}

/** The `count` names nearest to `wanted`, or whose start is, nearest first; none that has too little in common with it. */
export function closest(wanted: string, names: readonly string[], count = 3): string[] {
  const length = wanted.length
  const limit = length < 3 ? length - 1 : Math.ceil(length / 3)
  const distance = (name: string) => {
    const starts = [length - 1, length, length + 1].map((end) => name.slice(0, end))
    return name.includes(wanted) ? 0 : Math.min(...[...starts, name].map((each) => editDistance(wanted, each)))
  }
  return [...new Set(names)]
    .map((name) => ({ name, far: distance(name) }))
    .filter(({ far }) => far <= limit)
    .sort((a, b) => a.far - b.far || a.name.localeCompare(b.name))
    .slice(0, count)
    .map(({ name }) => name)
}

const WORDS: Readonly<Record<string, string>> = {
  SOURCE: 'SRC',
  DEST: 'DST',
  DESTINATION: 'DST',
  TARGET: 'DST',
  SERVICE: 'SVC',
  NS: 'NAMESPACE',
  EXT: 'EXTERNAL',
  ADDRESS: 'IP',
  CTX: 'CONTEXT',
  DIRECTORY: 'DIR',
}

/** The one of `ours` that a variable called `name` probably means; null when it is ours or resembles none. */
export function nearMiss<Name extends string>(name: string, ours: readonly Name[]): Name | null {
  if ((ours as readonly string[]).includes(name) || !/^[A-Za-z][A-Za-z0-9]*([_-][A-Za-z0-9]+)*_?$/.test(name))
    return null
  const words = name.toUpperCase().split(/[_-]/)
  const plain = words.map((word) => WORDS[word] ?? word).join('')
  for (const our of ours) {
    const wanted = our.replaceAll('_', '')
    // of a short name too many words are neighbours: DATE is not GATE
    const allowed = wanted.length >= 10 ? 2 : wanted.length < 5 ? 0 : 1
    if (Math.abs(plain.length - wanted.length) <= allowed && editDistance(plain, wanted) <= allowed) return our
  }
  return null
}
