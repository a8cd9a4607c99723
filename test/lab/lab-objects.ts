/** What the lab's API server knows: objects that match the pods, services and addresses that are really there. */
import type { AddressPlan } from '../bed/addresses.ts'
import { familyOf } from '../bed/addresses.ts'
import { basics, type KubeObject, node, pod, service, slice } from '../bed/api-standin-objects.ts'
import type { LabNode } from './lab.ts'
import { DOMAIN, type LabPod, type LabPods, WEB_PORT } from './lab-pods.ts'
import type { VirtualPort } from './lab-services.ts'

export const API_PORT = 6443

/** ClusterIPs of the lab's services, one a family, IPv4 first; `kubernetes` is single-stack, as in every cluster. */
export interface ClusterIPs {
  readonly kubernetes: readonly string[]
  readonly dns: readonly string[]
  readonly web: readonly string[]
  /** A service whose only endpoint is not ready. */
  readonly idle: readonly string[]
}

export function clusterIPs(plan: AddressPlan): ClusterIPs {
  // the service range's own addresses, beside those of the API server (1) and the DNS (10)
  const own = (v4: string, v6: string) =>
    plan.dnsService.map((address) => (familyOf(address) === 4 ? address.replace(/10$/, v4) : address.replace(/a$/, v6)))
  return { kubernetes: plan.apiService.slice(0, 1), dns: plan.dnsService, web: own('20', '14'), idle: own('30', '1e') }
}

/** Names of the cluster's DNS with their addresses, and one that it knows from outside. */
export function dnsNames(ips: ClusterIPs, outside: readonly string[]): Record<string, readonly string[]> {
  const name = (service: string, namespace = 'default') => `${service}.${namespace}.svc.${DOMAIN}`
  return {
    [name('kubernetes')]: ips.kubernetes,
    [name('web')]: ips.web,
    [name('idle')]: ips.idle,
    [name('kube-dns', 'kube-system')]: ips.dns,
    'outside.test': outside,
  }
}

const webPods = ({ web1, web2, web3 }: LabPods) => [web1, web2, web3]
const dnsPods = ({ dns1, dns2 }: LabPods) => [dns1, dns2]
const addressesOf = (pods: readonly LabPod[]) => pods.flatMap(({ addresses }) => addresses)

/** What the nodes' rules must make of the ClusterIPs. */
export function virtualPorts(ips: ClusterIPs, pods: LabPods, plan: AddressPlan): VirtualPort[] {
  const dns = { name: 'dns', clusterIPs: ips.dns, port: 53, backends: addressesOf(dnsPods(pods)), targetPort: 53 }
  return [
    {
      name: 'kubernetes',
      protocol: 'tcp',
      clusterIPs: ips.kubernetes,
      port: 443,
      backends: plan.node(1).slice(0, 1),
      targetPort: API_PORT,
    },
    {
      name: 'web',
      protocol: 'tcp',
      clusterIPs: ips.web,
      port: 80,
      backends: addressesOf(webPods(pods)),
      targetPort: WEB_PORT,
    },
    { ...dns, protocol: 'udp' },
    { ...dns, protocol: 'tcp' },
  ]
}

const HTTP = { name: 'http', protocol: 'TCP' }
const DNS = [
  { name: 'dns', protocol: 'UDP', port: 53 },
  { name: 'dns-tcp', protocol: 'TCP', port: 53 },
]

export function labObjects(
  nodes: readonly LabNode[],
  pods: LabPods,
  ips: ClusterIPs,
  ca: string,
  plan: AddressPlan,
): KubeObject[] {
  const system = { namespace: 'kube-system' }
  return [
    ...basics(ca, { clusterIP: ips.kubernetes[0] ?? '', address: plan.node(1)[0] ?? '', port: API_PORT }),
    ...nodes.map(({ name, addresses, index }) => ({
      ...node(name, addresses),
      spec: { podCIDRs: plan.podSubnet(index) },
    })),
    ...Object.values(pods).map(podObject),
    service('web', ips.web, [{ ...HTTP, port: 80 }], { spec: { selector: { app: 'web' } } }),
    ...slices('web', webPods(pods), [{ ...HTTP, port: WEB_PORT }]),
    service('idle', ips.idle, [{ ...HTTP, port: 80 }], { spec: { selector: { app: 'mute' } } }),
    ...slices('idle', [pods.mute], [{ ...HTTP, port: WEB_PORT }], { ready: false }),
    service('kube-dns', ips.dns, DNS, { ...system, labels: { 'k8s-app': 'kube-dns' } }),
    ...slices('kube-dns', dnsPods(pods), DNS, system),
  ]
}

function podObject({ name, namespace, uid, on, addresses, labels, owner, ports = [] }: LabPod): KubeObject {
  const ownership = owner === undefined ? {} : { owner }
  return pod({ name, namespace, node: `n${on}`, ips: addresses, labels, ports, metadata: { uid }, ...ownership })
}

/** One slice a family, as the controller makes them. */
function slices(
  service: string,
  pods: readonly LabPod[],
  ports: Parameters<typeof slice>[2],
  { namespace = 'default', ready = true } = {},
): KubeObject[] {
  return ([4, 6] as const).flatMap((family) => {
    const ends = pods.flatMap(({ name, on, addresses }) =>
      addresses
        .filter((address) => familyOf(address) === family)
        .map((address) => ({ address, pod: name, node: `n${on}`, ready })),
    )
    return ends.length > 0 ? [slice(service, ends, ports, { namespace, suffix: `ipv${family}` })] : []
  })
}
