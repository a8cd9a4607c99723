/** Whoever can guess half of what is ours gets nothing counted: replies and errors are matched whole. */
import { createRequire } from 'node:module'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { enterNamespace } from '../../lib/netns/index.ts'
import { decodeIcmpv4, encodeEcho, type IcmpEcho, internetChecksum } from '../../lib/packet/icmp.ts'
import { type EchoAnswer, type Echoes, openEchoes } from '../../lib/socket/icmp-echo.ts'
import { inNamespace, ip, netnsPath } from '../bed/namespace.ts'

const NAME = `icf${process.pid}`
/** Everything that the forger sends comes from FORGER. */
const FORGER = '127.0.0.1'
const TARGET = '127.0.0.9'
const OTHER = '127.0.0.8'

interface Socket {
  send(buffer: Buffer, offset: number, length: number, address: string, sent: (error: Error | null) => void): void
  on(event: 'message', listener: (packet: Buffer) => void): void
  close(): void
}
let forger: Socket
let echoes: Echoes
let answers: EchoAnswer[]
beforeAll(async () => {
  ip(`netns add ${NAME}`)
  ip(`-n ${NAME} link set lo up`)
  // Requests arrive and stay without a reply: every answer is the forger's.
  inNamespace(NAME, 'sysctl', '-qw', 'net.ipv4.icmp_echo_ignore_all=1')
  await enterNamespace(netnsPath(NAME))
})
afterAll(() => ip(`netns del ${NAME}`))

beforeEach(() => {
  const raw = createRequire(import.meta.url)('raw-socket') as { createSocket(options: object): Socket }
  forger = raw.createSocket({ protocol: 1 })
  const opening = openEchoes(4)
  if (!opening.ok) throw new Error(opening.detail)
  echoes = opening.echoes
  answers = []
})
afterEach(() => {
  echoes.close()
  forger.close()
})

/** Sends our echo request; returns it as the wire had it. */
function ask(target: string): Promise<IcmpEcho> {
  const seen = new Promise<IcmpEcho>((resolve) => {
    forger.on('message', (packet) => {
      const message = decodeIcmpv4(Buffer.from(packet))
      if (message?.kind === 'echo-request') resolve(message)
    })
  })
  expect(echoes.send(target, 60, (answer) => answers.push(answer))).toBeNull()
  return seen
}

async function inject(message: Buffer): Promise<EchoAnswer[]> {
  forger.send(message, 0, message.length, FORGER, () => {})
  await sleep(30)
  return answers
}

/** Fragmentation needed, MTU 1300, quoting an echo request. */
function tooBig(destination: string, id: number, sequence: number): Buffer {
  const quoted = Buffer.from('4500003c00004000400100007f0000010000000008000000', 'hex')
  for (const [at, part] of destination.split('.').entries()) quoted[16 + at] = Number(part)
  const message = Buffer.concat([Buffer.from([3, 4, 0, 0, 0, 0, 0x05, 0x14]), quoted, Buffer.alloc(4)])
  message.writeUInt16BE(id, 8 + 24)
  message.writeUInt16BE(sequence, 8 + 26)
  message.writeUInt16BE(internetChecksum(message), 2)
  return message
}

test('our own probe’s error counts, once', async () => {
  const { id, sequence } = await ask(TARGET)
  const error = tooBig(TARGET, id, sequence)
  await inject(error)
  expect(await inject(error)).toMatchObject([{ kind: 'error', from: FORGER, error: { reason: 'too-big', mtu: 1300 } }])
})

test('an error that quotes another destination, id or sequence does not', async () => {
  const { id, sequence } = await ask(TARGET)
  await inject(tooBig(OTHER, id, sequence))
  await inject(tooBig(TARGET, id ^ 1, sequence))
  expect(await inject(tooBig(TARGET, id, sequence ^ 1))).toEqual([])
})

test('an error whose quote is cut before id and sequence does not', async () => {
  const { id, sequence } = await ask(TARGET)
  const cut = tooBig(TARGET, id, sequence).subarray(0, 30)
  cut.writeUInt16BE(0, 2)
  cut.writeUInt16BE(internetChecksum(cut), 2)
  expect(await inject(cut)).toEqual([])
})

test('a reply counts with our payload token only', async () => {
  const request = await ask(FORGER)
  const payload = Buffer.from(request.payload)
  payload[7] = (payload[7] ?? 0) ^ 1
  expect(await inject(encodeEcho(4, 'echo-reply', { ...request, payload }))).toEqual([])
  expect(await inject(encodeEcho(4, 'echo-reply', request))).toMatchObject([{ kind: 'reply' }])
})

test('a reply from another address does not', async () => {
  expect(await inject(encodeEcho(4, 'echo-reply', await ask(TARGET)))).toEqual([])
})
