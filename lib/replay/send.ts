/** Sends the probes of a replay, each known by its source port or ICMP id, and says how many were answered. */
import { createSocket, type Socket as Datagrams } from 'node:dgram'
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { encodeQuery } from '../packet/dns.ts'
import { type Echoes, openEchoes, SMALLEST_ECHO } from '../socket/icmp-echo.ts'
import type { Family, Target } from '../types.ts'

/** Between two rounds of probes, ms. */
const PACE_MS = 3
const DNS_PORT = 53
/** Free on nearly every host (traceroute's range), so that a refusal comes back from a host that is there. */
const QUIET_PORT = 33434

/** One target's probes. */
export interface Sender {
  readonly target: Target
  /** Source ports or ICMP ids that were used. */
  keys(): readonly number[]
  source(): string | null
  send(): void
  /** The errno with which this namespace's own kernel refused. */
  refused(): string | null
  answered(): number
  close(): void
}

/**
 * A sender for each target; ICMP shares one socket a family. `name`: what name servers are asked for; one that they answer by themselves,
 * so that a server that cannot reach its own upstream is not taken for one that is not reached.
 */
export function sendersFor(targets: readonly Target[], name: string): readonly Sender[] {
  const echoes = new Map<Family, Echoes | null>()
  const echoesOf = (family: Family): Echoes | null => {
    const known = echoes.get(family)
    if (known !== undefined) return known
    const opening = openEchoes(family)
    const made = opening.ok ? opening.echoes : null
    echoes.set(family, made)
    return made
  }
  return targets.map((target) => {
    if (target.protocol === 'tcp' && target.port !== undefined) return tcpSender(target, target.port)
    if (target.protocol === 'udp') return udpSender(target, target.port ?? QUIET_PORT, name)
    return icmpSender(target, echoesOf(target.family))
  })
}

/** Sends so many probes to each target, side by side. */
export async function sendRounds(senders: readonly Sender[], rounds: number): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    for (const sender of senders) sender.send()
    await sleep(PACE_MS)
  }
}

/** Errors that the kernel here gives at once; the others come from the network. */
const OWN: ReadonlySet<string> = new Set(['ENETUNREACH', 'EPERM', 'EACCES', 'EINVAL', 'EADDRNOTAVAIL', 'ENETDOWN'])

function tcpSender(target: Target, port: number): Sender {
  const sockets: Socket[] = []
  const keys: number[] = []
  let source: string | null = null
  let refused: string | null = null
  let answered = 0
  return {
    target,
    keys: () => keys,
    source: () => source,
    refused: () => refused,
    answered: () => answered,
    send() {
      const began = performance.now()
      const socket = connect({ host: target.address, port })
      sockets.push(socket)
      socket.once('connect', () => {
        answered++
      })
      socket.once('error', (error: NodeJS.ErrnoException) => {
        const code = error.code ?? ''
        if (code === 'ECONNREFUSED') answered++
        if (OWN.has(code) || (code === 'EHOSTUNREACH' && performance.now() - began < 2)) refused ??= code
      })
      // Node connects on the next tick, and the kernel chooses the port then: later a refusal may have closed the socket already
      process.nextTick(() => {
        const { localPort, localAddress } = socket
        if (localPort !== undefined && localPort > 0) keys.push(localPort)
        source ??= localAddress ?? null
      })
    },
    close: () => {
      for (const socket of sockets) socket.destroy()
    },
  }
}

function udpSender(target: Target, port: number, name: string): Sender {
  const sockets: Datagrams[] = []
  const keys: number[] = []
  let source: string | null = null
  let refused: string | null = null
  let answered = 0
  const payload = port === DNS_PORT ? encodeQuery(0x6b38, { name, type: 'A' }) : new Uint8Array(1)
  return {
    target,
    keys: () => keys,
    source: () => source,
    refused: () => refused,
    answered: () => answered,
    send() {
      const socket = createSocket(target.family === 4 ? 'udp4' : 'udp6')
      sockets.push(socket)
      socket.once('message', () => {
        answered++
      })
      socket.on('error', (error: NodeJS.ErrnoException) => {
        if (error.code === 'ECONNREFUSED') answered++
        else refused ??= error.code ?? error.message
      })
      socket.connect(port, target.address, () => {
        const { port: own, address } = socket.address()
        keys.push(own)
        source ??= address
        socket.send(payload)
      })
    },
    close: () => {
      for (const socket of sockets) {
        try {
          socket.close()
        } catch {
          // an error has closed it already
        }
      }
    },
  }
}

function icmpSender(target: Target, echoes: Echoes | null): Sender {
  let refused: string | null = echoes === null ? 'no raw socket' : null
  let answered = 0
  return {
    target,
    keys: () => echoes?.ids() ?? [],
    source: () => null,
    refused: () => refused,
    answered: () => answered,
    send() {
      const said = echoes?.send(target.address, SMALLEST_ECHO[target.family], (answer) => {
        if (answer.kind === 'reply') answered++
      })
      if (said && OWN.has(said)) refused ??= said
    },
    close: () => echoes?.close(),
  }
}
