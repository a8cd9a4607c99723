/** The rooms of lib/ and who may enter which (design: layout): read from the imports, so that a shortcut shows at once. */
import { readdirSync, readFileSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** Left may import right, never back: checks -> check -> question -> probe -> socket -> netns; setup and report beside. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  checks: ['check', 'cluster', 'merge', 'preflight', 'question'],
  check: ['asking', 'diagnose', 'fact', 'failure', 'netns', 'policy', 'question', 'replay', 'state'],
  cluster: ['asking', 'kube', 'merge', 'report', 'settings'],
  asking: ['diagnose', 'fact', 'failure', 'policy'],
  merge: ['diagnose', 'fact'],
  replay: ['agent', 'diagnose', 'node', 'packet', 'probe', 'quiet', 'resolv', 'socket', 'state'],
  quiet: [],
  question: ['agent', 'fact', 'failure', 'node', 'packet', 'probe', 'quiet', 'resolv', 'state'],
  agent: ['netns', 'node', 'probe'],
  probe: ['diagnose', 'node', 'packet', 'socket', 'state'],
  socket: ['netns', 'packet'],
  node: ['netns', 'packet', 'state'],
  packet: [],
  netns: [],
  enter: ['netns'],
  pool: [],
  bundle: [],
  'address-pool': ['kube', 'node', 'packet', 'runtime', 'settings'],
  environment: [],
  setup: ['address-pool', 'environment', 'kube', 'netns', 'policy', 'report', 'resolv', 'settings', 'source'],
  source: ['kube', 'runtime', 'settings'],
  kube: ['settings'],
  runtime: ['netns'],
  report: ['compare', 'diagnose', 'merge', 'settings'],
  compare: ['diagnose', 'settings'],
  diagnose: ['state'],
  state: [],
  settings: [],
  policy: ['diagnose', 'fact'],
  preflight: [],
  resolv: ['packet'],
  fact: ['failure'],
  failure: [],
  types: [],
}

/** What only one room may touch, and what nobody may. The pattern is looked for in code without comments. */
const ONLY_IN: readonly (readonly [string, RegExp, readonly string[]])[] = [
  ['the environment is read', /process\.env\b/, ['settings']],
  ['client-node is imported', /['"]@kubernetes\/client-node/, ['kube']],
  ['setns is called', /\bsetns\b/, ['netns']],
  ['koffi is loaded', /['"]koffi['"]/, ['netns', 'socket']],
  ['raw-socket is loaded', /['"]raw-socket['"]/, ['socket']],
  ['packet sockets are opened', /\bAF_PACKET\b/, ['socket']],
  ['names are resolved', /(?:from|import\(|require\()\s*['"](?:node:)?dns(?:\/promises)?['"]/, ['kube']],
  ['the runtime is spoken to', /['"]@grpc\//, ['runtime']],
  ['Vitest runs tests', /from 'vitest'/, ['check', 'cluster', 'enter']],
  ['Vitest is steered', /from 'vitest\/node'/, ['cluster', 'pool', 'report', 'setup']],
  ['child processes are started', /['"]node:child_process['"]/, ['agent', 'bundle', 'cluster', 'kube', 'node']],
  ['nothing is fetched by a name', /\bfetch\(/, []],
]

const SOURCES = ['checks', 'lib'].flatMap((dir) =>
  readdirSync(join(root, dir), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(dir, name)),
)
const textOf = (file: string) => readFileSync(join(root, file), 'utf8')

/** lib/probe/tcp.ts -> probe, lib/check.ts -> check, checks/pod/x.test.ts -> checks */
function roomOf(file: string): string {
  const [top, room] = file.replace(/\.ts$/, '').split('/') as [string, string]
  return top === 'lib' ? room : top
}

/** Code alone. Strings stay: module names are strings. A `//` inside one follows a colon. */
function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|[^:'"`])\/\/.*$/gm, '$1')
}

/** Every relative module that a text names: import, export from, import(), require. */
function relativeImports(text: string): string[] {
  const found = withoutComments(text).matchAll(/(?:\bfrom|\bimport|\bimport\(|\brequire\()\s*['"](\.[^'"]+)['"]/g)
  return [...found].map(([, name]) => name as string)
}

const imports = (file: string) =>
  relativeImports(textOf(file)).map((name) => relative(root, resolve(root, file, '..', name)))

describe('reading imports', () => {
  it('finds every form, and nothing in comments', () => {
    const text = `import a from './a.ts'
      import type { B } from '../b.ts'
      import './c.ts'
      export * from './d.ts'
      const e = await import('./e.ts')
      // import f from './f.ts'
      /* import g from './g.ts' */
      const url = 'https://x/' // './h.ts'`
    expect(relativeImports(text)).toEqual(['./a.ts', '../b.ts', './c.ts', './d.ts', './e.ts'])
  })

  it('there is something to read', () => {
    expect(SOURCES.length).toBeGreaterThan(90)
    expect(SOURCES.flatMap(imports).length).toBeGreaterThan(250)
  })
})

describe('rooms', () => {
  it('every room is in the table, and every room of the table is there', () => {
    expect([...new Set(SOURCES.map(roomOf))].sort()).toEqual(Object.keys(MAY_IMPORT).sort())
  })

  it.each(Object.entries(MAY_IMPORT))('%s imports only %j', (room, allowed) => {
    const entered = SOURCES.filter((file) => roomOf(file) === room).flatMap((file) =>
      imports(file)
        .filter((other) => other !== 'package.json')
        .map((other) => ({ file, into: roomOf(other) })),
    )
    expect(entered.filter(({ into }) => ![room, 'types', ...allowed].includes(into))).toEqual([])
  })

  it('the table has no way back', () => {
    const reach = (from: string, seen: readonly string[]): readonly string[] => {
      expect(seen, `${[...seen, from].join(' -> ')}`).not.toContain(from)
      return (MAY_IMPORT[from] ?? []).flatMap((next) => reach(next, [...seen, from]))
    }
    for (const room of Object.keys(MAY_IMPORT)) reach(room, [])
  })

  it('types hold no code', () => {
    expect(withoutComments(textOf('lib/types.ts'))).not.toMatch(
      /^\s*export (?!type|interface)|^\s*(const|function|class)/m,
    )
  })
})

describe('what one room alone may do', () => {
  it.each(ONLY_IN)('%s', (_, pattern, rooms) => {
    const places = SOURCES.filter((file) => pattern.test(withoutComments(textOf(file))))
    expect(places.filter((file) => !rooms.includes(roomOf(file)))).toEqual([])
    // a pattern that matches nowhere watches nothing
    if (rooms.length > 0) expect(new Set(places.map(roomOf))).toEqual(new Set(rooms))
  })
})

describe('a check file', () => {
  const checks = SOURCES.filter((file) => file.startsWith('checks/'))

  it.each(checks)('%s is one page: what it catches, what it sends, one question', (file) => {
    const text = textOf(file)
    expect(text.split('\n').length).toBeLessThanOrEqual(40)
    expect(text).toMatch(/^\/\*\*[\s\S]*\n \* Catches: [\s\S]*\n \* Sends: [\s\S]*?\*\/\n/)
    const [stated, from] = file.includes('/cluster/') ? ['clusterCheck', 'cluster/check'] : ['check', 'check']
    expect(text.match(new RegExp(`^${stated}\\(`, 'gm'))).toHaveLength(1)
    expect(text).toContain(`from '../../lib/${from}.ts'`)
  })

  it('no two ask the same from the same place', () => {
    const asked = checks.map(
      (file) => `${file.split('/')[1]}: ${/^(?:check|clusterCheck)\(\s*(['"])(.*?)\1,/m.exec(textOf(file))?.[2]}`,
    )
    expect(asked.filter((question) => question.endsWith('undefined'))).toEqual([])
    expect(new Set(asked).size).toBe(checks.length)
  })
})
