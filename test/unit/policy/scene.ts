/** Namespaces x, y and z with pods a, b and c each, as the network policy tests of Kubernetes have them, over both families. */
import type { V1NetworkPolicy, V1NetworkPolicySpec } from '@kubernetes/client-node'
import type { End, PodEnd } from '../../../lib/kube/policy-rules.ts'
import { type EndedWay, limitOf, type Scene } from '../../../lib/kube/policy-ways.ts'
import type { Family } from '../../../lib/types.ts'

/** A spec as YAML or JSON writes it: `from`, which the client's models call `_from`. */
export type Spec = Omit<V1NetworkPolicySpec, 'ingress'> & { readonly ingress?: readonly object[] }

export const policy = (name: string, spec: Spec, namespace = 'x') =>
  ({ metadata: { name, namespace }, spec }) as unknown as V1NetworkPolicy

/** x/a: pod a of namespace x. Ports 80 (named serve-80) and 81 (serve-81), TCP and UDP. */
export function podEnd(id: string, changes: Partial<PodEnd> = {}): PodEnd {
  const [namespace = '', name = ''] = id.split('/')
  const ports = [80, 81].flatMap((port) =>
    (['tcp', 'udp'] as const).map((protocol) => ({ name: `serve-${port}-${protocol}`, protocol, port })),
  )
  return {
    kind: 'pod',
    ...{ namespace, name, ports },
    labels: { pod: name },
    namespaceLabels: { 'kubernetes.io/metadata.name': namespace, ns: namespace },
    hostNetwork: false,
    ...changes,
  }
}

/** 198.18.<namespace>.<pod> or 2001:db8:18:<namespace>::<pod>. */
export function addressOf(id: string, family: Family): string {
  const [namespace = '', name = ''] = id.split('/')
  const [net, host] = ['xyz'.indexOf(namespace) + 1, 'abc'.indexOf(name) + 1]
  return family === 4 ? `198.18.${net}.${host}` : `2001:db8:18:${net}::${host}`
}

export function scene(policies: readonly V1NetworkPolicy[], from = 'x/a', changes: Partial<PodEnd> = {}): Scene {
  return {
    source: podEnd(from, changes),
    sourceAddresses: [addressOf(from, 4), addressOf(from, 6)],
    sourceNode: 'n1',
    policiesIn: (namespace) => policies.filter(({ metadata }) => metadata?.namespace === namespace),
  }
}

/** A way to a pod ("x/b") or to an address. */
export function wayTo(
  to: string,
  family: Family,
  port: number | null = 80,
  protocol: EndedWay['protocol'] = 'tcp',
): EndedWay {
  const isPod = /^[xyz]\/[abc]$/.test(to)
  const end: End = isPod ? podEnd(to) : { kind: 'outside' }
  const address = isPod ? addressOf(to, family) : to
  return { address, protocol: port === null ? 'icmp' : protocol, port, end, node: 'n2' }
}

/** allowed, denied or unsure. */
export const verdict = (way: EndedWay, at: Scene): string => limitOf(way, at)?.verdict ?? 'allowed'
