/** A store of Kubernetes objects that answers get and list as the API server does, and makers of such objects. */

/** Any object with a kind and metadata. */
export interface KubeObject {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: {
    readonly name: string
    readonly namespace?: string
    readonly labels?: Readonly<Record<string, string>>
    readonly [field: string]: unknown
  }
  readonly status?: unknown
  readonly [field: string]: unknown
}

/** What a path asks for; name is absent in a list. */
export interface Asked {
  readonly apiVersion: string
  readonly plural: string
  readonly namespace?: string
  readonly name?: string
}

/** /api/v1/namespaces/default/pods/web-0 and the like; null for other paths. */
export function parsePath(path: string): Asked | null {
  const match = /^\/(?:api\/(v1)|apis\/([^/]+\/[^/]+))(?:\/namespaces\/([^/]+))?\/([^/]+)(?:\/([^/]+))?$/.exec(path)
  if (match) {
    const [, core, group, namespace, plural = '', name] = match
    const apiVersion = core ?? group ?? ''
    return {
      apiVersion,
      plural,
      ...(namespace ? { namespace } : {}),
      ...(name ? { name: decodeURIComponent(name) } : {}),
    }
  }
  const one = /^\/api\/v1\/namespaces\/([^/]+)$/.exec(path)
  return one?.[1] ? { apiVersion: 'v1', plural: 'namespaces', name: one[1] } : null
}

const pluralOf = (kind: string) => (/policy$/i.test(kind) ? `${kind.slice(0, -1)}ies` : `${kind}s`).toLowerCase()

/** The objects that `asked` means, in the order of etcd: by namespace, then name. */
export function find(objects: readonly KubeObject[], asked: Asked, query: URLSearchParams): KubeObject[] {
  const wanted = objects.filter(
    ({ apiVersion, kind, metadata }) =>
      apiVersion === asked.apiVersion &&
      pluralOf(kind) === asked.plural &&
      (asked.namespace === undefined || metadata.namespace === asked.namespace) &&
      (asked.name === undefined || metadata.name === asked.name),
  )
  const labels = query.get('labelSelector')
  const fields = query.get('fieldSelector')
  return wanted
    .filter((object) => (labels ? labels.split(',').every((each) => matchesLabel(object, each.trim())) : true))
    .filter((object) => (fields ? fields.split(',').every((each) => matchesField(object, each)) : true))
    .toSorted((a, b) => idOf(a).localeCompare(idOf(b)))
}

const idOf = ({ metadata }: KubeObject) => `${metadata.namespace ?? ''}/${metadata.name}`

/** a=b, a==b, a!=b, a, !a */
function matchesLabel({ metadata }: KubeObject, requirement: string): boolean {
  const [, not, key = '', operator, value] = /^(!?)([^=!]+)(==?|!=)?(.*)$/.exec(requirement) ?? []
  const has = metadata.labels?.[key.trim()]
  if (operator === undefined) return (has === undefined) === (not === '!')
  return operator === '!=' ? has !== value?.trim() : has === value?.trim()
}

function matchesField(object: KubeObject, requirement: string): boolean {
  const [path = '', value] = requirement.split('=')
  if (path === 'status.podIP') {
    const status = object.status as { podIPs?: { ip: string }[] } | undefined
    return status?.podIPs?.some(({ ip }) => ip === value) ?? false
  }
  let at: unknown = object
  for (const step of path.split('.')) at = (at as Record<string, unknown> | undefined)?.[step]
  return at === value
}

interface PodWish {
  readonly name: string
  readonly namespace?: string
  readonly node?: string
  readonly ips?: readonly string[]
  readonly labels?: Readonly<Record<string, string>>
  /** "Deployment/web", "Job/x", ... */
  readonly owner?: string
  readonly phase?: string
  readonly ready?: boolean
  readonly ports?: readonly number[]
  readonly spec?: object
  readonly metadata?: object
  readonly status?: object
}

/** A pod; Running and Ready unless asked otherwise. A Deployment's pod gets its ReplicaSet and hash from its name. */
export function pod(wish: PodWish): KubeObject {
  const { name, namespace = 'default', phase = 'Running', ready = phase === 'Running', ips = [], ports = [] } = wish
  const [kind, ownerName = ''] = wish.owner?.split('/') ?? []
  const hash = kind === 'Deployment' ? (name.slice(ownerName.length + 1).split('-')[0] ?? '') : undefined
  const owner = hash === undefined ? { kind, name: ownerName } : { kind: 'ReplicaSet', name: `${ownerName}-${hash}` }
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      namespace,
      uid: `uid-${namespace}-${name}`,
      labels: { ...wish.labels, ...(hash ? { 'pod-template-hash': hash } : {}) },
      ...(kind
        ? { ownerReferences: [{ ...owner, apiVersion: 'apps/v1', uid: `uid-${owner.name}`, controller: true }] }
        : {}),
      ...wish.metadata,
    },
    spec: {
      ...(wish.node ? { nodeName: wish.node } : {}),
      dnsPolicy: 'ClusterFirst',
      containers: [{ name: 'main', ports: ports.map((containerPort) => ({ containerPort, protocol: 'TCP' })) }],
      ...wish.spec,
    },
    status: {
      phase,
      ...(ips[0] ? { podIP: ips[0], podIPs: ips.map((ip) => ({ ip })) } : {}),
      conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }],
      ...wish.status,
    },
  }
}

export function node(name: string, ips: readonly string[], labels: Readonly<Record<string, string>> = {}): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name, labels },
    spec: {},
    status: {
      addresses: [...ips.map((address) => ({ type: 'InternalIP', address })), { type: 'Hostname', address: name }],
      conditions: [{ type: 'Ready', status: 'True' }],
      nodeInfo: { containerRuntimeVersion: 'containerd://1.6.20' },
    },
  }
}

interface Port {
  readonly name?: string
  readonly protocol?: string
  readonly port: number
}

export function service(
  name: string,
  clusterIPs: readonly string[],
  ports: readonly Port[],
  more: { namespace?: string; labels?: Readonly<Record<string, string>>; spec?: object } = {},
): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: more.namespace ?? 'default', labels: more.labels ?? {} },
    spec: {
      type: 'ClusterIP',
      clusterIP: clusterIPs[0] ?? 'None',
      clusterIPs: clusterIPs.length ? clusterIPs : ['None'],
      ports,
      ...more.spec,
    },
  }
}

/** One slice of a Service. An end without `ready` leaves the condition out, which means ready. */
export function slice(
  service: string,
  ends: readonly { address: string; pod?: string; node?: string; zone?: string; ready?: boolean }[],
  ports: readonly Port[],
  more: { namespace?: string; suffix?: string } = {},
): KubeObject {
  const namespace = more.namespace ?? 'default'
  const endpoints = ends.map(({ address, pod, node, zone, ready }) => ({
    addresses: [address],
    conditions: ready === undefined ? {} : { ready },
    ...(pod ? { targetRef: { kind: 'Pod', namespace, name: pod } } : {}),
    ...(node ? { nodeName: node } : {}),
    ...(zone ? { zone } : {}),
  }))
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      name: `${service}-${more.suffix ?? 'abcde'}`,
      namespace,
      labels: { 'kubernetes.io/service-name': service },
    },
    addressType: ends[0]?.address.includes(':') ? 'IPv6' : 'IPv4',
    endpoints,
    ports,
  }
}

export function networkPolicy(name: string, namespace: string, spec: object): KubeObject {
  return { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata: { name, namespace }, spec }
}

/** What every cluster has: kube-system, the authority's ConfigMap, Service and slice of the API server. */
export function basics(ca: string, api: { clusterIP: string; address: string; port: number }): KubeObject[] {
  const https = { name: 'https', protocol: 'TCP' }
  return [
    {
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name: 'kube-system', uid: '00000000-0000-4000-8000-000000000001' },
    },
    {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'kube-root-ca.crt', namespace: 'default' },
      data: { 'ca.crt': ca },
    },
    service('kubernetes', [api.clusterIP], [{ ...https, port: 443 }]),
    slice('kubernetes', [{ address: api.address, ready: true }], [{ ...https, port: api.port }]),
  ]
}
