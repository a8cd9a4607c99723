/** A bad kubeconfig is no verdict; an API server that is not there, or not the right one, is a failure of that one check. */
import { chmodSync, chownSync } from 'node:fs'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { nft } from '../bed/namespace.ts'
import { type Lab, startLab } from './lab.ts'
import { clientCertificate, hostPort, kubeconfig } from './lab-api.ts'
import { behaves, codesOf, env, WITHOUT_API } from './lab-bad-input.ts'
import { expectConsistent } from './lab-expect.ts'
import { type ProductRun, runProduct, troubles, withVerdict } from './lab-product.ts'
import { missingFrom } from './lab-said.ts'

let lab: Lab
beforeAll(async () => {
  lab = await startLab({ prefix: 'lbk' })
})
afterAll(() => lab?.stop())

afterEach(() => lab.api.behave({}))

const withKubeconfig = (name: string, content: () => object | string) => () => ({
  env: { KUBECONFIG: lab.writeKubeconfig(name, content()) },
})

describe('the kubeconfig', () => {
  behaves(
    () => lab,
    [
      {
        name: 'is missing',
        options: env({ KUBECONFIG: '/nonexistent/admin.conf' }),
        says: /\/nonexistent\/admin\.conf/,
        codes: ['inconclusive KUBECONFIG_MISSING'],
        passes: WITHOUT_API,
      },
      {
        name: 'may not be read',
        options() {
          const path = lab.writeKubeconfig('secret', kubeconfig(lab.pki, lab.plan))
          chownSync(path, 65534, 65534)
          chmodSync(path, 0)
          return { env: { KUBECONFIG: path }, wrapper: ['setpriv', '--bounding-set=-dac_override,-dac_read_search'] }
        },
        says: /secret\.kubeconfig.*(?:permission|EACCES)/i,
        codes: ['inconclusive KUBECONFIG_UNREADABLE'],
      },
      {
        name: 'is not YAML',
        options: withKubeconfig('garbage', () => '{{{ this is not: yaml'),
        says: /garbage\.kubeconfig.*YAML/,
        codes: ['inconclusive KUBECONFIG_INVALID'],
      },
      {
        name: 'has no such context',
        options: env({ KUBE_CONTEXT: 'prod' }),
        says: /prod.*lab/,
        codes: ['inconclusive KUBE_CONTEXT_UNKNOWN'],
      },
      {
        name: 'holds credentials that the server does not accept (401)',
        options: withKubeconfig('stranger', () =>
          kubeconfig(lab.pki, lab.plan, { user: clientCertificate(lab.pki.stranger) }),
        ),
        says: /does not accept the credentials of .*stranger\.kubeconfig \(401\)/,
        codes: ['inconclusive API_UNAUTHORIZED'],
      },
    ],
  )

  it('belongs to an account that may not read one kind (403): only what depends on it is inconclusive', async () => {
    await lab.api.behave({ status: { 'list endpointslices': 403 } })
    const run = await runProduct(lab)
    expect(missingFrom(run, /may not list endpointslices\.discovery\.k8s\.io/)).toEqual([])
    expect(codesOf(run)).toEqual(['inconclusive API_FORBIDDEN'])
    expect(run.exitCode).toBe(2)
    const asked = [...WITHOUT_API, 'pod/api-cluster-ip IPv4', 'pod/dns-kubernetes IPv4', 'host/api-cluster-ip IPv4']
    expect(withVerdict(run.report, 'pass')).toEqual(expect.arrayContaining(asked))
    expect(withVerdict(run.report, 'inconclusive')).toEqual(expect.arrayContaining(['pod/api-endpoints IPv4']))
    expectConsistent(run)
  })
})

describe('the API server', () => {
  /** A kubeconfig for another port of the server's address. */
  const atPort = (port: number): string => {
    const server = `https://${hostPort(lab.plan.node(1)[0] ?? '', port)}`
    return lab.writeKubeconfig(`port-${port}`, kubeconfig(lab.pki, lab.plan, { cluster: { server } }))
  }

  it.each([
    { name: 'refuses', at: 6444, code: 'NOTHING_LISTENING', says: /refuse/ },
    { name: 'is silent', at: 6445, code: 'UNREACHABLE', says: /accepts no connection within/ },
  ])('$name', async ({ at, code, says }) => {
    nft(
      lab.nodes[0].namespace,
      'table inet silent {\nchain in {\ntype filter hook input priority 0\ntcp dport 6445 drop\n}\n}',
    )
    try {
      const run = await runProduct(lab, { env: { KUBECONFIG: atPort(at) } })
      expectServerFailed(run, code)
      expect(missingFrom(run, says)).toEqual([])
    } finally {
      nft(lab.nodes[0].namespace, 'delete table inet silent')
    }
  })

  it('accepts connections and never answers', async () => {
    await lab.api.behave({ mute: true })
    const run = await runProduct(lab)
    expect(troubles(run.report)).toContain('fail host/kubeconfig-server HTTP_NO_ANSWER')
    expect(run.exitCode).toBe(1)
    expect(missingFrom(run, /accepts the connection but does not answer within/)).toEqual([])
    expectConsistent(run)
  })

  it.each([
    { certificate: 'expired', code: 'TLS_CERT_EXPIRED', says: /certificate .*expired/ },
    { certificate: 'foreign', code: 'TLS_UNTRUSTED', says: /certificate of a foreign authority/ },
  ])('shows a certificate that is $certificate', async ({ certificate, code, says }) => {
    await lab.api.behave({ certificate })
    const run = await runProduct(lab)
    expectServerFailed(run, code)
    expect(missingFrom(run, says)).toEqual([])
  })

  it('is down: with SRC_POD=namespace/name and a runtime, what does not need it is asked all the same', async () => {
    const [v4 = ''] = lab.pods.web2.addresses
    const run = await runProduct(lab, {
      env: { KUBECONFIG: atPort(6444), SRC_POD: `default/${lab.pods.bbox.name}`, DST_POD: v4 },
    })
    expectServerFailed(run, 'NOTHING_LISTENING')
    const asked = [
      ...WITHOUT_API,
      ...['pod/dns-kubernetes IPv4', 'pod/dns-kubernetes IPv6', 'pod/mtu-external IPv4', 'pod/mtu-external IPv6'],
      ...['pod/destination-ping named IPv4', 'pod/mtu-destination named IPv4', 'host/gateway IPv4'],
    ]
    expect(withVerdict(run.report, 'pass')).toEqual(expect.arrayContaining(asked))
    expect(run.report.source).toMatchObject({ namespace: 'default', name: lab.pods.bbox.name })
  })

  /** That one check failed, everything that depends on it is inconclusive, and so the exit code is 1. */
  function expectServerFailed(run: ProductRun, code: string): void {
    expect(troubles(run.report)[0]).toBe(`fail host/kubeconfig-server ${code}`)
    expect(codesOf(run)).toEqual([`fail ${code}`, 'inconclusive API_UNAVAILABLE'])
    expect(run.exitCode).toBe(1)
    expectConsistent(run)
  }
})
