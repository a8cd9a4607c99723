import { describe, expect, it } from 'vitest'
import { admissionProblem, progressOf } from '../../../lib/cluster/pod-state.ts'

const withState = (state: object, rest: object = {}) => ({
  status: { phase: 'Pending', containerStatuses: [{ state } as never], ...rest },
})

describe('progressOf', () => {
  it('waits while the image is pulled or is tried again', () => {
    expect(progressOf({ status: { phase: 'Pending' } })).toEqual({ state: 'waiting' })
    expect(progressOf(withState({ waiting: { reason: 'ContainerCreating' } }))).toEqual({ state: 'waiting' })
    expect(progressOf(withState({ waiting: { reason: 'ErrImagePull' } }))).toEqual({ state: 'waiting' })
    expect(progressOf(withState({ running: { startedAt: 'x' } }))).toEqual({ state: 'running' })
  })

  it('keeps the exit code', () => {
    expect(progressOf(withState({ terminated: { exitCode: 2 } }))).toEqual({ state: 'ended', exitCode: 2 })
  })

  it.each([
    [
      withState({ waiting: { reason: 'ImagePullBackOff', message: 'Back-off pulling' } }),
      'IMAGE_NOT_PULLED',
      'Back-off pulling',
      'IMAGE=',
    ],
    [withState({ waiting: { reason: 'ErrImageNeverPull' } }), 'IMAGE_NOT_PULLED', 'ErrImageNeverPull', 'IMAGE='],
    [
      withState({ waiting: { reason: 'CreateContainerError', message: 'no such device' } }),
      'NODE_REFUSED_POD',
      'no such device',
      'journal',
    ],
    [
      { status: { phase: 'Failed', reason: 'OutOfcpu', message: 'Node did not have enough resource: cpu' } },
      'NODE_REFUSED_POD',
      'OutOfcpu',
      'full',
    ],
    [
      { status: { phase: 'Failed', reason: 'Evicted', message: 'low on resource: memory' } },
      'NODE_REFUSED_POD',
      'memory',
      'kubectl describe node',
    ],
    [
      { status: { phase: 'Failed', reason: 'DeadlineExceeded' } },
      'NODE_REFUSED_POD',
      'DeadlineExceeded',
      'NODE_TIMEOUT',
    ],
  ])('%j is refused', (pod, code, reason, hint) => {
    const progress = progressOf(pod as never)
    expect(progress.state).toBe('refused')
    expect(progress).toHaveProperty('problem.code', code)
    expect(progress).toHaveProperty('problem.reason', expect.stringContaining(reason))
    expect(progress).toHaveProperty('problem.hint', expect.stringContaining(hint))
  })
})

describe('admissionProblem', () => {
  it.each([
    [
      'pods "x" is forbidden: violates PodSecurity "baseline:latest": host namespaces',
      'pod-security.kubernetes.io/enforce=privileged',
    ],
    ['pods "x" is forbidden: exceeded quota: small, requested: pods=1', 'ResourceQuota'],
    ['pods "x" is forbidden: maximum memory usage per Container is 64Mi', 'LimitRange'],
    ['unable to validate against any security context constraint', 'add-scc-to-user'],
    ['admission webhook "validate.kyverno.svc" denied the request', 'policy'],
  ])('%s', (message, hint) => {
    expect(admissionProblem([message])).toEqual({
      code: 'POD_NOT_ADMITTED',
      reason: message,
      hint: expect.stringContaining(hint),
    })
  })

  it('says that nothing says why', () => {
    expect(admissionProblem([]).reason).toContain('no event says why')
  })
})
