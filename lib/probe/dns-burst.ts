/**
 * DNS queries that leave one socket at the same time, as libc sends A and AAAA (resolv/res_send.c, send_dg; musl's
 * src/network/res_msend.c): the two share one source port, and so one conntrack entry.
 */
import { randomInt } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { type DnsType, encodeQuery, parseAnswer } from '../packet/dns.ts'
import type { Target } from '../types.ts'
import { deadline } from './deadline.ts'

/** first: the query that was sent first was answered; repeat: only the repeat was; never: neither. */
export type BurstFate = 'first' | 'repeat' | 'never'

export interface BurstResult {
  /** In the order of the types asked. */
  readonly fates: readonly BurstFate[]
  /** Until the last answer to a first query, milliseconds; null: one was lost. */
  readonly ms: number | null
}

/** A query without an answer is sent again, from the same socket, after this time; libc waits 5 s. */
const REPEAT_AFTER_MS = 1000
const BUDGET_MS = 2 * REPEAT_AFTER_MS

/** Asks `target` for `name`, from `sockets` sockets at once, each of which sends one query a type, back to back. */
export function burst(
  target: Target,
  name: string,
  types: readonly DnsType[],
  sockets: number,
): Promise<readonly BurstResult[]> {
  return Promise.all(Array.from({ length: sockets }, () => oneSocket(target, name, types)))
}

function oneSocket(target: Target, name: string, types: readonly DnsType[]): Promise<BurstResult> {
  const { address, port = 53, family } = target
  return new Promise((resolve) => {
    const socket = createSocket(family === 6 ? 'udp6' : 'udp4')
    const fates: BurstFate[] = types.map(() => 'never')
    const start = randomInt(0x10000)
    const queries = types.map((type, index) => ({ id: (start + index) & 0xffff, question: { name, type } }))
    let repeating = false
    let began = 0
    let ms: number | null = null
    const settle = () => {
      cancel()
      clearTimeout(repeat)
      socket.removeAllListeners().on('error', ignore)
      socket.close()
      resolve({ fates, ms: fates.every((fate) => fate === 'first') ? ms : null })
    }
    const send = (only: (fate: BurstFate) => boolean) => {
      for (const [index, { id, question }] of queries.entries()) {
        // what the kernel refuses to send stays unanswered
        if (only(fates[index] ?? 'never')) socket.send(encodeQuery(id, question), ignore)
      }
    }
    socket.on('message', (message) => {
      for (const [index, { id, question }] of queries.entries()) {
        if (fates[index] !== 'never' || parseAnswer(message, id, question).kind !== 'answer') continue
        fates[index] = repeating ? 'repeat' : 'first'
        ms = Math.round((performance.now() - began) * 100) / 100
      }
      if (!fates.includes('never')) settle()
    })
    socket.on('error', ignore)
    socket.connect(port, address, (error?: Error) => {
      if (error) return settle()
      began = performance.now()
      send(() => true)
    })
    const repeat = setTimeout(() => {
      repeating = true
      send((fate) => fate === 'never')
    }, REPEAT_AFTER_MS)
    const cancel = deadline(BUDGET_MS, settle)
  })
}

function ignore(): void {}
