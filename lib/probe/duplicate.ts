/**
 * Does somebody else on the link answer for an address of our own? The kernel keeps such answers to itself, so they are heard on a
 * packet socket. Who asks must hold the address and live in its namespace.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { claimedBy, conflictProbe } from '../packet/neighbour.ts'
import { type FilterStep, listenFrames, sendFrame } from '../socket/packet.ts'

export interface ProbedInterface {
  readonly index: number
  readonly mac: string
}

/** MACs other than our own that claim the address; `hindrance`: why nobody could be asked. */
export type Claims = { readonly macs: readonly string[] } | { readonly hindrance: string }

/** Sent twice: one frame may be lost. Answers on a link come within a millisecond; a busy node takes longer. */
const SEND_AT_MS = [0, 50] as const
const LISTEN_MS = 120

/** Asks who else has `address` on the interface. Two frames a call, heard for 120 ms. */
export async function whoElseHas(address: string, { index, mac }: ProbedInterface): Promise<Claims> {
  const question = conflictProbe(address, mac)
  const listener = listenFrames(index, question.etherType, address.includes(':') ? ADVERTISEMENTS : ANY)
  if (typeof listener === 'string') return { hindrance: listener }
  try {
    let waited = 0
    for (const at of SEND_AT_MS) {
      await sleep(at - waited)
      waited = at
      const hindrance = sendFrame({ interfaceIndex: index, ...question })
      if (hindrance !== null) return { hindrance }
    }
    await sleep(LISTEN_MS - waited)
    const claimed = listener.read().flatMap(({ payload, sourceMac }) => claimedBy(address, payload, sourceMac) ?? [])
    return { macs: [...new Set(claimed)].filter((other) => other !== mac.toLowerCase() && other !== NOBODY) }
  } finally {
    listener.close()
  }
}

const NOBODY = '00:00:00:00:00:00'

/**
 * An address that nobody has (reserved: RFC 1112; discard-only: RFC 6666), at which only a responder answers that answers for
 * everything: proxy ARP of a CNI's switch.
 */
export const NOBODYS: Record<4 | 6, string> = { 4: '240.0.0.1', 6: '100::1' }

const [LOAD_BYTE, EQUAL, RETURN] = [0x30, 0x15, 0x06]
const WHOLE = 0xffff
const ANY: readonly FilterStep[] = [[RETURN, 0, 0, WHOLE]]
/** ICMPv6 (58) behind the fixed header, neighbour advertisement (136). */
const ADVERTISEMENTS: readonly FilterStep[] = [
  [LOAD_BYTE, 0, 0, 6],
  [EQUAL, 0, 3, 58],
  [LOAD_BYTE, 0, 0, 40],
  [EQUAL, 0, 1, 136],
  [RETURN, 0, 0, WHOLE],
  [RETURN, 0, 0, 0],
]
