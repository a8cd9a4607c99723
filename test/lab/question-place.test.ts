/** Entering a network namespace, for good; and what is said where that is not possible. */
import { spawnSync } from 'node:child_process'
import { rmSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { currentNamespace, enterNamespace, NamespaceError, namespaceAt } from '../../lib/netns/index.ts'
import { inNamespace, ip, namespaces, netnsPath } from '../bed/namespace.ts'

const made = namespaces('qup')
let one = ''
let other = ''
beforeAll(() => {
  one = made.add('one')
  other = made.add('other')
  ip(`-n ${one} addr add 198.18.1.9/32 dev lo`)
})
afterAll(() => made.remove())

const inodeOf = (name: string) => inNamespace(name, 'stat', '-Lc', '%i', '/proc/self/ns/net').trim()

async function refusal(path: string): Promise<NamespaceError> {
  const error = await enterNamespace(path).then(
    () => new Error(`entered ${path}`),
    (thrown: Error) => thrown,
  )
  if (error instanceof NamespaceError) return error
  throw error
}

describe('what cannot be entered leaves this process where it is', () => {
  const file = join(tmpdir(), `qu-no-netns-${process.pid}`)
  beforeAll(() => writeFileSync(file, ''))
  afterAll(() => rmSync(file))

  it.each([
    ['a path that is gone', netnsPath('qup-none'), /no network namespace at .*ENOENT/],
    ['a process that is gone', '/proc/4194305/ns/net', /no network namespace at .*ENOENT/],
    ['an ordinary file', file, /is no network namespace$/],
    ['a namespace of another kind', '/proc/self/ns/uts', /is no network namespace$/],
  ])('%s', async (_, path, message) => {
    const before = currentNamespace()
    expect(await refusal(path)).toMatchObject({ code: 'NAMESPACE_GONE', message: expect.stringMatching(message) })
    expect(currentNamespace()).toBe(before)
  })

  const script = fileURLToPath(new URL('../../lib/netns/index.ts', import.meta.url))
  const code = `import(${JSON.stringify(script)}).then(({ enterNamespace }) => enterNamespace(process.argv[1])).then(
    (inode) => console.log('entered ' + inode), (error) => console.log(error.code + ': ' + error.message + ' ' + error.hint))`
  const without = (capability: string, path: string) =>
    spawnSync('setpriv', [`--bounding-set=-${capability}`, process.execPath, '--import', 'tsx', '-e', code, path], {
      encoding: 'utf8',
      cwd: fileURLToPath(new URL('../..', import.meta.url)),
    }).stdout.trim()

  it('without CAP_SYS_ADMIN the missing right is named', () => {
    expect(without('sys_admin', netnsPath(one))).toMatch(/^PERMISSION_MISSING: setns .*CAP_SYS_ADMIN/)
    // the same way with another capability gone, to see that it is that one
    expect(without('sys_time', netnsPath(one))).toBe(`entered ${inodeOf(one)}`)
  })

  it("without CAP_SYS_PTRACE another process's namespace may not be opened", () => {
    expect(without('sys_ptrace', `/proc/${process.pid}/ns/net`)).toMatch(
      /^PERMISSION_MISSING: may not open .*CAP_SYS_PTRACE/,
    )
  })
})

describe('entering', () => {
  it('tells the inode, and stays: sockets that are made later belong there', async () => {
    expect(namespaceAt(netnsPath(one))).toBe(inodeOf(one))
    expect(await enterNamespace(netnsPath(one))).toBe(inodeOf(one))
    expect(currentNamespace()).toBe(inodeOf(one))
    const server = createServer().listen(0, '198.18.1.9')
    await new Promise((resolve) => server.once('listening', resolve))
    const { port } = server.address() as { port: number }
    const socket = connect({ host: '198.18.1.9', port })
    await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject))
    expect(inNamespace(one, 'ss', '-Hltn')).toContain(`198.18.1.9:${port}`)
    expect(inNamespace(other, 'ss', '-Hltn')).toBe('')
    socket.destroy()
    server.close()
  })

  it('where one is already is no move', async () => {
    expect(await enterNamespace('/proc/thread-self/ns/net')).toBe(inodeOf(one))
  })

  it('the next one, from there', async () => {
    expect(await enterNamespace(netnsPath(other))).toBe(inodeOf(other))
  })
})
