/**
 * The README's tables, made from what the code says: settings, checks and failure codes.
 * `npx tsx test/docs.ts` writes them; a unit test holds the README to them.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename } from 'node:path'
import { CODES } from '../lib/diagnose/codes.ts'
import { EVERY_NODE_SETTINGS, SETTINGS, type Setting } from '../lib/settings.ts'

const README = new URL('../README.md', import.meta.url)

/** The README with every table between `<!-- name -->` and `<!-- /name -->` made anew. */
export function withTables(readme: string): string {
  const tables = {
    settings: settingsTable(SETTINGS),
    'every-node-settings': settingsTable(EVERY_NODE_SETTINGS),
    checks: checksTables(),
    codes: codesTable(),
  }
  return Object.entries(tables).reduce((text, [name, table]) => {
    const [start, end] = [`<!-- ${name} -->`, `<!-- /${name} -->`]
    const [from, to] = [text.indexOf(start), text.indexOf(end)]
    if (from < 0 || to < from) throw new Error(`the README does not mark its table of ${name}`)
    return `${text.slice(0, from)}${start}\n\n${table}\n\n${text.slice(to)}`
  }, readme)
}

export const readme = (): string => readFileSync(README, 'utf8')

function settingsTable(settings: readonly Setting[]): string {
  const rows = settings.map(({ name, meaning, default: otherwise, example, flag }) => [
    `\`${name}\``,
    meaning,
    otherwise,
    `\`${example}\``,
    flag === undefined ? '' : `\`${flag}\``,
  ])
  const head = ['variable', 'meaning', 'default', 'example', "the original's flag"]
  // none of a run over all nodes had one
  const columns = settings.some(({ flag }) => flag !== undefined) ? head.length : head.length - 1
  return table(
    head.slice(0, columns),
    rows.map((row) => row.slice(0, columns)),
  )
}

function checksTables(): string {
  const titles = { host: 'From the node', pod: 'From the pod', cluster: 'Over all nodes' }
  return Object.entries(titles)
    .map(([place, title]) => {
      const rows = checkFiles(place).map((file) => rowOf(file))
      return `**${title}** (\`checks/${place}\`)\n\n${table(['check', 'what it asks', 'a failure catches', 'what it sends'], rows)}`
    })
    .join('\n\n')
}

const checkFiles = (place: string): string[] =>
  readdirSync(new URL(`../checks/${place}/`, import.meta.url))
    .sort()
    .map((name) => `checks/${place}/${name}`)

/** A check's doc comment: what it asks, "Catches: ...", "Sends: ...". */
function rowOf(file: string): string[] {
  const source = readFileSync(new URL(`../${file}`, import.meta.url), 'utf8')
  const comment = /\/\*\*([\s\S]*?)\*\//.exec(source)?.[1] ?? ''
  const text = comment
    .replace(/^\s*\* ?/gm, '')
    .replace(/\s+/g, ' ')
    .trim()
  const [, asks = '', catches = '', sends = ''] = /^(.*?)\s*Catches: (.*?) Sends: (.*)$/.exec(text) ?? []
  if (asks === '' || sends === '')
    throw new Error(`${file}: its comment does not say what it asks, "Catches:" and "Sends:"`)
  return [`\`${basename(file, '.test.ts')}\``, asks, catches, sends]
}

function codesTable(): string {
  const rows = Object.entries(CODES).map(([code, { kind, means, remedy }]) => [`\`${code}\``, kind, means, remedy])
  return table(['code', 'verdict', 'means', 'what to do'], rows)
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
  return [line(head), `|${head.map(() => '---').join('|')}|`, ...rows.map(line)].join('\n')
}

if (process.argv[1]?.endsWith('docs.ts')) writeFileSync(README, withTables(readme()))
