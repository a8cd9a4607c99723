/** A process in another network namespace that answers for it: what it sees is there, and its end is an answer too. */
import { execFileSync, fork } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { AgentError, agentIn } from '../../lib/agent/client.ts'
import { bundledLibrary } from '../../lib/bundle.ts'
import { ip, namespaces, netnsPath, run } from '../bed/namespace.ts'

const made = namespaces(`agt-${process.pid}`)
let file = ''
let here = ''

beforeAll(async () => {
  const path = fileURLToPath(new URL('../../lib/agent/main.ts', import.meta.url))
  const { plugin } = await bundledLibrary()
  file = (await plugin.resolveId.call({ resolve: async (id) => ({ id }) }, path, undefined))?.id ?? ''
  here = made.add('there')
  ip(`-n ${here} link add only-there mtu 1377 type bridge`)
  ip(`-n ${here} link set only-there up`)
  ip(`-n ${here} addr add 198.18.7.1/24 dev only-there`)
})
afterAll(() => {
  made.remove()
  // Vitest ends its workers by a signal, which no exit handler outlives
  if (file) rmSync(dirname(file), { recursive: true })
})

const agents = (path: string) =>
  run('ps', ['-o', 'pid=,args=', '--ppid', String(process.pid)])
    .split('\n')
    .filter((line) => line.includes(path))
    .map((line) => Number.parseInt(line, 10))

describe('an agent', () => {
  test('reads the links and routes of its namespace', async () => {
    const agent = agentIn(netnsPath(here), file)
    const [links, route] = await Promise.all([agent.ask('readLinks'), agent.ask('routeTo', '198.18.7.9')])
    expect(links.ok && links.value.map(({ name, mtu }) => [name, mtu])).toContainEqual(['only-there', 1377])
    expect(route).toMatchObject({ ok: true, value: { device: 'only-there' } })
  })

  test('measures from there', async () => {
    const target = { role: 'itself', name: 'x', address: '198.18.7.1', family: 4 } as const
    const path = await agentIn(netnsPath(here), file).ask('pathMtu', target, { promised: 1377, linkMtu: 65_536 })
    expect(path).toMatchObject({ state: 'ok', mtu: 1377 })
  })

  test('is one for each namespace', async () => {
    await agentIn(netnsPath(here), file).ask('readLinks')
    expect(agents(netnsPath(here))).toHaveLength(1)
  })

  test('says why it cannot enter', async () => {
    const asked = agentIn('/run/netns/no-such-namespace', file).ask('readLinks')
    await expect(asked).rejects.toThrow(/no network namespace at \/run\/netns\/no-such-namespace/)
    await expect(agentIn('/etc/hostname', file).ask('readLinks')).rejects.toThrow(/is no network namespace/)
  })

  test('that dies is told, and the next question starts another', async () => {
    const path = netnsPath(here)
    const asked = agentIn(path, file).ask(
      'pathMtu',
      { role: 'x', name: 'x', address: '198.18.7.9', family: 4 },
      { promised: 1377, linkMtu: 1377 },
    )
    const [pid] = agents(path)
    process.kill(pid as number, 'SIGKILL')
    await expect(asked).rejects.toThrow(AgentError)
    await expect(asked).rejects.toThrow(/ended \(SIGKILL\)/)
    expect(await agentIn(path, file).ask('readLinks')).toMatchObject({ ok: true })
  })

  test('ends with the process that started it', async () => {
    const parent = fork(fileURLToPath(new URL('agent-parent.ts', import.meta.url)), [netnsPath(here), file], {
      execArgv: ['--import', 'tsx'],
    })
    const [pid] = (await once(parent, 'message')) as [number]
    expect(execFileSync('ps', ['-o', 'args=', '-p', String(pid)], { encoding: 'utf8' })).toContain('agent-main')
    parent.kill('SIGKILL')
    await expect.poll(() => run('bash', ['-c', `ps -o pid= -p ${pid} || true`]).trim(), { timeout: 5000 }).toBe('')
  })
})
