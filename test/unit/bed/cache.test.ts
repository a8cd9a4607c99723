/** What the tests keep between runs is made once, whoever asks for it. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { kept } from '../../bed/cache.ts'

let cache: string
beforeEach(() => {
  cache = mkdtempSync(join(tmpdir(), 'k8snetlook-cache-'))
  vi.stubEnv('E2E_CACHE', cache)
})
afterEach(() => {
  vi.unstubAllEnvs()
  rmSync(cache, { recursive: true })
})

const making = () =>
  vi.fn(async (dir: string) => {
    await sleep(20)
    writeFileSync(join(dir, 'thing'), 'made')
  })

test('two that ask at once get the same, made once, and nothing else stays', async () => {
  const make = making()
  const [first, second] = await Promise.all([kept('a', make), kept('a', make)])
  expect(first).toBe(second)
  expect(readFileSync(join(first, 'thing'), 'utf8')).toBe('made')
  expect(make).toHaveBeenCalledTimes(1)
  expect(readdirSync(cache)).toEqual(['a'])
})

test('what a killed process was making is made anew', async () => {
  // no process has the largest id that there can be (PID_MAX_LIMIT, linux/threads.h)
  writeFileSync(join(cache, 'a.lock'), String(2 ** 22))
  expect(existsSync(join(await kept('a', making()), 'thing'))).toBe(true)
})

test('what cannot be made is said, and may be tried again', async () => {
  await expect(kept('a', () => Promise.reject(new Error('no compiler')))).rejects.toThrow('no compiler')
  expect(readdirSync(cache)).toEqual([])
  expect(existsSync(join(await kept('a', making()), 'thing'))).toBe(true)
})
