/** The kubeconfig and the API server, sound and in every state that bad input or a fault brings: each a fact with a sentence. */
import { once } from 'node:events'
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { given } from '../../lib/fact.ts'
import { readClusterFacts } from '../../lib/kube/index.ts'
import { parseSettings } from '../../lib/settings.ts'
import type { Fact } from '../../lib/types.ts'
import { API, type Bed, kubeBed, LATER_TOKEN, smallCluster, TOKEN } from './kube-bed.ts'

let bed: Bed

beforeAll(async () => {
  bed = await kubeBed('ku', smallCluster('-----BEGIN CERTIFICATE-----\nlab\n-----END CERTIFICATE-----\n'))
})
afterAll(() => bed?.close())
afterEach(() => bed.api.behave({}))

const pods = { group: '', version: 'v1', plural: 'pods', namespaced: true }

/** Connects and lists pods: what the first request brings. */
async function listing(env: Record<string, string>): Promise<Fact<number>> {
  const kube = await bed.connect(env)
  if (kube.state !== 'known') return kube
  const list = await kube.value.list(pods, { namespace: 'default' })
  kube.value.close()
  return list.state === 'known' ? { state: 'known', value: list.value.items.length } : list
}

async function failure(env: Record<string, string>): Promise<{ code: string; text: string }> {
  const fact = await listing(env)
  if (fact.state !== 'unknown') throw new Error(`expected a failure, got ${JSON.stringify(fact)}`)
  expect(fact.hint).toMatch(/\.$/)
  expect(JSON.stringify(fact)).not.toContain(TOKEN)
  return { code: fact.code, text: `${fact.reason} | ${fact.hint}` }
}

const withFile = (change: Parameters<Bed['kubeconfig']>[0] = {}) => ({ KUBECONFIG: bed.kubeconfig(change) })
const SOUND = { state: 'known', value: 4 }

describe('credentials that work', () => {
  test('a token, a token file, a client certificate, inline and in files beside the kubeconfig', async () => {
    expect(await listing(withFile())).toEqual(SOUND)
    writeFileSync(join(bed.dir, 'token'), `${TOKEN}\n`)
    expect(await listing(withFile({ user: { tokenFile: 'token' } }))).toEqual(SOUND)
    const [cert, key] = [bed.client.cert, bed.client.key]
    const inline = { 'client-certificate-data': btoa(cert), 'client-key-data': btoa(key) }
    expect(await listing(withFile({ user: inline }))).toEqual(SOUND)
    writeFileSync(join(bed.dir, 'alice.crt'), cert)
    writeFileSync(join(bed.dir, 'alice.key'), key)
    const files = { 'client-certificate': 'alice.crt', 'client-key': 'alice.key' }
    expect(await listing(withFile({ user: files }))).toEqual(SOUND)
  })

  test('a credential plug-in beside the kubeconfig, with its arguments and environment', async () => {
    const script = `#!/bin/sh
[ "$1" = get-token ] && [ "$REGION" = lab ] && case "$KUBERNETES_EXEC_INFO" in *ExecCredential*) ;; *) exit 9 ;; esac
echo '{"kind":"ExecCredential","status":{"token":"${TOKEN}"}}'`
    plugin('get-credentials', script)
    const exec = { command: './get-credentials', args: ['get-token'], env: [{ name: 'REGION', value: 'lab' }] }
    expect(await listing(withFile({ user: { exec } }))).toEqual(SOUND)
  })

  test('that run out meanwhile are asked for anew, once for all requests; a 401 stands where there are no others', async () => {
    const [current, calls] = [join(bed.dir, 'current'), join(bed.dir, 'calls')]
    writeFileSync(current, TOKEN)
    const answer = '{"kind":"ExecCredential","status":{"token":"%s"}}'
    plugin('short-lived', `#!/bin/sh\necho call >> ${calls}\nprintf '${answer}' "$(cat ${current})"`)
    const kube = given(await bed.connect(withFile({ user: { exec: { command: './short-lived' } } })))
    const states = async () => {
      const lists = await Promise.all(['default', 'kube-system'].map((namespace) => kube.list(pods, { namespace })))
      return lists.map((list) => (list.state === 'unknown' ? list.code : list.state))
    }
    const called = () => readFileSync(calls, 'utf8').trim().split('\n').length
    expect([await states(), called()]).toEqual([['known', 'known'], 1])
    writeFileSync(current, LATER_TOKEN)
    bed.api.behave({ expired: [TOKEN] })
    expect([await states(), called()]).toEqual([['known', 'known'], 2])
    bed.api.behave({ expired: [TOKEN, LATER_TOKEN] })
    expect(await states()).toEqual(['API_UNAUTHORIZED', 'API_UNAUTHORIZED'])
    kube.close()
  })

  test('the in-cluster account', async () => {
    const account = join(bed.dir, 'account')
    mkdirSync(account, { recursive: true })
    writeFileSync(join(account, 'token'), TOKEN)
    writeFileSync(join(account, 'ca.crt'), bed.ca)
    writeFileSync(join(account, 'namespace'), 'shop')
    const env = { KUBERNETES_SERVICE_HOST: API, KUBERNETES_SERVICE_PORT: String(bed.port) }
    const kube = await bed.connect(env)
    expect(kube).toMatchObject({
      state: 'known',
      value: { namespace: 'shop', server: { from: 'in-cluster', host: API } },
    })
    expect(await listing(env)).toEqual(SOUND)
  })

  test('insecure-skip-tls-verify, tls-server-name, and several files of which one is missing', async () => {
    bed.api.behave({ certificate: 'foreign' })
    expect(
      await listing(
        withFile({ cluster: { 'insecure-skip-tls-verify': true, 'certificate-authority-data': undefined } }),
      ),
    ).toEqual(SOUND)
    bed.api.behave({})
    expect(await listing(withFile({ cluster: { 'tls-server-name': 'kubernetes.default.svc' } }))).toEqual(SOUND)
    expect(await listing({ KUBECONFIG: `/nowhere:${bed.kubeconfig()}` })).toEqual(SOUND)
  })

  test('a server named by its IPv6 address', async () => {
    const env = withFile({ cluster: { server: bed.server6 } })
    expect(await bed.connect(env)).toMatchObject({
      value: { server: { host: '2001:db8::100', addresses: ['2001:db8::100'] } },
    })
    expect(await listing(env)).toEqual(SOUND)
  })

  test('an auth provider that only the library knows', async () => {
    const config = { 'access-token': TOKEN, expiry: '2049-01-01T00:00:00Z' }
    expect(await listing(withFile({ user: { 'auth-provider': { name: 'gcp', config } } }))).toEqual(SOUND)
  })
})

describe('creating', () => {
  const creation = { verb: 'create', resource: pods, namespace: 'default', name: 'mine', body: {} } as const

  /** A server that keeps what is created; `lost`: answers of it that are lost together with their connection. */
  async function creator(lost: number) {
    const made = new Set<string>()
    const server = createServer((request, response) => {
      const created = request.method === 'POST'
      const status = created && made.has('mine') ? 409 : 200
      if (created) made.add('mine')
      if (created && lost-- > 0) request.socket.destroy()
      else response.writeHead(status).end(JSON.stringify({ message: 'pods "mine"', metadata: { uid: 'its-uid' } }))
    })
    await once(server.listen(0, API), 'listening')
    const { port } = server.address() as AddressInfo
    const kube = given(await bed.connect(withFile({ cluster: { server: `http://${API}:${port}` } })))
    // the connection that it is sent on first
    await kube.get(pods, 'default', 'any')
    const close = () => {
      kube.close()
      server.close()
    }
    return { kube, close }
  }

  test('what was made although its answer got lost is taken for made', async () => {
    const { kube, close } = await creator(1)
    expect(await kube.write(creation)).toMatchObject({ state: 'known', value: { metadata: { uid: 'its-uid' } } })
    close()
  })

  test('what is there already is refused', async () => {
    const { kube, close } = await creator(0)
    expect(await kube.write(creation)).toMatchObject({ state: 'known' })
    const again = await kube.write(creation)
    expect(again).toMatchObject({ state: 'unknown', code: 'API_UNAVAILABLE' })
    expect(again).toMatchObject({ reason: expect.stringContaining('409 when asked to create pods mine') })
    close()
  })
})

test('without a cluster everything has that one reason; what needs no credentials is known still', async () => {
  const local = { addresses: [], hostname: 'Host-1' }
  const read = (env: Record<string, string>) =>
    readClusterFacts(parseSettings({ SRC_POD: 'bbox', DST_POD: '198.18.9.9', ...env }).settings, local)
  const missing = await read({ KUBECONFIG: '/nowhere' })
  for (const fact of [missing.source, missing.api.server, missing.api.ca, missing.dns, missing.service]) {
    expect(fact).toMatchObject({ state: 'unknown', code: 'KUBECONFIG_MISSING' })
  }
  expect(missing.node).toMatchObject({ name: 'host-1', nameFrom: 'hostname' })
  expect(missing.destinations.named).toMatchObject({ state: 'known', value: { addresses: ['198.18.9.9'] } })
  const locked = await read(withFile({ user: { exec: { command: '/nowhere/plugin' } } }))
  expect(locked.source).toMatchObject({ code: 'CREDENTIALS_UNAVAILABLE' })
  expect(locked.api).toMatchObject({ server: { value: { host: API } }, ca: { value: bed.ca } })
})

function plugin(name: string, script: string): void {
  const path = join(bed.dir, name)
  writeFileSync(path, script)
  chmodSync(path, 0o755)
}

describe('kubeconfig', () => {
  test('missing', async () => {
    expect(await failure({ KUBECONFIG: '/nowhere/config' })).toMatchObject({
      code: 'KUBECONFIG_MISSING',
      text: expect.stringContaining('/nowhere/config'),
    })
    const none = await failure({ HOME: bed.dir })
    expect(none).toMatchObject({ code: 'KUBECONFIG_MISSING', text: expect.stringContaining(`${bed.dir}/.kube/config`) })
  })

  test('unreadable', async () => {
    const path = bed.kubeconfig()
    chmodSync(path, 0o600)
    chmodSync(bed.dir, 0o755)
    process.seteuid?.(65534)
    const result = await failure({ KUBECONFIG: path }).finally(() => process.seteuid?.(0))
    expect(result).toMatchObject({ code: 'KUBECONFIG_UNREADABLE', text: expect.stringContaining(path) })
  })

  test.each([
    ['not YAML', `users:\n- name: x\n  user: {token: "${TOKEN}\n`, 'is not YAML'],
    ['empty', '', 'is empty'],
    ['something else', 'hello: world', 'neither clusters nor contexts'],
    ['without contexts', 'clusters: []', 'has no context'],
    ['a list', '- a', 'neither clusters nor contexts'],
  ])('%s', async (_, text, sentence) => {
    const path = bed.kubeconfig({ text })
    expect(await failure({ KUBECONFIG: path })).toEqual({
      code: 'KUBECONFIG_INVALID',
      text: expect.stringContaining(sentence),
    })
    expect((await failure({ KUBECONFIG: path })).text).toContain(path)
  })

  test('a context that is not there: names those that are', async () => {
    const result = await failure({ ...withFile(), KUBE_CONTEXT: 'lba' })
    expect(result).toEqual({
      code: 'KUBE_CONTEXT_UNKNOWN',
      text: expect.stringMatching(/no context "lba".*one of lab/),
    })
  })

  test('a cluster, a user, a certificate or a key that is missing or broken: names which', async () => {
    const text = async (change: Parameters<Bed['kubeconfig']>[0]) => {
      const { code, text } = await failure(withFile(change))
      return `${code} ${text}`
    }
    expect(await text({ context: { cluster: 'prod' } })).toMatch(/KUBECONFIG_INVALID .*cluster "prod"/)
    expect(await text({ context: { user: 'you' } })).toMatch(/KUBECONFIG_INVALID .*user "you"/)
    expect(await text({ cluster: { server: 'ftp://x' } })).toMatch(/KUBECONFIG_INVALID .*no URL/)
    expect(
      await text({ cluster: { 'certificate-authority-data': undefined, 'certificate-authority': '/nowhere/ca.crt' } }),
    ).toMatch(/KUBECONFIG_INVALID .*certificate authority .*\/nowhere\/ca.crt does not exist/)
    expect(await text({ cluster: { 'certificate-authority-data': 'bm90IHBlbQ==' } })).toMatch(
      /KUBECONFIG_INVALID .*not PEM/,
    )
    const cert = { 'client-certificate-data': btoa(bed.client.cert) }
    expect(await text({ user: { ...cert, 'client-key-data': btoa(bed.stranger.key) } })).toMatch(/does not belong/)
    expect(await text({ user: { ...cert, 'client-key': '/nowhere/key' } })).toMatch(
      /client key .*\/nowhere\/key does not exist/,
    )
  })

  test('a credential plug-in that fails, is not installed, or prints something else', async () => {
    const run = async (exec: object) => (await failure(withFile({ user: { exec } }))).text
    plugin('fails', `#!/bin/sh\necho "login expired, token ${TOKEN}" >&2; echo more >&2; exit 3`)
    expect(await run({ command: './fails' })).toMatch(/exit 3\): login expired/)
    expect(await run({ command: 'no-such-plugin', installHint: 'apt install it' })).toMatch(
      /no-such-plugin.* not installed.*apt install it/,
    )
    plugin('prints', `#!/bin/sh\necho "hello ${TOKEN}"`)
    expect(await run({ command: './prints' })).toMatch(/printed no ExecCredential/)
    expect((await failure(withFile({ user: { exec: { command: './prints' } } }))).code).toBe('CREDENTIALS_UNAVAILABLE')
  })
})

describe('server', () => {
  const timed = async (env: Record<string, string>) => {
    const start = performance.now()
    const result = await failure(env)
    return { ...result, ms: performance.now() - start }
  }

  test('401: credentials of another cluster, an unknown token', async () => {
    expect(await failure(withFile({ user: { token: 'x' } }))).toEqual({
      code: 'API_UNAUTHORIZED',
      text: expect.stringContaining('401'),
    })
    const stranger = { 'client-certificate-data': btoa(bed.stranger.cert), 'client-key-data': btoa(bed.stranger.key) }
    expect(await failure(withFile({ user: stranger }))).toMatchObject({ code: 'API_UNAUTHORIZED' })
  })

  test('403: names user, verb, resource and namespace', async () => {
    bed.api.behave({ status: { 'list pods': 403 } })
    const result = await failure(withFile())
    expect(result.code).toBe('API_FORBIDDEN')
    expect(result.text).toContain('may not list pods in namespace default (403)')
    expect(result.text).toContain('system:serviceaccount:default:probe')
  })

  test('no credentials at all: 403 as anonymous', async () => {
    expect((await failure(withFile({ user: null, context: { user: undefined } }))).text).toContain('system:anonymous')
  })

  test.each([
    ['expired', 'has expired'],
    ['early', 'not valid yet'],
    ['foreign', 'foreign authority'],
    ['misnamed', 'other names'],
  ])('a certificate that is %s', async (certificate, sentence) => {
    bed.api.behave({ certificate })
    expect(await failure(withFile())).toEqual({ code: 'API_UNAVAILABLE', text: expect.stringContaining(sentence) })
  })

  test('refuses, swallows, accepts and stays silent, is slow, speaks no TLS, has a name that does not resolve', async () => {
    const server = (url: string) => withFile({ cluster: { server: url } })
    expect((await failure(server(`https://${API}:1`))).text).toContain('refuses the connection')
    expect((await timed(server('https://198.51.100.99:6443'))).text).toContain('accepts no connection within 1.2 s')
    bed.api.behave({ mute: true })
    const mute = await timed(withFile())
    expect(mute.text).toContain('does not answer within 1.2 s')
    expect(mute.ms).toBeLessThan(2_200)
    bed.api.behave({ delay: 2_000 })
    expect((await failure(withFile())).text).toContain('does not answer within')
    bed.api.behave({})
    expect((await failure(server('https://api.invalid:6443'))).text).toContain('api.invalid does not resolve')
  })

  test('answers 500, 429, or with a login page', async () => {
    bed.api.behave({ status: { '*': 500 } })
    expect(await failure(withFile())).toEqual({ code: 'API_UNAVAILABLE', text: expect.stringContaining('answers 500') })
    bed.api.behave({ status: { '*': 429 } })
    expect((await failure(withFile())).text).toContain('overloaded')
    bed.api.behave({ page: '<html>please log in</html>' })
    expect((await failure(withFile())).text).toContain('not as a Kubernetes API')
  })

  test('everything dead: the facts are there within one budget, each with the reason; then it comes back', async () => {
    await bed.api.close()
    const facts = await bed.facts({ ...withFile(), SRC_POD: 'bbox', DST_POD: '198.18.9.9' })
    expect(facts.api.server.state).toBe('known')
    for (const fact of [
      facts.api.livez,
      facts.api.endpoints,
      facts.source,
      facts.dns,
      facts.service,
      facts.node.object,
    ]) {
      expect(fact).toMatchObject({
        state: 'unknown',
        code: 'API_UNAVAILABLE',
        reason: expect.stringContaining('refuses'),
      })
    }
    expect(facts.destinations.named).toMatchObject({ state: 'known', value: { addresses: ['198.18.9.9'] } })
    await bed.restart()
    expect(await listing(withFile())).toEqual(SOUND)
  })

  test('a server that swallows everything costs one budget, not one for each request', async () => {
    bed.api.behave({ mute: true })
    const start = performance.now()
    const facts = await bed.facts({ ...withFile(), SRC_POD: 'bbox' })
    expect(performance.now() - start).toBeLessThan(2_200)
    expect(facts.source).toMatchObject({ state: 'unknown', code: 'API_UNAVAILABLE' })
    for (const fact of [facts.source, facts.dns, facts.service, facts.api.livez, facts.api.endpoints]) {
      expect(fact).toMatchObject({ reason: expect.stringContaining('does not answer within') })
    }
  })

  test('health answers, but no object does, as without etcd: one budget as well, and the health is told', async () => {
    bed.api.behave({ mute: 'objects', unhealthy: ['etcd'] })
    const start = performance.now()
    const facts = await bed.facts({ ...withFile(), SRC_POD: 'bbox' })
    expect(performance.now() - start).toBeLessThan(2_200)
    expect(facts.api.livez).toMatchObject({ value: { code: 'API_NOT_HEALTHY' } })
    expect(facts.source).toMatchObject({ state: 'unknown', code: 'API_UNAVAILABLE' })
  })
})

test('health: the failing sub-checks are named, a healthy server lists all', async () => {
  const sound = await bed.facts(withFile())
  expect(sound.api.readyz).toMatchObject({ state: 'known', value: { ok: true } })
  bed.api.behave({ unhealthy: ['etcd'] })
  const { api } = await bed.facts(withFile())
  expect(api.livez).toMatchObject({
    state: 'known',
    value: { ok: false, code: 'API_NOT_HEALTHY', detail: 'livez fails: etcd' },
  })
})

test('403 on one kind hurts only what needs that kind', async () => {
  bed.api.behave({ status: { 'list networkpolicies': 403 } })
  const facts = await bed.facts({ ...withFile(), SRC_POD: 'bbox' })
  expect(facts.source.state).toBe('known')
  expect(facts.dns.state).toBe('known')
  expect(facts.api.endpoints.state).toBe('known')
  const { service, destinations, policies } = facts
  for (const fact of [service, destinations['other-node'], destinations['same-node'], policies]) {
    expect(fact).toMatchObject({
      state: 'unknown',
      code: 'API_FORBIDDEN',
      reason: expect.stringMatching(/list networkpolicies\.networking\.k8s\.io/),
    })
  }
  bed.api.behave({ status: { 'list endpointslices': 403 } })
  const without = await bed.facts({ ...withFile(), SRC_POD: 'bbox' })
  expect(without.source.state).toBe('known')
  expect(without.api.service.state).toBe('known')
  expect(without.api.endpoints).toMatchObject({
    code: 'API_FORBIDDEN',
    reason: expect.stringContaining('list endpointslices.discovery.k8s.io in namespace default'),
  })
})

test('no token, key or certificate of a user is in any fact', async () => {
  const facts = await bed.facts({ ...withFile(), SRC_POD: 'bbox' })
  expect(JSON.stringify(facts)).not.toContain(TOKEN)
  expect(JSON.stringify(facts)).not.toContain('PRIVATE KEY')
})
