/** The library as the workers load it: which modules are bundled, and that the bundle is the library. */
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, it } from 'vitest'
import { bundledLibrary } from '../../../lib/bundle.ts'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const library = await bundledLibrary()

/** What the plug-in makes of a module that Vite would find at `id`; null: it is not asked about that. */
async function resolved(id: string): Promise<string | undefined> {
  const vite = { resolve: async () => ({ id }) }
  return (await library.plugin.resolveId.call(vite, id, undefined))?.id
}

// Vitest ends its workers by a signal, which no exit handler outlives
afterAll(async () => rmSync(dirname((await resolved(`${root}lib/check.ts`)) as string), { recursive: true }))

describe('the bundled library', () => {
  it('serves what checks and Vitest import', async () => {
    const questions = readdirSync(`${root}lib/question`).map((name) => `question/${name}`)
    for (const name of ['check.ts', 'enter.ts', 'preflight.ts', 'report/gate.ts', 'setup.ts', ...questions]) {
      const file = await resolved(`${root}lib/${name}`)
      expect(file, name).toMatch(/\/k8snetlook-lib-[^/]+\/[^/]+\.mjs$/)
      expect(library.plugin.config().test.server.deps.external.some((pattern) => pattern.test(file ?? ''))).toBe(true)
    }
  })

  it('leaves everything else to Vite', async () => {
    for (const id of [`${root}checks/pod/gateway.test.ts`, `${root}lib/probe/tcp.ts`])
      expect(await resolved(id)).toBe(id)
    expect(await library.plugin.resolveId.call({ resolve: async () => null }, './nowhere.ts', undefined)).toBeNull()
    expect(await resolved('vitest')).toBeUndefined()
  })

  it('is code that Node runs: packages by path, import.meta.url as it was', async () => {
    const setup = (await resolved(`${root}lib/setup.ts`)) as string
    const module = await import(/* @vite-ignore */ setup)
    expect(module.default).toBeTypeOf('function')
    const texts = readdirSync(dirname(setup)).map((name) => readFileSync(`${dirname(setup)}/${name}`, 'utf8'))
    expect(texts.join('\n')).toContain(`createRequire("file://${root}lib/socket/icmp.ts")`)
    expect(texts.join('\n')).not.toMatch(/import\.meta\.url/)
  })

  it('is loaded by the configuration, without Vite', () => {
    const { CheckSequencer } = library.load<typeof import('../../../lib/report/sequencer.ts')>('report/sequencer.ts')
    expect(CheckSequencer.name).toBe('CheckSequencer')
  })

  it('ends with 2 and a sentence where it cannot be made: 1 would be a verdict', () => {
    const script = `import { bundledLibrary } from '${root}lib/bundle.ts'
      process.env.TMPDIR = '/nowhere'
      await bundledLibrary()`
    const tsx = ['--import', 'tsx', '--input-type=module', '-e', script]
    const { status, stderr } = spawnSync(process.execPath, tsx, { cwd: root, encoding: 'utf8' })
    expect(status).toBe(2)
    expect(stderr).toMatch(/^k8snetlook cannot be made ready in \/nowhere: ENOENT.*\nNothing was asked\. Set TMPDIR/)
  })

  it('is gone with its process', () => {
    const script = `import { bundledLibrary } from '${root}lib/bundle.ts'
      const { plugin } = await bundledLibrary()
      const { id } = await plugin.resolveId.call({ resolve: async (id) => ({ id }) }, '${root}lib/check.ts')
      console.log(id)`
    const tsx = ['--import', 'tsx', '--input-type=module', '-e', script]
    const file = execFileSync(process.execPath, tsx, { cwd: root, encoding: 'utf8' }).trim()
    expect(file).toMatch(/check-ts\.mjs$/)
    expect(existsSync(dirname(file))).toBe(false)
  })
})
