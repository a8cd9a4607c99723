/** How a question is asked: once a row and run, shared by all who need it, ahead of its turn when another is late. */
import { setTimeout as sleep } from 'node:timers/promises'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { NotApplicable } from '../../../lib/failure.ts'
import type { Place, Plan } from '../../../lib/types.ts'
import { plan } from './sample-plan.ts'

type Room = typeof import('../../../lib/question/question.ts')
let room: Room
beforeEach(async () => {
  // what looks ahead does so once a process: each test gets a fresh copy
  vi.resetModules()
  room = await import('../../../lib/question/question.ts')
})

const asker = (ms = 0) =>
  vi.fn(async (_plan: Plan, row: { family: number }, place: Place) => {
    await sleep(ms)
    return `${row.family} from the ${place}`
  })
const LATE = 900

describe('a question', () => {
  it('is asked once a row, and its answer shared', async () => {
    const ask = asker()
    const asked = room.question('pod', room.families, ask)
    const one = plan()
    const answers = await Promise.all([4, 4, 6].map((family) => asked(one, 'pod', { family: family as 4 | 6 })))
    expect(answers).toEqual(['4 from the pod', '4 from the pod', '6 from the pod'])
    expect(ask).toHaveBeenCalledTimes(2)
  })

  it('rows of one family and different destinations are different', async () => {
    const ask = asker()
    const asked = room.question('pod', room.destinations, ask)
    const one = plan()
    for (const row of room.destinations) await asked(one, 'pod', row)
    expect(room.destinations).toHaveLength(6)
    expect(ask).toHaveBeenCalledTimes(6)
  })

  it('an answer never outlives its run: another plan is asked again', async () => {
    const ask = asker()
    const asked = room.question('pod', room.families, ask)
    await asked(plan(), 'pod', { family: 4 })
    await asked(plan(), 'pod', { family: 4 })
    expect(ask).toHaveBeenCalledTimes(2)
  })

  it('what does not apply, does not apply to everyone who asks', async () => {
    const asked = room.question('pod', room.families, async () => {
      throw new NotApplicable('needs x, not set')
    })
    const one = plan()
    await expect(asked(one, 'pod', { family: 4 })).rejects.toThrow('needs x')
    await expect(asked(one, 'pod', { family: 4 })).rejects.toThrow('needs x')
  })
})

describe('when an answer is late', () => {
  it('every other question of the place is asked at once, once, and nothing of another place', async () => {
    const [slow, other, both, node, quiet] = [asker(LATE), asker(), asker(), asker(), asker()]
    const asked = room.question('pod', room.families, slow)
    const laterOn = room.question('pod', room.families, other)
    room.question('both', room.families, both)
    room.question('node' as Place, room.families, node)
    room.question('never ahead', room.families, quiet)
    const one = plan()
    await asked(one, 'pod', { family: 4 })
    expect([slow, other, both, node, quiet].map((ask) => ask.mock.calls.length)).toEqual([2, 2, 2, 0, 0])
    expect(both.mock.calls.every(([, , place]) => place === 'pod')).toBe(true)
    await laterOn(one, 'pod', { family: 4 })
    expect(other).toHaveBeenCalledTimes(2)
  })

  it('a rejection ahead of its turn is seen by the check in its turn, and nowhere else', async () => {
    const slow = room.question('pod', room.families, asker(LATE))
    const bad = room.question('pod', room.families, async () => {
      throw new NotApplicable('needs y, not set')
    })
    const one = plan()
    const unhandled = vi.fn()
    process.on('unhandledRejection', unhandled)
    try {
      await slow(one, 'pod', { family: 4 })
      await sleep(20)
    } finally {
      process.off('unhandledRejection', unhandled)
    }
    expect(unhandled).not.toHaveBeenCalled()
    await expect(bad(one, 'pod', { family: 6 })).rejects.toThrow('needs y')
  })

  it('of a question that needs a quiet path, it says nothing: nothing is asked ahead', async () => {
    const other = asker()
    const quiet = room.question('never ahead', room.families, asker(LATE))
    room.question('pod', room.families, other)
    await quiet(plan(), 'pod', { family: 4 })
    expect(other).not.toHaveBeenCalled()
  })

  it('who watches counters waits for what is asked ahead', async () => {
    const order: string[] = []
    const { watchingAlone } = await import('../../../lib/quiet.ts')
    const slow = room.question('pod', room.families, asker(LATE))
    room.question('pod', room.families, async () => {
      await sleep(100)
      order.push('answered')
    })
    const asked = slow(plan(), 'pod', { family: 4 })
    await sleep(720)
    await watchingAlone(async () => order.push('watched'))
    await asked
    expect(order).toEqual(['answered', 'answered', 'watched'])
  })

  it('in time, nothing is asked ahead', async () => {
    const other = asker()
    const quick = room.question('pod', room.families, asker(50))
    room.question('pod', room.families, other)
    await quick(plan(), 'pod', { family: 4 })
    await sleep(750)
    expect(other).not.toHaveBeenCalled()
  })
})
