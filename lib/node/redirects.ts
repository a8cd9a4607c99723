/**
 * Rules of the calling namespace that hand connections to a local process: REDIRECT and TPROXY. Nothing is changed: iptables' old
 * back end is asked only for tables that exist (its tools make those that they are asked for).
 */
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'

const TIMEOUT_MS = 3000
const MAX_OUTPUT_BYTES = 16 * 1024 * 1024
/** TCP_LISTEN (include/net/tcp_states.h), as /proc/net/tcp prints it. */
const LISTEN = ' 0A '

/** What the rules say. Users, groups and marks that a rule names may be those that it lets pass. */
export interface Redirects {
  /** Lines that redirect, as the tool prints them. */
  readonly rules: readonly string[]
  readonly uids: readonly number[]
  readonly gids: readonly number[]
  readonly marks: readonly number[]
}

const NONE: Redirects = { rules: [], uids: [], gids: [], marks: [] }

/** null: the rules cannot be read here. A namespace in which nothing listens has nobody to redirect to: then nothing is started. */
export async function readRedirects(): Promise<Redirects | null> {
  if (!somebodyListens()) return NONE
  const [nft, legacy, legacy6] = await Promise.all([
    output('nft', ['list', 'ruleset']),
    legacyTables('ip_tables_names', 'iptables-legacy-save'),
    legacyTables('ip6_tables_names', 'ip6tables-legacy-save'),
  ])
  if (nft === null && legacy === '' && legacy6 === '') return null
  return parseRedirects([nft, legacy, legacy6].join('\n'))
}

/** From what `nft list ruleset` and `iptables-save` print. Pure. */
export function parseRedirects(text: string): Redirects {
  const lines = text.split('\n').map((line) => line.trim())
  const rules = lines.filter((line) => REDIRECTING.test(line))
  const numbers = (pattern: RegExp) => [...new Set([...text.matchAll(pattern)].map((match) => Number(match[1])))]
  return {
    rules,
    uids: numbers(/(?:skuid (?:!= )?|--uid-owner )(\d+)/g),
    gids: numbers(/(?:skgid (?:!= )?|--gid-owner )(\d+)/g),
    marks: numbers(/(?:meta mark (?:& 0x[0-9a-f]+ )?(?:!= |== )?|--mark )(0x[0-9a-f]+)/g),
  }
}

/** "redirect to :15001", "tproxy to :15006", 'xt target "REDIRECT"', "-j REDIRECT --to-ports 15001" */
const REDIRECTING = /\bredirect(?: to\b|$)|\btproxy\b.* to |xt target "(?:REDIRECT|TPROXY)"|-j (?:REDIRECT|TPROXY)\b/

const somebodyListens = (): boolean =>
  ['tcp', 'tcp6'].some((name) => read(`/proc/thread-self/net/${name}`).includes(LISTEN))

async function legacyTables(names: string, program: string): Promise<string> {
  const tables = read(`/proc/thread-self/net/${names}`)
    .split('\n')
    .filter((name) => name === 'nat' || name === 'mangle')
  const saved = await Promise.all(tables.map((table) => output(program, ['-t', table])))
  return saved.join('\n')
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

function output(program: string, args: readonly string[]): Promise<string | null> {
  const options = { timeout: TIMEOUT_MS, maxBuffer: MAX_OUTPUT_BYTES }
  return new Promise((resolve) => {
    execFile(program, args, options, (error, stdout) => resolve(error ? null : stdout))
  })
}
