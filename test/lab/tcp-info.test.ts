/** The kernel tells that a SYN was lost, whatever the clock says. */
import { connect, createServer, type Server, type Socket } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { enterNamespace } from '../../lib/netns/index.ts'
import { retransmissions } from '../../lib/socket/tcp-info.ts'
import { namespaces, netnsPath, run } from '../bed/namespace.ts'

const PORT = 8080
const bed = namespaces('tci')
let name: string
let server: Server

beforeAll(async () => {
  name = bed.add('one')
  await enterNamespace(netnsPath(name))
  server = createServer((socket) => socket.end())
  await new Promise<void>((resolve) => server.listen(PORT, '::', resolve))
})

afterAll(() => {
  server.close()
  bed.remove()
})

const connected = (host: string) =>
  new Promise<Socket>((resolve, reject) => {
    const socket = connect({ host, port: PORT })
    socket.once('connect', () => resolve(socket)).once('error', reject)
  })

test.each(['127.0.0.1', '::1'])('a connection to %s whose first SYN arrives', async (host) => {
  const socket = await connected(host)
  expect(retransmissions(socket)).toBe(0)
  socket.destroy()
})

test('a connection whose first SYN is lost', async () => {
  const rules = `table inet lost {
    set seen { type inet_service; flags dynamic; timeout 10s; }
    chain input { type filter hook input priority 0;
      tcp dport ${PORT} tcp flags & (syn | ack) == syn tcp sport != @seen add @seen { tcp sport } drop; }
  }`
  run('nft', ['-f', '-'], rules)
  const socket = await connected('127.0.0.1')
  expect(retransmissions(socket)).toBe(1)
  socket.destroy()
})

test('a socket that is not connected is asked in vain', () => {
  expect(retransmissions(connect({ host: '127.0.0.1', port: PORT }).destroy())).toBe(0)
})
