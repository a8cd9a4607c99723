/**
 * A stand-in for the API server of a big cluster, over plain http, in a namespace of its own: nodes, endpoints, and Jobs whose pods end
 * after a moment with a report in their log. As a process, its options as JSON in an argument:
 *   nsenter --net=/run/netns/x node --import tsx test/bed/every-node-standin.ts '{"port":8001,"nodes":1000,...}'
 * GET /tally says what it was asked; it prints "ready" when it listens.
 */
import { readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import { gzipSync } from 'node:zlib'
import { packedText } from '../../lib/report/printed.ts'
import type { Answer, Peer, Report, Result } from '../../lib/types.ts'

export interface StandinOptions {
  readonly port: number
  readonly nodes: number
  readonly podsPerNode: number
  readonly zones: number
  /** Path of a report of one sound node, which all nodes send with their own names in it. */
  readonly report: string
  /** ms from a Job's creation to its pod's end. */
  readonly takes: number
  /** Indices of nodes whose pods never start, since their image cannot be pulled. */
  readonly noImage?: readonly number[]
  /** Index of a node that no pod reaches. */
  readonly cut?: number
}

export interface Tally {
  /** "list nodes", "create jobs": number of requests. */
  readonly requests: Readonly<Record<string, number>>
  /** Bytes of the answers, as sent. */
  readonly bytes: number
  /** Objects that were made and are still there, "jobs x/y". */
  readonly left: readonly string[]
}

interface StoredJob {
  readonly node: string
  readonly index: number
  readonly labels: Record<string, string>
  readonly peers: readonly Peer[]
  readonly since: number
}

const PODS_A_SERVICE = 100
/** The plural of a kind in a path: of what is in a namespace, or else. */
const KIND = /^\/apis?(?:\/[^/]+)?\/v1\/(?:namespaces\/[^/]+\/(\w+)|(\w+))/
const IMAGES = Array.from({ length: 40 }, (_, i) => ({
  names: [
    `registry.example.org/team-${i}/service-${i}@sha256:${'ab'.repeat(32)}`,
    `registry.example.org/team-${i}/service-${i}:v1.${i}`,
  ],
  sizeBytes: 100_000_000 + i,
}))

export function serve(options: StandinOptions): void {
  const state = {
    jobs: new Map<string, StoredJob>(),
    objects: new Set<string>(),
    requests: {} as Record<string, number>,
    bytes: 0,
    report: JSON.parse(readFileSync(options.report, 'utf8')) as Report,
  }
  const server = createServer(async (request, response) => {
    const url = new URL(request.url ?? '/', 'http://x')
    if (url.pathname === '/tally') {
      const { requests, bytes } = state
      response.end(JSON.stringify({ requests, bytes, left: [...state.objects, ...state.jobs.keys()] } satisfies Tally))
      return
    }
    const body = request.method === 'POST' ? JSON.parse(await text(request)) : null
    const { status = 200, content } = answer(url, request, body)
    send(request, response, status, content)
  })
  server.listen(options.port, '127.0.0.1', () => process.stdout.write('ready\n'))

  function send(request: IncomingMessage, response: ServerResponse, status: number, content: unknown): void {
    const plain = Buffer.from(typeof content === 'string' ? content : JSON.stringify(content))
    const zip = plain.length > 128 * 1024 && String(request.headers['accept-encoding']).includes('gzip')
    const body = zip ? gzipSync(plain, { level: 1 }) : plain
    state.bytes += body.length
    response.writeHead(status, {
      'content-type': typeof content === 'string' ? 'text/plain' : 'application/json',
      ...(zip ? { 'content-encoding': 'gzip' } : {}),
    })
    response.end(body)
  }

  function answer(url: URL, request: IncomingMessage, body: Body | null): { status?: number; content: unknown } {
    const path = url.pathname
    const [, namespaced, wide] = KIND.exec(path) ?? []
    const kind = namespaced ?? wide ?? path
    const log = path.endsWith('/log')
    const verb =
      request.method === 'POST' ? 'create' : request.method === 'DELETE' ? 'delete' : log ? 'read log of' : 'get'
    state.requests[`${verb} ${kind}`] = (state.requests[`${verb} ${kind}`] ?? 0) + 1
    if (verb === 'create' && body) return created(kind, body, url.searchParams.has('dryRun'))
    if (verb === 'delete') return deleted(kind, path.split('/').at(-1) ?? '')
    if (log) return { content: logOf(path.split('/').at(-2) ?? '') }
    if (kind === 'nodes') return { content: page(url, options.nodes, nodeAt) }
    if (kind === 'endpointslices') {
      return { content: page(url, Math.ceil((options.nodes * options.podsPerNode) / PODS_A_SERVICE), sliceAt) }
    }
    if (kind === 'pods') return { content: { items: [...state.jobs].map(podOf) } }
    if (kind === 'namespaces' && path.endsWith('/kube-system')) {
      return { content: { metadata: { name: 'kube-system', uid: '00000000-0000-4000-8000-000000000001' } } }
    }
    if (/\/(serviceaccounts|configmaps|namespaces)\//.test(path.replace(/\/namespaces\/[^/]+\//, '/'))) {
      return { status: 404, content: { message: 'not found' } }
    }
    return { content: { items: [] } }
  }

  function created(kind: string, body: Body, dryRun: boolean): { status: number; content: unknown } {
    const name = body.metadata.name
    const content = { ...body, metadata: { ...body.metadata, uid: `uid-of-${name}` } }
    if (dryRun) return { status: 201, content }
    if (kind !== 'jobs') state.objects.add(`${kind} ${name}`)
    else {
      const pod = body.spec?.template.spec
      const env = pod?.containers[0]?.env ?? []
      const node = pod?.nodeName ?? ''
      state.jobs.set(name, {
        node,
        index: Number(node.slice(1)),
        labels: body.metadata.labels,
        peers: JSON.parse(env.find((one) => one.name === 'PEERS')?.value ?? '[]'),
        since: Date.now(),
      })
    }
    return { status: 201, content }
  }

  /** What an owner owns goes with it. */
  function deleted(kind: string, name: string): { content: unknown } {
    if (kind === 'jobs') state.jobs.delete(name)
    else if (kind === 'clusterroles' || kind === 'configmaps') {
      state.objects.clear()
      state.jobs.clear()
    }
    return { content: { status: 'Success' } }
  }

  function podOf([name, { node, index, labels, since }]: [string, StoredJob]): unknown {
    const age = Date.now() - since
    const waiting = { waiting: { reason: 'ImagePullBackOff', message: 'Back-off pulling image "k8snetlook"' } }
    const ended = age > options.takes ? { terminated: { exitCode: 0 } } : { running: {} }
    return {
      metadata: { name: `${name}-x`, labels: { ...labels, 'batch.kubernetes.io/job-name': name } },
      spec: { nodeName: node },
      status: {
        phase: 'Running',
        startTime: new Date(since).toISOString(),
        containerStatuses: [{ state: options.noImage?.includes(index) ? waiting : ended }],
      },
    }
  }

  function logOf(pod: string): string {
    const job = state.jobs.get(pod.replace(/-x$/, ''))
    if (!job) return ''
    const report = reportOf(state.report, job, options.cut === undefined ? null : `n${options.cut}`)
    return `checks\n${packedText(`report-${job.node}.json`, JSON.stringify(report))}`
  }

  const nodeAt = (index: number) => ({
    metadata: {
      name: `n${index}`,
      labels: { 'topology.kubernetes.io/zone': `zone-${index % options.zones}`, 'kubernetes.io/os': 'linux' },
    },
    spec: { podCIDRs: [`198.18.${index % 64}.0/24`] },
    status: {
      addresses: [{ type: 'InternalIP', address: nodeAddress(index) }],
      conditions: [{ type: 'Ready', status: 'True' }],
      nodeInfo: { operatingSystem: 'linux', containerRuntimeVersion: 'containerd://2.2.0', kernelVersion: '6.12.0' },
      images: IMAGES,
    },
  })

  /** The pods of a Service are spread over the nodes. */
  const sliceAt = (service: number) => ({
    metadata: { namespace: 'shop', name: `s${service}-x`, labels: { 'kubernetes.io/service-name': `s${service}` } },
    addressType: 'IPv4',
    ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
    endpoints: Array.from({ length: PODS_A_SERVICE }, (_, i) => {
      const pod = service * PODS_A_SERVICE + i
      const node = pod % options.nodes
      return {
        addresses: [`198.19.${(pod >> 8) & 255}.${pod & 255}`],
        conditions: { ready: true },
        nodeName: `n${node}`,
        zone: `zone-${node % options.zones}`,
        targetRef: { kind: 'Pod', namespace: 'shop', name: `s${service}-${i}` },
      }
    }),
  })
}

interface Body {
  readonly metadata: { readonly name: string; readonly labels: Record<string, string> }
  readonly spec?: {
    readonly template: {
      readonly spec: {
        readonly nodeName: string
        readonly containers: readonly { readonly env: readonly { readonly name: string; readonly value?: string }[] }[]
      }
    }
  }
}

const nodeAddress = (index: number): string => `198.18.${64 + (index >> 8)}.${index & 255}`

function page(url: URL, count: number, at: (index: number) => unknown): unknown {
  const limit = Number(url.searchParams.get('limit') ?? count)
  const from = Number(url.searchParams.get('continue') ?? 0)
  const to = Math.min(count, from + limit)
  const items = Array.from({ length: to - from }, (_, i) => at(from + i))
  return { items, metadata: to < count ? { continue: `${to}` } : {} }
}

/** The sound report as that of another node, with its answers about its peers. */
function reportOf(sound: Report, { node, peers }: StoredJob, cut: string | null): Report {
  const peerResults = (
    ['checks/host/peers-ping', 'checks/pod/peers-ping', 'checks/pod/peers-tcp', 'checks/pod/peers-mtu'] as const
  ).map((check): Result => {
    const place = check.startsWith('checks/host') ? 'node' : 'pod'
    const answers = peers.map((peer): Answer => {
      const address = (place === 'node' ? peer.addresses[0] : peer.pod?.addresses[0]) ?? ''
      const lost = place === 'pod' && peer.node === cut
      return {
        target: { role: 'a peer', name: peer.node, address, family: 4, node: peer.node, zone: peer.zone ?? '' },
        code: lost ? 'UNREACHABLE' : null,
        said: lost ? 'no answer' : 'answered',
        ms: lost ? null : 0.4,
        ...(check.endsWith('mtu') && !lost ? { mtu: 1450 } : {}),
      }
    })
    const lost = answers.filter(({ code }) => code !== null)
    const name = `${check} over IPv4, from the ${place}`
    return {
      id: `${check}.test.ts > ${name}`,
      file: `${check}.test.ts`,
      ...{ name, check, place, family: 4, seconds: 0.1, findings: [], evidence: [] },
      targets: answers.map(({ target }) => target),
      answers,
      verdict: lost.length > 0 ? 'fail' : 'pass',
      ...(lost.length > 0 ? { code: 'UNREACHABLE' } : {}),
      seen: `${answers.length - lost.length} of ${answers.length} peers answered`,
    }
  })
  const failed = peerResults.some(({ verdict }) => verdict === 'fail')
  return {
    ...sound,
    node,
    results: [...sound.results, ...peerResults],
    verdict: failed ? 'fail' : 'pass',
    exitCode: failed ? 1 : 0,
  }
}

if (process.argv[1]?.endsWith('every-node-standin.ts')) serve(JSON.parse(process.argv[2] ?? '{}') as StandinOptions)
