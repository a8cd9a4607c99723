/** When a question can be asked at all: known, unknown and absent facts, families, and plans that prove a fault by themselves. */
import { describe, expect, it } from 'vitest'
import { CheckFailure, Inconclusive, NotApplicable } from '../../../lib/failure.ts'
import { apiEndpoints, apiOnClusterIP, kubeconfigServer } from '../../../lib/question/api.ts'
import { dnsKubernetes, dnsReplicas, dnsService } from '../../../lib/question/dns.ts'
import { dnsRace } from '../../../lib/question/dns-race.ts'
import { dnsExternal, dnsSearch } from '../../../lib/question/dns-search.ts'
import { externalPing } from '../../../lib/question/external.ts'
import { defaultGateway } from '../../../lib/question/gateway.ts'
import { mtuFromDestination, mtuToApi, mtuToDestination, mtuToExternal, mtuToNode } from '../../../lib/question/mtu.ts'
import { destinationPing, destinationTcp, sourceHas } from '../../../lib/question/pod.ts'
import { endpointPings, endpointPorts, servicePorts } from '../../../lib/question/service.ts'
import type { ApiServer, Fact, Plan, PodTarget, ServiceFacts, Source } from '../../../lib/types.ts'
import { absent, endpoint, known, plan, service, source, unknown } from './sample-plan.ts'

const v4 = { family: 4 } as const
const v6 = { family: 6 } as const

/** How asking ends before anything is sent. */
async function ending(asked: Promise<unknown>): Promise<string> {
  const error = await asked.then(
    () => new Error('it was asked'),
    (thrown: Error) => thrown,
  )
  if (error instanceof NotApplicable) return `n/a: ${error.message}`
  if (error instanceof Inconclusive) return `inconclusive ${error.name}: ${error.message}`
  if (error instanceof CheckFailure) return `fail ${error.name}: ${error.message}`
  throw error
}

const withService = (changes: Partial<ServiceFacts>) => plan({ service: known({ ...service, ...changes }) })
const withSource = (changes: Partial<Source>, rest: Partial<Plan> = {}) =>
  plan({ ...rest, source: known({ ...source, ...changes }) })

describe('facts that are unknown or absent', () => {
  const pod = { family: 4, destination: 'named' } as const
  const questions: readonly (readonly [string, Partial<Plan> | Partial<Plan['api']>, (p: Plan) => Promise<unknown>])[] =
    [
      ['service', {}, (p) => servicePorts(p, 'pod', v4)],
      ['service', {}, (p) => endpointPings(p, 'pod', v4)],
      ['service', {}, (p) => endpointPorts(p, 'pod', v4)],
      ['service', {}, (p) => dnsService(p, 'pod', v4)],
      ['dns', {}, (p) => dnsReplicas(p, 'pod', v4)],
      ['source', {}, (p) => dnsKubernetes(p, 'pod', v4)],
      ['source', {}, (p) => dnsSearch(p, 'pod', v4)],
      ['source', {}, (p) => dnsRace(p, 'pod', v4)],
      ['externalName', {}, (p) => dnsExternal(p, 'pod', v4)],
      ['source', {}, (p) => defaultGateway(p, 'pod', v4)],
      ['source', {}, (p) => externalPing(p, 'pod', v4)],
      ['source', {}, (p) => mtuToExternal(p, 'pod', v4)],
      ['destinations', {}, (p) => destinationPing(p, 'pod', pod)],
      ['destinations', {}, (p) => destinationTcp(p, 'pod', pod)],
      ['destinations', {}, (p) => mtuToDestination(p, 'pod', pod)],
      ['destinations', {}, (p) => mtuFromDestination(p, 'pod', pod)],
      ['peerNode', {}, (p) => mtuToNode(p, 'node', v4)],
      ['api.endpoints', {}, (p) => mtuToApi(p, 'pod', v4)],
      ['api.service', {}, (p) => apiOnClusterIP(p, 'pod', v4)],
      ['api.endpoints', {}, (p) => apiEndpoints(p, 'node', v4)],
      ['api.server', {}, (p) => kubeconfigServer(p)],
    ]
  const lacking = (fact: string, value: Fact<never>): Plan => {
    const base = plan()
    const [first, second] = fact.split('.')
    if (second) return { ...base, api: { ...base.api, [second]: value } }
    if (first === 'destinations') return { ...base, destinations: { ...base.destinations, named: value } }
    return { ...base, [first as string]: value }
  }

  it.each(questions)('%s', async (fact, _, ask) => {
    expect(await ending(ask(lacking(fact, unknown())))).toBe('inconclusive API_FORBIDDEN: reason of API_FORBIDDEN')
    expect(await ending(ask(lacking(fact, absent('X'))))).toBe('n/a: needs X, not set')
  })

  it('an external address is never guessed', async () => {
    expect(await ending(externalPing(plan(), 'pod', v6))).toBe('n/a: needs EXTERNAL_IP, not set')
  })
})

describe('families', () => {
  it.each([
    [
      'the API by ClusterIP',
      (p: Plan) => apiOnClusterIP(p, 'pod', v6),
      'an IPv6 ClusterIP, the service kubernetes has 198.19.0.1',
    ],
    [
      'its endpoints',
      (p: Plan) => apiEndpoints(p, 'pod', v6),
      'IPv6 endpoints of the API server, they are 198.51.100.1',
    ],
    [
      'a nameserver',
      (p: Plan) => dnsKubernetes(p, 'pod', v6),
      "an IPv6 nameserver in the pod's resolv.conf, it has 198.19.0.10",
    ],
    [
      'DNS replicas',
      (p: Plan) => dnsReplicas(p, 'pod', v6),
      "IPv6 replicas of the cluster's DNS, kube-system/kube-dns has only IPv4",
    ],
  ])('%s of the other family is not applicable', async (_, ask, text) => {
    expect(await ending(ask(plan()))).toBe(`n/a: needs ${text}`)
  })

  it('a pod without the family has no business reaching it', async () => {
    const p = withSource({ addresses: ['198.18.1.9'] })
    const text = 'n/a: needs an IPv6 address of the source pod, it has 198.18.1.9'
    expect(await ending(servicePorts(p, 'pod', v6))).toBe(text)
    expect(await ending(endpointPings(p, 'pod', v6))).toBe(text)
    expect(await ending(destinationPing(p, 'pod', { family: 6, destination: 'other-node' }))).toBe(text)
  })

  it('a pod on the host network has the families of the node; addresses that are not known prevent nothing', () => {
    expect(() => sourceHas(withSource({ hostNetwork: true, addresses: [] }), v6)).toThrow(NotApplicable)
    expect(() => sourceHas(withSource({ hostNetwork: true, addresses: ['2001:db8::1'] }), v4)).not.toThrow()
    expect(() => sourceHas(withSource({ addresses: [] }), v6)).not.toThrow()
  })
})

describe('a plan that proves a fault by itself', () => {
  it('a service without any ready endpoint fails, over either family', async () => {
    const p = withService({ endpoints: known([endpoint('198.18.2.9', { ready: false })]) })
    const text = 'fail NO_READY_ENDPOINTS: service default/web has no ready endpoint'
    for (const ask of [servicePorts, endpointPings, endpointPorts]) {
      expect(await ending(ask(p, 'pod', v4))).toBe(text)
      expect(await ending(ask(p, 'pod', v6))).toBe(text)
    }
  })

  it('a ClusterIP of a family in which there is no ready endpoint refuses everybody', async () => {
    const p = withService({
      endpoints: known([endpoint('198.18.2.9'), endpoint('2001:db8:18:2::9', { ready: false })]),
    })
    expect(await ending(servicePorts(p, 'pod', v6))).toBe(
      'fail NO_READY_ENDPOINTS: service default/web has no ready IPv6 endpoint',
    )
    expect(await ending(endpointPings(p, 'pod', v6))).toBe(
      'n/a: needs IPv6 endpoints of the destination service, web has only IPv4',
    )
  })

  it('the DNS service that the pod uses has no ready replica; one that it does not use is no matter', async () => {
    const dns = known({
      clusterIPs: ['198.19.0.10'],
      service: 'kube-system/kube-dns',
      replicas: [endpoint('198.18.2.53', { ready: false })],
    })
    expect(await ending(dnsReplicas(plan({ dns }), 'pod', v4))).toMatch(/^fail NO_READY_ENDPOINTS: .*198\.19\.0\.10/)
    const resolv = known({ nameservers: ['169.254.20.10'], search: ['svc.cluster.local'], ndots: 5, options: [] })
    expect(await ending(dnsReplicas(withSource({ resolv }, { dns }), 'pod', v4))).toMatch(/^n\/a: /)
  })

  it('endpoints that cannot be read are inconclusive, not missing', async () => {
    const p = withService({ endpoints: unknown() })
    for (const ask of [servicePorts, endpointPings, endpointPorts]) {
      expect(await ending(ask(p, 'pod', v4))).toMatch(/^inconclusive API_FORBIDDEN/)
    }
  })
})

describe('paths whose MTU can be measured', () => {
  const here = { family: 4, destination: 'same-node' } as const
  const withPod = (changes: Partial<PodTarget>) => {
    const base = plan()
    const pod: PodTarget = {
      namespace: 'default',
      name: 'web',
      node: 'n2',
      addresses: ['198.18.2.9'],
      tcpPorts: [],
      hostNetwork: false,
      why: 'named',
      ...changes,
    }
    return { ...base, destinations: { ...base.destinations, 'same-node': known(pod) } }
  }

  it('the way back needs a pod on this node', async () => {
    expect(await ending(mtuFromDestination(withPod({}), 'pod', here))).toBe(
      'n/a: needs a destination pod of its own network on this node, web is on n2',
    )
  })

  it('and that its namespace is found', async () => {
    const namespaceHere = unknown('POD_NOT_ON_NODE')
    expect(await ending(mtuFromDestination(withPod({ node: 'n1', namespaceHere }), 'pod', here))).toMatch(
      /^inconclusive POD_NOT_ON_NODE/,
    )
  })

  it('another node of one family only', async () => {
    expect(await ending(mtuToNode(plan(), 'node', v6))).toBe(
      'n/a: needs an IPv6 address of this node, it has 198.51.100.1',
    )
    const node = { ...plan().node, internalIPs: ['198.51.100.1', '2001:db8:51::1'] }
    expect(await ending(mtuToNode(plan({ node }), 'node', v6))).toBe(
      'n/a: needs an IPv6 address of another node, n2 has 198.51.100.2',
    )
  })

  it('an API server of one family only', async () => {
    expect(await ending(mtuToApi(plan(), 'pod', v6))).toMatch(/^n\/a: needs IPv6 endpoints of the API server/)
  })
})

describe('services of every kind', () => {
  it.each([
    [
      'headless',
      { headless: true, clusterIPs: [] },
      servicePorts,
      /^n\/a: needs an IPv4 ClusterIP .*, it is headless$/,
    ],
    ['ExternalName', { type: 'ExternalName', externalName: 'ext.example', clusterIPs: [] }, servicePorts, /^n\/a/],
    ['ExternalName', { type: 'ExternalName', externalName: 'ext.example', clusterIPs: [] }, endpointPings, /^n\/a/],
    ['SCTP only', { ports: [{ name: 's', protocol: 'sctp', port: 1 }] }, servicePorts, /^n\/a: .*SCTP ports only$/],
    ['SCTP endpoints', { endpoints: known([endpoint('198.18.2.9', { protocol: 'sctp' })]) }, endpointPorts, /^n\/a/],
    [
      'internalTrafficPolicy Local',
      { internalTrafficLocal: true },
      servicePorts,
      /^fail NO_LOCAL_ENDPOINT: .*all on other nodes than n1$/,
    ],
  ] as const)('%s', async (_, changes, ask, text) => {
    expect(await ending(ask(withService(changes as Partial<ServiceFacts>), 'pod', v4))).toMatch(text)
  })
})

describe('cluster DNS', () => {
  it('a pod with dnsPolicy Default does not use it', async () => {
    const resolv = known({ nameservers: ['192.0.2.53'], search: ['example'], ndots: 1, options: [] })
    const text = "n/a: needs a pod that uses the cluster's DNS, it searches example (dnsPolicy Default)"
    const p = withSource({ resolv, dnsPolicy: 'Default' })
    for (const ask of [dnsKubernetes, dnsReplicas, dnsService, dnsSearch, dnsExternal, dnsRace])
      expect(await ending(ask(p, 'pod', v4))).toBe(text)
    expect(await ending(dnsKubernetes(withSource({ resolv, dnsPolicy: null }), 'pod', v4))).toMatch(/searches example$/)
  })

  it.each(['single-request', 'single-request-reopen', 'use-vc'])('a resolver with %s has no race', async (option) => {
    const resolv = known({ nameservers: ['198.19.0.10'], search: ['svc.cluster.local'], ndots: 5, options: [option] })
    const text = `n/a: needs a resolver that sends A and AAAA together, the pod's resolv.conf says ${option}`
    expect(await ending(dnsRace(withSource({ resolv, netns: 'none' }), 'pod', v4))).toBe(text)
  })

  it('an external name is never guessed', async () => {
    expect(await ending(dnsExternal(plan({ externalName: absent('EXTERNAL_NAME') }), 'pod', v4))).toBe(
      'n/a: needs EXTERNAL_NAME, not set',
    )
  })

  it('a resolv.conf that may not be read is inconclusive', async () => {
    const p = withSource({ resolv: unknown('PERMISSION_MISSING') })
    expect(await ending(dnsKubernetes(p, 'pod', v4))).toMatch(/^inconclusive PERMISSION_MISSING/)
  })
})

describe('the server that the kubeconfig names', () => {
  const withServer = (changes: Partial<ApiServer>): Plan => {
    const base = plan()
    const { server } = base.api
    if (server.state !== 'known') throw new Error('the sample knows its server')
    return { ...base, api: { ...base.api, server: known({ ...server.value, ...changes }) } }
  }

  it('behind a proxy, or without TLS, it is not asked directly', async () => {
    expect(await ending(kubeconfigServer(withServer({ viaProxy: true, addresses: [] })))).toMatch(/^n\/a: .*proxy-url$/)
    expect(await ending(kubeconfigServer(withServer({ url: 'http://127.0.0.1:8001' })))).toMatch(/^n\/a: .*https/)
  })

  it('a name that does not resolve fails, with the reason', async () => {
    const asked = await kubeconfigServer(withServer({ addresses: [], unresolved: 'api.example does not resolve' }))
    expect(asked.path).toMatchObject({ ok: false, code: 'API_NAME_UNRESOLVED', detail: 'api.example does not resolve' })
  })

  it('no address and no reason is inconclusive, not green', async () => {
    expect((await kubeconfigServer(withServer({ addresses: [] }))).path).toMatchObject({ code: 'PROBE_INCONCLUSIVE' })
  })
})

describe('sample', () => {
  it('is a plan that survives structuredClone and JSON, as every plan must', () => {
    const sample = plan()
    expect(structuredClone(sample)).toEqual(sample)
    expect(JSON.parse(JSON.stringify(sample))).toEqual(sample)
  })
})
