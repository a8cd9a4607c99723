/** The packet filter of a network namespace, as it is now. Nothing here writes: reading a table must not make it. */
import { execFile } from 'node:child_process'
import type { FirewallState } from '../../state.ts'
import type { Outcome } from '../../types.ts'
import { parseIptablesSave, readSaved, type SavedTable } from './iptables.ts'
import { type Decoded, decodeNft, deviceless, readRules, type Saved, withDevices } from './nft.ts'

const BUDGET_MS = 2000
const MAX_OUTPUT_BYTES = 64 * 1024 * 1024
/** Between the parts of an output; no program of the scripts prints it. */
const MARK = '--- next part ---'

/** Tables of the old back end exist once somebody reads them: only those that are there already may be asked for. */
const FIRST = [
  `nft -j list ruleset; echo; echo '${MARK}'`,
  `cat /proc/net/ip_tables_names; echo '${MARK}'`,
  'cat /proc/net/ip6_tables_names',
].join('; ')

/** Distributions without both back ends call the one that they have "iptables-save". */
const FIND = `find() {
  command -v "$1-$2-save" && return
  case "$("$1" --version)" in *nf_tables*) is=nft;; *) is=legacy;; esac
  if [ "$is" = "$2" ]; then command -v "$1-save"; else return 127; fi
}
`

interface Table {
  readonly backend: 'nft' | 'legacy'
  readonly family: 'ip' | 'ip6'
  readonly table: string
}

/** One part of output a table, whether it can be read or not; each program is looked for once. */
function saveScript(tables: readonly Table[]): string {
  const variable = ({ backend, family }: Table) => `${backend}_${family}`
  const find = ({ backend, family }: Table) => `$(find ${family === 'ip' ? 'iptables' : 'ip6tables'} ${backend})`
  const programs = new Map(tables.map((table) => [variable(table), find(table)]))
  return [
    FIND,
    ...[...programs].map(([name, found]) => `${name}=${found}`),
    ...tables.map((table) => {
      const program = `$${variable(table)}`
      return `echo '${MARK}'; [ "${program}" ] && "${program}" -c -t '${table.table}' && echo '${COMPLETE}'`
    }),
  ].join('\n')
}

/** After a table that was printed to its end. */
const COMPLETE = '# complete'

/**
 * The rules of the namespace at `where` (/proc/<pid>/ns/net or a pinned file), or of the calling thread's own (null), of
 * nftables and of both back ends of iptables. What could not be read is named in `missing`.
 * Codes: TOOL_MISSING (no nft, no nsenter), PERMISSION_MISSING (needs CAP_NET_ADMIN, and CAP_SYS_ADMIN for another
 * namespace), TOOL_FAILED. Budget: 2 s.
 */
export async function readFirewall(where: string | null): Promise<Outcome<FirewallState>> {
  const deadline = Date.now() + BUDGET_MS
  const first = await shell(where, FIRST, BUDGET_MS)
  const [nft = '', names4 = '', names6 = ''] = first.stdout.split(`${MARK}\n`)
  const decoded = decodeNft(nft)
  if (!decoded) return failure(where, first)
  const ruleset = deviceless(decoded) ? await withNamedDevices(where, decoded, deadline) : decoded
  const made = [...ruleset.iptables].map((name): Table => {
    const [family, table] = name.split(' ') as ['ip' | 'ip6', string]
    return { backend: 'nft', family, table }
  })
  const legacy = [...legacyTables(names4, 'ip'), ...legacyTables(names6, 'ip6')]
  const unread = namesUnread(first.stderr)
  const tables = [...made, ...legacy]
  if (tables.length === 0) return found({ ...readRules(ruleset, new Map()), missing: unread })
  const second = await shell(where, saveScript(tables), Math.max(1, deadline - Date.now()))
  const texts = second.stdout.split(`${MARK}\n`).slice(1)
  const missed = legacy.filter((_, i) => !complete(texts[made.length + i]))
  const read = readRules(ruleset, savedTables(made, texts))
  const old = legacy.flatMap(({ family }, i) => parseIptablesSave(texts[made.length + i] ?? '', family))
  const missing = [unread, missed.length > 0 ? missedText(missed, second) : null].filter((part) => part !== null)
  return found({ ...read, chains: [...read.chains, ...old], missing: missing.join('; ') || null })
}

/** A chain whose device stays unknown is judged as one that may be asked. */
async function withNamedDevices(where: string | null, decoded: Decoded, deadline: number): Promise<Decoded> {
  const { stdout } = await shell(where, 'nft list chains', Math.max(1, deadline - Date.now()))
  return withDevices(decoded, stdout)
}

const found = (value: FirewallState): Outcome<FirewallState> => ({ ok: true, value, evidence: [] })

const complete = (text: string | undefined): boolean => text?.includes(COMPLETE) ?? false

/** Without its text a table is read as far as nft tells it. */
function savedTables(tables: readonly Table[], texts: readonly string[]): Saved {
  const saved = tables.flatMap(({ family, table }, i): [string, SavedTable][] => {
    const text = texts[i]
    const rules = complete(text) ? readSaved(text ?? '', family).get(table) : undefined
    return rules ? [[`${family} ${table}`, rules]] : []
  })
  return new Map(saved)
}

const legacyTables = (names: string, family: 'ip' | 'ip6'): readonly Table[] =>
  names
    .split('\n')
    .filter((name) => /^[a-z]+$/.test(name))
    .map((table) => ({ backend: 'legacy', family, table }))

/** A kernel without the old back end has no list of its tables; one that may not be read hides them. */
const namesUnread = (stderr: string): string | null =>
  /tables_names: Permission denied/.test(stderr)
    ? 'whether iptables’ old back end has rules cannot be read: /proc/net/ip_tables_names, permission denied'
    : null

const missedText = (missed: readonly Table[], { stderr, timedOut }: Ran): string => {
  const names = missed.map(
    ({ family, table }) => `${family === 'ip' ? 'iptables' : 'ip6tables'}-legacy-save -t ${table}`,
  )
  const said = timedOut ? `no end within ${BUDGET_MS} ms` : stderr.trim().split('\n')[0] || 'not installed'
  return `rules of iptables’ old back end cannot be read with ${names.join(', ')}: ${said}`
}

interface Ran {
  readonly stdout: string
  readonly stderr: string
  readonly timedOut: boolean
  readonly error: string | null
}

function shell(where: string | null, script: string, timeout: number): Promise<Ran> {
  const [program, ...args] = where === null ? ['/bin/sh'] : ['nsenter', `--net=${where}`, '/bin/sh']
  return new Promise((resolve) => {
    execFile(
      program as string,
      [...args, '-c', script],
      { timeout, maxBuffer: MAX_OUTPUT_BYTES },
      (error, stdout, stderr) =>
        resolve({ stdout, stderr, timedOut: error?.killed ?? false, error: error?.message.split('\n')[0] ?? null }),
    )
  })
}

function failure(where: string | null, { stderr, error, timedOut }: Ran): Outcome<never> {
  const trouble = `${stderr} ${error ?? ''}`
  const place = where === null ? 'this network namespace' : where
  const fail = (code: string, said: string): Outcome<never> => ({
    ...{ ok: false, code, evidence: [] },
    detail: `the packet filter of ${place} cannot be read: ${said}`,
  })
  if (timedOut) return fail('TOOL_FAILED', `nft did not end within ${BUDGET_MS} ms`)
  if (/nft: (?:command )?not found|nsenter ENOENT/.test(trouble))
    return fail('TOOL_MISSING', 'nft (nftables) or nsenter (util-linux) is not installed')
  if (/not permitted|must be root|permission denied/i.test(trouble))
    return fail('PERMISSION_MISSING', stderr.trim().split('\n')[0] ?? '')
  return fail('TOOL_FAILED', stderr.trim().split('\n')[0] || (error ?? 'nft printed no JSON'))
}
