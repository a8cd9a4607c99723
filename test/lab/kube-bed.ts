/** What the kube lab tests share: a namespace with an API stand-in on 198.51.100.1, kubeconfigs, a small cluster. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { given } from '../../lib/fact.ts'
import { connectKube, type Kube, readCluster } from '../../lib/kube/index.ts'
import { enterNamespace } from '../../lib/netns/index.ts'
import { parseSettings } from '../../lib/settings.ts'
import type { Fact } from '../../lib/types.ts'
import { type Standin, startStandin } from '../bed/api-standin.ts'
import { basics, type KubeObject, node, pod, service, slice } from '../bed/api-standin-objects.ts'
import { authority, type Leaf } from '../bed/certificates.ts'
import { ip, namespaces, netnsPath } from '../bed/namespace.ts'

export const TOKEN = 'token-that-nobody-may-ever-see-in-a-report'
export const LATER_TOKEN = 'another-token-that-nobody-may-ever-see'
export const API = '198.51.100.1'
const API6 = '2001:db8::100'
const BUDGET = 1_200

export interface Bed {
  readonly api: Standin
  readonly port: number
  /** The same server by its IPv6 address. */
  readonly server6: string
  readonly dir: string
  readonly ca: string
  readonly client: Leaf
  readonly stranger: Leaf
  /** Writes a kubeconfig and gives its path; `user` and `cluster` are merged into sound ones. */
  kubeconfig(change?: { user?: object | null; cluster?: object; context?: object; text?: string }): string
  /** Connects with the given environment. */
  connect(env: Record<string, string>): Promise<Fact<Kube>>
  /** Everything, as the set-up reads it. */
  facts(env: Record<string, string>): ReturnType<typeof readCluster>
  restart(): Promise<void>
  close(): Promise<void>
}

/** A namespace with both addresses of the server, and 198.51.100.99, which swallows everything. */
function makeSpace(spaces: ReturnType<typeof namespaces>): string {
  const space = spaces.add('api')
  const lines = [
    `addr add ${API}/32 dev lo`,
    `addr add ${API6}/128 dev lo nodad`,
    'link add hole type veth peer name bottom',
    'link set hole up',
    'link set bottom up',
    'route add 198.51.100.99/32 dev hole',
    'neigh add 198.51.100.99 lladdr 02:00:00:00:00:99 dev hole nud permanent',
  ]
  for (const line of lines) ip(`-n ${space} ${line}`)
  return space
}

function makePki() {
  const good = authority('lab-ca')
  const foreign = authority('somebody-else')
  const altNames = `IP:${API},IP:${API6},DNS:kubernetes.default.svc`
  return {
    ca: good.ca,
    certificates: {
      good: good.issue({ altNames }),
      expired: good.issue({ altNames, to: '20210101000000Z' }),
      early: good.issue({ altNames, from: '20480101000000Z' }),
      misnamed: good.issue({ altNames: 'IP:198.51.100.2' }),
      foreign: foreign.issue({ altNames }),
    },
    client: good.issue({ subject: '/O=readers/CN=alice' }),
    stranger: foreign.issue({ subject: '/O=readers/CN=mallory' }),
    remove() {
      good.remove()
      foreign.remove()
    },
  }
}

type Change = NonNullable<Parameters<Bed['kubeconfig']>[0]>

function configText(
  server: string,
  ca: string,
  { user = { token: TOKEN }, cluster = {}, context = {} }: Change,
): string {
  const sound = { server, 'certificate-authority-data': Buffer.from(ca).toString('base64') }
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'lab',
    contexts: [{ name: 'lab', context: { cluster: 'lab', user: 'me', ...context } }],
    clusters: [{ name: 'lab', cluster: { ...sound, ...cluster } }],
    users: user ? [{ name: 'me', user }] : [],
  })
}

/** Makes the bed and moves this process into its namespace. */
export async function kubeBed(prefix: string, objects: readonly KubeObject[]): Promise<Bed> {
  const spaces = namespaces(prefix)
  await enterNamespace(netnsPath(makeSpace(spaces)))
  const dir = mkdtempSync(join(tmpdir(), `${prefix}-`))
  const { remove, certificates, ...pki } = makePki()
  const start = (port: number, port6: number) => {
    const listen = [`${API}:${port}`, `[${API6}]:${port6}`]
    return startStandin({ listen, certificates, clientCa: pki.ca, tokens: [TOKEN, LATER_TOKEN], objects })
  }
  let api = await start(0, 0)
  const [port = 0, port6 = 0] = api.ports
  let count = 0
  const connect = (env: Record<string, string>) =>
    connectKube(parseSettings(env).settings, { account: join(dir, 'account'), adminFiles: [] }, BUDGET)
  return {
    ...pki,
    get api() {
      return api
    },
    port,
    server6: `https://[${API6}]:${port6}`,
    dir,
    kubeconfig(change = {}) {
      const path = join(dir, `kubeconfig-${count++}`)
      writeFileSync(path, change.text ?? configText(`https://${API}:${port}`, pki.ca, change))
      return path
    },
    connect,
    async facts(env) {
      const kube = given(await connect(env))
      const local = { addresses: ['127.0.0.1', '192.0.2.11'], hostname: 'host-1' }
      return readCluster(kube, parseSettings(env).settings, local).finally(() => kube.close())
    },
    async restart() {
      api = await start(port, port6)
    },
    async close() {
      await api.close()
      remove()
      rmSync(dir, { recursive: true })
      // Removing a namespace ends every process in it, and this one is.
      await enterNamespace(`/proc/${process.ppid}/ns/net`)
      spaces.remove()
    },
  }
}

/** Two nodes, Deployment web behind Service web on both, Deployment bbox on n1, DNS. Node n1 is "here". */
export function smallCluster(ca: string): KubeObject[] {
  const web = ['web-64957f6c7b-aaaaa', 'web-64957f6c7b-bbbbb', 'web-64957f6c7b-ccccc'] as const
  const ends = [
    { address: '198.18.1.5', pod: web[0], node: 'n1', ready: true },
    { address: '198.18.2.2', pod: web[1], node: 'n2', ready: true, zone: 'east' },
    { address: '198.18.2.3', pod: web[2], node: 'n2', ready: false },
  ]
  const http = { name: 'http', protocol: 'TCP', port: 8080 }
  const dns = [
    { name: 'dns', protocol: 'UDP', port: 53 },
    { name: 'dns-tcp', protocol: 'TCP', port: 53 },
  ]
  const system = { namespace: 'kube-system' }
  return [
    ...basics(ca, { clusterIP: '198.19.0.1', address: API, port: 6443 }),
    node('n1', ['192.0.2.11']),
    node('n2', ['192.0.2.12']),
    pod({
      name: 'bbox-7c6b5c99c8-pxh6k',
      node: 'n1',
      ips: ['198.18.1.2'],
      owner: 'Deployment/bbox',
      labels: { app: 'bbox' },
    }),
    pod({
      name: web[0],
      node: 'n1',
      ips: ['198.18.1.5'],
      owner: 'Deployment/web',
      labels: { app: 'web' },
      ports: [8080],
    }),
    pod({
      name: web[1],
      node: 'n2',
      ips: ['198.18.2.2'],
      owner: 'Deployment/web',
      labels: { app: 'web' },
      ports: [8080],
    }),
    pod({
      name: web[2],
      node: 'n2',
      ips: ['198.18.2.3'],
      owner: 'Deployment/web',
      labels: { app: 'web' },
      ready: false,
    }),
    service('web', ['198.19.73.133'], [{ ...http, port: 80 }]),
    slice('web', ends, [http]),
    pod({ ...system, name: 'coredns-596b689849-jbd9x', node: 'n1', ips: ['198.18.1.3'], owner: 'Deployment/coredns' }),
    service('kube-dns', ['198.19.0.10'], dns, { ...system, labels: { 'k8s-app': 'kube-dns' } }),
    slice('kube-dns', [{ address: '198.18.1.3', pod: 'coredns-596b689849-jbd9x', node: 'n1' }], dns, system),
  ]
}
