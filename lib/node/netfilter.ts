/**
 * Names of netfilter's chains in both back ends of iptables. Reading must not write: the legacy programs create each table that they
 * look at, so they are run only for tables that exist (/proc/net/ip_tables_names).
 */
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import type { Family } from '../types.ts'
import { decode, type Json, object, objects, text } from './ip.ts'

export interface ChainName {
  readonly family: Family
  readonly table: string
  readonly name: string
}

const TIMEOUT_MS = 5000
const MAX_OUTPUT_BYTES = 64 * 1024 * 1024

/** What a program printed; null: it is not there, or failed. */
function output(program: string, args: readonly string[]): Promise<string | null> {
  const options = { timeout: TIMEOUT_MS, maxBuffer: MAX_OUTPUT_BYTES }
  return new Promise((resolve) => {
    execFile(program, [...args], options, (error, stdout) => resolve(error ? null : stdout))
  })
}

/** Chains of nftables' ip and ip6 tables, those that iptables-nft made among them; null: they cannot be read. */
export async function nftChains(): Promise<readonly ChainName[] | null> {
  const printed = await output('nft', ['-j', 'list', 'chains'])
  return printed === null ? null : parseNftChains(printed)
}

/** {"nftables": [{"chain": {"family": "ip", "table": "nat", "name": "KUBE-SERVICES"}}]} */
export function parseNftChains(printed: string): readonly ChainName[] | null {
  const decoded = decode([], `[${printed}]`)
  const [all] = decoded.ok ? decoded.value : []
  if (!all) return null
  return objects(all, 'nftables').flatMap((item) => nftChain(object(item, 'chain')))
}

function nftChain(chain: Json): ChainName[] {
  const [family, table, name] = ['family', 'table', 'name'].map((field) => text(chain, field))
  if ((family !== 'ip' && family !== 'ip6') || !table || !name) return []
  return [{ family: family === 'ip' ? 4 : 6, table, name }]
}

/** Tables of the legacy back end that exist in this namespace. */
export function legacyTables(family: Family): readonly string[] {
  try {
    const names = readFileSync(`/proc/thread-self/net/${family === 4 ? 'ip' : 'ip6'}_tables_names`, 'utf8')
    return names.split('\n').filter(Boolean)
  } catch {
    return []
  }
}

const LEGACY: Record<Family, string> = { 4: 'iptables-legacy-save', 6: 'ip6tables-legacy-save' }

/** Chains of the legacy back end; null: there are tables, and they cannot be read. */
export async function legacyChains(): Promise<readonly ChainName[] | null> {
  const asked = ([4, 6] as const).flatMap((family) => legacyTables(family).map((table) => ({ family, table })))
  const read = await Promise.all(
    asked.map(async ({ family, table }) => {
      const printed = await output(LEGACY[family], ['-t', table])
      return printed === null ? null : parseSaved(printed).map((name) => ({ family, table, name }))
    }),
  )
  return read.some((chains) => chains === null) ? null : read.flatMap((chains) => chains ?? [])
}

/** ":KUBE-SERVICES - [0:0]" */
export const parseSaved = (printed: string): string[] =>
  [...printed.matchAll(/^:(\S+) /gm)].map(([, name]) => name as string)

/** kube-proxy's rules for services, as nft or iptables-save prints them, of whichever kind is there; null: there are none. */
export async function serviceRules(family: Family): Promise<string | null> {
  const ip = family === 4 ? 'ip' : 'ip6'
  const own = await output('nft', ['list', 'table', ip, 'kube-proxy'])
  if (own !== null) return own
  const nat = await output('nft', ['list', 'table', ip, 'nat'])
  if (nat?.includes('KUBE-SERVICES')) return nat
  if (!legacyTables(family).includes('nat')) return null
  const legacy = await output(LEGACY[family], ['-t', 'nat'])
  return legacy?.includes('KUBE-SERVICES') ? legacy : null
}
