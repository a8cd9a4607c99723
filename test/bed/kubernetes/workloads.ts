/** What runs in a fresh cluster: two bbox (to ask from), four web with a Service (to ask), two CoreDNS. */
import { BUSYBOX } from '../image.ts'
import type { KubeObject } from './api.ts'

const CORE_IMAGE = 'lab.test/coredns:1'

export const COREDNS_IMAGE = { name: CORE_IMAGE, entrypoint: ['/bin/coredns'] }

const COREFILE = `.:53 {
    errors
    health :8081
    ready :8181
    kubernetes cluster.local in-addr.arpa ip6.arpa {
        pods insecure
        fallthrough in-addr.arpa ip6.arpa
    }
    forward . /etc/resolv.conf
    cache 30
    loop
    reload
}
`

/** A Deployment whose pods are spread evenly over the nodes. */
function deployment(
  metadata: KubeObject['metadata'],
  replicas: number,
  matchLabels: Readonly<Record<string, string>>,
  spec: { containers: readonly object[]; [field: string]: unknown },
): KubeObject {
  const spread = {
    maxSkew: 1,
    topologyKey: 'kubernetes.io/hostname',
    whenUnsatisfiable: 'DoNotSchedule',
    labelSelector: { matchLabels },
  }
  const pod = { terminationGracePeriodSeconds: 0, topologySpreadConstraints: [spread], ...spec }
  const template = { metadata: { labels: matchLabels }, spec: pod }
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata,
    spec: { replicas, selector: { matchLabels }, template },
  }
}

const container = (name: string, rest: object = {}) => ({
  name,
  image: BUSYBOX.name,
  imagePullPolicy: 'Never',
  ...rest,
})

const SERVE = "mkdir -p /tmp/w; echo ok > /tmp/w/index.html; exec httpd -f -p '[::]:8080' -h /tmp/w"

/** Port of service web, and the port its pods listen on. */
export const WEB_PORTS = { service: 80, pod: 8080 }

const web: readonly KubeObject[] = [
  deployment(
    { name: 'web', namespace: 'default' },
    4,
    { app: 'web' },
    {
      containers: [
        container('web', {
          command: ['/bin/sh', '-c', SERVE],
          ports: [{ containerPort: WEB_PORTS.pod, name: 'http' }],
          readinessProbe: { tcpSocket: { port: WEB_PORTS.pod }, periodSeconds: 1 },
        }),
      ],
    },
  ),
  {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'web', namespace: 'default' },
    spec: {
      selector: { app: 'web' },
      ipFamilyPolicy: 'PreferDualStack',
      ports: [{ name: 'http', port: WEB_PORTS.service, targetPort: 'http' }],
    },
  },
]

/** A pod that is Ready and declares a port on which nothing listens. */
export const mutePod = (node: string): KubeObject => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'mute', namespace: 'default' },
  spec: {
    nodeName: node,
    terminationGracePeriodSeconds: 0,
    containers: [container('mute', { ports: [{ containerPort: WEB_PORTS.pod }] })],
  },
})

/** A pod whose resolv.conf is made of `dnsConfig` alone. */
export const callingPod = (node: string, dnsConfig: object): KubeObject => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'caller', namespace: 'default', labels: { app: 'caller' } },
  spec: {
    nodeName: node,
    terminationGracePeriodSeconds: 0,
    dnsPolicy: 'None',
    dnsConfig,
    containers: [container('caller')],
  },
})

/** A pod that serves as the web pods do, and that no probe looks after. */
export const servingPod = (node: string): KubeObject => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'serving', namespace: 'default', labels: { app: 'serving' } },
  spec: {
    nodeName: node,
    terminationGracePeriodSeconds: 0,
    containers: [
      container('serving', { command: ['/bin/sh', '-c', SERVE], ports: [{ containerPort: WEB_PORTS.pod }] }),
    ],
  },
})

const corednsRoles: readonly KubeObject[] = [
  { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'coredns', namespace: 'kube-system' } },
  {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRole',
    metadata: { name: 'system:coredns' },
    rules: [
      { apiGroups: [''], resources: ['endpoints', 'services', 'pods', 'namespaces'], verbs: ['list', 'watch'] },
      { apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'], verbs: ['list', 'watch'] },
    ],
  },
  {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRoleBinding',
    metadata: { name: 'system:coredns' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'system:coredns' },
    subjects: [{ kind: 'ServiceAccount', name: 'coredns', namespace: 'kube-system' }],
  },
]

function coredns(clusterIP: string): readonly KubeObject[] {
  const labels = { 'k8s-app': 'kube-dns' }
  return [
    ...corednsRoles,
    {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'coredns', namespace: 'kube-system' },
      data: { Corefile: COREFILE },
    },
    deployment({ name: 'coredns', namespace: 'kube-system', labels }, 2, labels, {
      serviceAccountName: 'coredns',
      dnsPolicy: 'Default',
      containers: [
        {
          name: 'coredns',
          image: CORE_IMAGE,
          imagePullPolicy: 'Never',
          args: ['-conf', '/etc/coredns/Corefile'],
          readinessProbe: { httpGet: { path: '/ready', port: 8181 }, periodSeconds: 1 },
          volumeMounts: [{ name: 'config', mountPath: '/etc/coredns' }],
        },
      ],
      volumes: [{ name: 'config', configMap: { name: 'coredns' } }],
    }),
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'kube-dns', namespace: 'kube-system', labels },
      spec: {
        selector: labels,
        clusterIP,
        ipFamilyPolicy: 'PreferDualStack',
        ports: [
          { name: 'dns', port: 53, protocol: 'UDP' },
          { name: 'dns-tcp', port: 53, protocol: 'TCP' },
        ],
      },
    },
  ]
}

/** Everything, in an order in which it can be created; `dnsAddress` is the cluster DNS's first ClusterIP. */
export const workloads = (dnsAddress: string): readonly KubeObject[] => [
  ...coredns(dnsAddress),
  deployment({ name: 'bbox', namespace: 'default' }, 2, { app: 'bbox' }, { containers: [container('bbox')] }),
  ...web,
]
