/** The bed's network outside of the pods: a router with a bridge for the nodes and a link to one outside host. */
import { type AddressPlan, linkLength } from './addresses.ts'
import type { Bed } from './bed.ts'
import { inNamespace, run } from './namespace.ts'

/** Namespaces by full name. Put faults of the network between nodes into the router. */
export interface Underlay {
  readonly router: string
  readonly nodes: readonly string[]
  readonly outside: string
}

// a bridge's own address would stay tentative for a second or two, while pods already use it as their gateway
const SYSCTLS = ['net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1', 'net.ipv6.conf.default.accept_dad=0']

const ROUTER_MAC = '02:00:00:00:00:fe'

/** `ip -n NAMESPACE -batch`: one process for many commands. */
export const ipBatch = (namespace: string, commands: readonly string[]): string =>
  run('ip', ['-n', namespace, '-batch', '-'], commands.join('\n'))

/**
 * Makes namespaces u (router), x (outside host) and n1..nN, wired and addressed. In the router, node i is behind
 * interface v-n<i>, a port of bridge br0; the outside host is behind v-x.
 */
export function createUnderlay(bed: Bed, plan: AddressPlan, nodeCount: number): Underlay {
  const router = bed.addNamespace('u')
  forward(router)
  // else it takes the lowest hardware address of its ports, and another one whenever those change
  const bridge = `link add br0 address ${ROUTER_MAC} type bridge`
  ipBatch(router, [bridge, 'link set br0 up', ...addresses(plan.nodeRouter, 'br0')])
  const outside = attach(bed, router, 'x', plan.outside, plan.outsideRouter)
  ipBatch(router, addresses(plan.outsideRouter, 'v-x'))
  const nodes = Array.from({ length: nodeCount }, (_, index) => {
    const node = attach(bed, router, `n${index + 1}`, plan.node(index + 1), plan.nodeRouter)
    ipBatch(router, [`link set v-n${index + 1} master br0`])
    forward(node)
    return node
  })
  return { router, nodes, outside }
}

function attach(bed: Bed, router: string, name: string, own: readonly string[], via: readonly string[]): string {
  const namespace = bed.addNamespace(name)
  ipBatch(router, [`link add v-${name} type veth peer name eth0 netns ${namespace}`, `link set v-${name} up`])
  ipBatch(namespace, [
    'link set eth0 up',
    ...addresses(own, 'eth0'),
    ...via.map((address) => `route add default via ${address} dev eth0`),
  ])
  return namespace
}

const addresses = (list: readonly string[], device: string) =>
  list.map(
    (address) => `addr add ${address}/${linkLength(address)} dev ${device}${address.includes(':') ? ' nodad' : ''}`,
  )

const forward = (namespace: string) => inNamespace(namespace, 'sysctl', '-qw', ...SYSCTLS)
