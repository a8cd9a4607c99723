/** The neighbour table (ARP, NDP) of this network namespace, read with `ip -j -s neigh`. */
import type { Outcome } from '../types.ts'
import { flag, type Json, number, readIp, text, texts } from './ip.ts'

/** States of linux/neighbour.h (NUD_*), as iproute2 names them. NONE: no entry. */
export type NeighbourState =
  | 'NONE'
  | 'INCOMPLETE'
  | 'REACHABLE'
  | 'STALE'
  | 'DELAY'
  | 'PROBE'
  | 'FAILED'
  | 'NOARP'
  | 'PERMANENT'

export interface Neighbour {
  readonly address: string
  readonly device: string
  readonly state: NeighbourState
  readonly mac: string | null
  /** Whole seconds since the entry was last confirmed by an answer; null: the kernel does not say. */
  readonly confirmedSecondsAgo: number | null
  /** The entry is kept by a program (NTF_EXT_LEARNED), not by ARP or NDP. */
  readonly external: boolean
}

/** All entries, of both families. Codes: TOOL_MISSING, TOOL_FAILED. */
export async function readNeighbours(): Promise<Outcome<readonly Neighbour[]>> {
  const read = await readIp(['-s', 'neigh', 'show', 'nud', 'all'])
  return read.ok ? { ok: true, value: read.value.flatMap((row) => parseNeighbour(row)), evidence: [] } : read
}

/** The entry of one address on one device, null when there is none. Codes: TOOL_MISSING, TOOL_FAILED. */
export async function readNeighbour(address: string, device: string): Promise<Outcome<Neighbour | null>> {
  const read = await readIp(['-s', 'neigh', 'show', 'to', address, 'dev', device, 'nud', 'all'])
  if (!read.ok) return read
  return { ok: true, value: read.value.flatMap((row) => parseNeighbour(row, device))[0] ?? null, evidence: [] }
}

/** Reads one object of `ip -j -s neigh`; with `dev` on the command line the objects do not repeat the device. */
export function parseNeighbour(row: Json, device = ''): readonly Neighbour[] {
  const address = text(row, 'dst')
  if (address === null) return []
  return [
    {
      address,
      device: text(row, 'dev') ?? device,
      state: (texts(row, 'state')[0] ?? 'NONE') as NeighbourState,
      mac: text(row, 'lladdr'),
      confirmedSecondsAgo: number(row, 'confirmed'),
      external: flag(row, 'extern_learn'),
    },
  ]
}
