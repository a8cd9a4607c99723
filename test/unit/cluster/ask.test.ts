/** The clock is real, and short: what is judged here is what follows from which state. */
import type { V1Pod } from '@kubernetes/client-node'
import { describe, expect, it } from 'vitest'
import { askNodes, type Limits, type NodeAnswer, type Reach, type Standing } from '../../../lib/cluster/ask.ts'
import type { KubeObject, NodeTask } from '../../../lib/cluster/objects.ts'

const LIMITS: Limits = { atOnce: 3, node: 300, total: 2_000, pickup: 100, pollEvery: 5 }

const tasks = (count: number): NodeTask[] =>
  Array.from({ length: count }, (_, index) => ({ node: `n${index}`, index, source: null, peers: [] }))

/** A cluster whose pods are as `stateOf` says. */
function cluster(stateOf: (task: NodeTask) => NonNullable<V1Pod['status']> | null, change: Partial<Reach> = {}) {
  const jobs = new Map<string, NodeTask>()
  let most = 0
  const reach: Reach = {
    async create(task) {
      const name = `job-${task.index}`
      jobs.set(name, task)
      most = Math.max(most, jobs.size)
      return { state: 'known', value: { metadata: { name } } as KubeObject }
    },
    async pods() {
      const pods = [...jobs].flatMap(([name, task]): V1Pod[] => {
        const status = stateOf(task)
        const labels = { 'batch.kubernetes.io/job-name': name }
        return status === null ? [] : [{ metadata: { name: `${name}-x`, labels }, status }]
      })
      return { state: 'known', value: pods }
    },
    log: async (pod) => ({ state: 'known', value: `log of ${pod}` }),
    refusals: async () => ['pods "x" is forbidden: exceeded quota'],
    discard: async ({ index }) => jobs.delete(`job-${index}`),
    ...change,
  }
  return { reach, left: () => jobs.size, most: () => most }
}

async function ask(count: number, reach: Reach, limits = LIMITS) {
  const answers: NodeAnswer[] = []
  const standings: Standing[] = []
  await askNodes(
    tasks(count),
    reach,
    limits,
    (answer) => answers.push(answer),
    (standing) => standings.push(standing),
  )
  return { answers, standings }
}

const ended = (exitCode: number) => ({
  startTime: new Date(),
  containerStatuses: [{ state: { terminated: { exitCode } } } as never],
})
const running = { startTime: new Date(), phase: 'Running', containerStatuses: [{ state: { running: {} } } as never] }

describe('askNodes', () => {
  it('reads what each node printed, never more at once than allowed, and takes every Job away', async () => {
    const { reach, left, most } = cluster(({ index }) => ended(index % 2))
    const { answers, standings } = await ask(10, reach)
    expect(answers.map(({ task, log, exitCode, problem }) => [task.node, log, exitCode, problem])).toEqual(
      tasks(10).map(({ node, index }) => [node, `log of job-${index}-x`, index % 2, null]),
    )
    expect(most()).toBe(3)
    expect(left()).toBe(0)
    expect(standings.at(-1)).toEqual({ waiting: 0, running: 0, done: 10 })
  })

  it.each([
    ['no pod comes of the Job', null, 'POD_NOT_ADMITTED', 'exceeded quota'],
    ['the kubelet does not take the pod', { phase: 'Pending' }, 'NODE_NOT_READY', 'did not take the pod'],
    ['the pod does not end', running, 'NODE_TIMED_OUT', 'did not end'],
    [
      'the image is not there',
      { startTime: new Date(), containerStatuses: [{ state: { waiting: { reason: 'ImagePullBackOff' } } }] },
      'IMAGE_NOT_PULLED',
      'ImagePullBackOff',
    ],
  ])('%s: that node has no answer, the others have', async (_, status, code, reason) => {
    const { reach, left } = cluster(({ index }) => (index === 1 ? (status as never) : ended(0)))
    const { answers } = await ask(3, reach)
    expect(answers.filter(({ problem }) => problem === null).map(({ task }) => task.index)).toEqual([0, 2])
    const bad = answers.find(({ task }) => task.index === 1)
    expect(bad?.problem).toMatchObject({ code, reason: expect.stringContaining(reason) })
    expect(left()).toBe(0)
  })

  it('says that a log cannot be read, and keeps the exit code', async () => {
    const unread = { state: 'unknown', code: 'API_UNAVAILABLE', reason: 'dial tcp: i/o timeout', hint: '' } as const
    const { reach } = cluster(() => ended(1), { log: async () => unread })
    const { answers } = await ask(1, reach)
    expect(answers[0]).toMatchObject({
      exitCode: 1,
      problem: { code: 'NODE_REPORT_LOST', reason: expect.stringContaining('i/o timeout') },
    })
  })

  it('says that a pod was deleted', async () => {
    let calls = 0
    const { reach } = cluster(() => (calls++ < 2 ? running : null))
    const { answers } = await ask(1, reach)
    expect(answers[0]?.problem).toMatchObject({ code: 'NODE_REPORT_LOST', reason: expect.stringContaining('deleted') })
  })

  it('ends when its time is over, with an answer for every node', async () => {
    const { reach } = cluster(() => running)
    const { answers } = await ask(5, reach, { ...LIMITS, total: 100, node: 10_000 })
    expect(answers.map(({ problem }) => problem?.code)).toEqual(Array.from({ length: 5 }, () => 'NODE_TIMED_OUT'))
    expect(answers.filter(({ problem }) => problem?.reason.includes('before it was asked'))).toHaveLength(2)
  })

  it('goes on when the API server is away for a moment, and names it when it stays away', async () => {
    const away = { state: 'unknown', code: 'API_UNAVAILABLE', reason: 'refuses the connection', hint: '' } as const
    let calls = 0
    const sound = cluster(() => ended(0))
    const flaky: Reach = { ...sound.reach, pods: async () => (calls++ < 3 ? away : sound.reach.pods()) }
    expect((await ask(2, flaky)).answers.map(({ problem }) => problem)).toEqual([null, null])
    const { answers } = await ask(1, { ...sound.reach, pods: async () => away }, { ...LIMITS, total: 100 })
    expect(answers[0]?.problem?.reason).toContain('refuses the connection')
  })

  it('says why a Job could not be made', async () => {
    const denied = {
      state: 'unknown',
      code: 'API_FORBIDDEN',
      reason: 'may not create jobs.batch',
      hint: 'Grant it',
    } as const
    const { reach } = cluster(() => null, { create: async () => denied })
    expect((await ask(1, reach)).answers[0]?.problem).toMatchObject({ code: 'API_FORBIDDEN' })
  })
})
