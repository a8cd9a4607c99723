/** Recorded rule sets as the product reads them. Their addresses are those of the test's own clusters. */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseIptablesSave, readSaved, type SavedTable } from '../../../lib/node/firewall/iptables.ts'
import { parseNft } from '../../../lib/node/firewall/nft.ts'
import type { FirewallState } from '../../../lib/state.ts'

export const recordedText = (name: string): string =>
  readFileSync(fileURLToPath(new URL(`../../fixtures/firewall/${name}`, import.meta.url)), 'utf8')

/** nft's JSON with the texts of those of its tables that iptables-nft made. */
export function recorded(name: string, tables: readonly string[] = []): FirewallState {
  const saved = new Map<string, SavedTable>(
    tables.flatMap((table) => {
      const rules = readSaved(recordedText(`${name}.${table}.txt`), 'ip').get(table)
      return rules ? [[`ip ${table}`, rules]] : []
    }),
  )
  const state = parseNft(recordedText(`${name}.json`), saved)
  if (!state) throw new Error(`${name}.json holds no rule set`)
  return state
}

export const recordedLegacy = (name: string): FirewallState => ({
  ...{ sets: {}, missing: null },
  chains: parseIptablesSave(recordedText(`${name}.legacy.txt`), 'ip'),
})
