import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { sendingBesideOthers, watchingAlone } from '../../../lib/quiet.ts'

test('senders run side by side, a watcher alone, whatever the order', async () => {
  const kinds = fc.array(fc.tuple(fc.boolean(), fc.nat(3), fc.nat(3)), { minLength: 1, maxLength: 12 })
  await fc.assert(
    fc.asyncProperty(kinds, async (plan) => {
      const under = { sending: 0, watching: 0 }
      const conflicts: string[] = []
      const look = () => {
        if (under.watching > 1 || (under.watching > 0 && under.sending > 0)) conflicts.push(JSON.stringify(under))
      }
      const work = (kind: 'sending' | 'watching', ms: number) => async () => {
        under[kind]++
        look()
        await sleep(ms)
        look()
        under[kind]--
      }
      await Promise.all(
        plan.map(async ([watches, after, ms]) => {
          await sleep(after)
          await (watches ? watchingAlone(work('watching', ms)) : sendingBesideOthers(work('sending', ms)))
        }),
      )
      expect(conflicts).toEqual([])
    }),
    { numRuns: 40 },
  )
})

test('senders do not wait for each other', async () => {
  let both = 0
  const meet = async () => {
    both++
    for (let tries = 0; tries < 100 && both < 2; tries++) await sleep(5)
    return both
  }
  expect(await Promise.all([sendingBesideOthers(meet), sendingBesideOthers(meet)])).toEqual([2, 2])
})

test('who fails lets the others go on', async () => {
  const broken = () => Promise.reject(new Error('broken'))
  await expect(watchingAlone(broken)).rejects.toThrow('broken')
  await expect(sendingBesideOthers(broken)).rejects.toThrow('broken')
  expect(await watchingAlone(async () => 'watched')).toBe('watched')
})
