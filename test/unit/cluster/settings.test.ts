import { describe, expect, it } from 'vitest'
import { namesCluster } from '../../../lib/cluster/named.ts'
import { EVERY_NODE_SETTINGS, parseEveryNode, parseSettings } from '../../../lib/settings.ts'

describe('settings of a run over all nodes', () => {
  it('have defaults', () => {
    expect(parseEveryNode({})).toEqual({
      settings: {
        nodes: null,
        peersPerNode: 4,
        atOnce: 20,
        nodeTimeout: 180,
        runTimeout: 1800,
        namespace: 'k8snetlook',
        image: null,
        dryRun: false,
        removeLeftovers: false,
      },
      problems: [],
      hints: [],
      given: [],
    })
  })

  it('choose nodes by name or by label', () => {
    expect(parseEveryNode({ NODES: 'n1, n2' }).settings.nodes).toEqual({ kind: 'names', names: ['n1', 'n2'] })
    expect(parseEveryNode({ NODES: 'zone=b,!old' }).settings.nodes).toEqual({
      kind: 'selector',
      selector: 'zone=b,!old',
    })
  })

  it('are refused all at once, with what to write', () => {
    const { problems } = parseEveryNode({
      NODES: 'n1,N2',
      PEERS_PER_NODE: '0',
      IMAGE: 'Has Blanks',
      DRY_RUN: 'client',
      BASELINE: 'before',
      NODE_NAME: 'n1',
    })
    expect(problems.map(({ variable }) => variable)).toEqual([
      'NODES',
      'PEERS_PER_NODE',
      'IMAGE',
      'DRY_RUN',
      'NODE_NAME',
      'BASELINE',
    ])
    for (const { problem, next } of problems) expect([problem, next].every((text) => text.length > 10)).toBe(true)
  })

  it('do not disturb a run on one node, whatever a pipeline means by them', () => {
    const env = Object.fromEntries(EVERY_NODE_SETTINGS.map(({ name }) => [name, 'Anything at all']))
    expect(parseSettings({ ...env, NODE: '/usr/bin/node' })).toMatchObject({
      problems: [],
      hints: [],
      settings: { given: [] },
    })
    expect(parseEveryNode({ NODE: '/usr/bin/node', NODE_TIMEOUTS: '5' }).hints).toEqual([
      'NODE_TIMEOUTS is set, but no variable of this suite: did you mean NODE_TIMEOUT?',
    ])
  })

  it.each(['ghcr.example/team/k8snetlook:0.1.0', 'k8snetlook', `localhost:5000/k8snetlook@sha256:${'0a'.repeat(32)}`])(
    'takes image %s',
    (image) => {
      expect(parseEveryNode({ IMAGE: image }).settings.image).toBe(image)
    },
  )
})

describe('the command line', () => {
  it.each([
    [['run', 'checks/cluster'], true, []],
    [['run', './checks/cluster/'], true, []],
    [['run', '/opt/k8snetlook/checks/cluster/nodes.test.ts'], true, []],
    [['run'], false, []],
    [['run', 'checks'], false, []],
    [['run', 'checks/pod', 'checks/host'], false, []],
    [['run', 'checks/cluster', 'checks/host'], true, ['checks/host']],
    [['run', '--outputFile=x/checks-cluster.json'], false, []],
  ])('%j', (argv, everyNode, beside) => {
    expect(namesCluster(argv)).toEqual({ everyNode, beside })
  })
})
