/** kubelet and kube-proxy on one node. Several share one machine, so each has its own directories and cgroup. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { AddressPlan } from '../addresses.ts'
import type { Bed, Daemon } from '../bed.ts'
import { cgroupOf, type NodeSpec } from '../containerd.ts'
import type { KubeObject } from './api.ts'

export type ProxyMode = 'nftables' | 'iptables'

/** The Node object; made here because the controller manager does not hand out pod subnets. */
export function nodeObject({ name, index }: NodeSpec, plan: AddressPlan): KubeObject {
  const podCIDRs = plan.podSubnet(index)
  const labels = { 'kubernetes.io/hostname': name }
  return { apiVersion: 'v1', kind: 'Node', metadata: { name, labels }, spec: { podCIDR: podCIDRs[0], podCIDRs } }
}

export function startKubelet(bed: Bed, node: NodeSpec, hyper: string, plan: AddressPlan, socket: string): Daemon {
  const dir = join(bed.dir, node.name)
  for (const sub of ['kubelet', 'podlogs', 'static']) mkdirSync(join(dir, sub), { recursive: true })
  writeFileSync(join(dir, 'resolv.conf'), `nameserver ${plan.outside[0]}\n`)
  const config = kubeletConfig(bed, node, plan, socket)
  writeFileSync(join(dir, 'kubelet.yaml'), JSON.stringify(config, null, 2))
  return bed.start(node.namespace, 'kubelet', [
    ...[hyper, 'kubelet', '--config', join(dir, 'kubelet.yaml'), '--root-dir', join(dir, 'kubelet')],
    ...['--kubeconfig', join(bed.dir, `pki/kubelet-${node.name}.kubeconfig`)],
    ...['--hostname-override', node.name, '--node-ip', plan.node(node.index).join(',')],
  ])
}

export function startProxy(bed: Bed, node: NodeSpec, hyper: string, plan: AddressPlan, mode: ProxyMode): Daemon {
  const path = join(bed.dir, node.name, 'proxy.yaml')
  const config = {
    apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
    kind: 'KubeProxyConfiguration',
    mode,
    clusterCIDR: plan.podCidrs.join(','),
    clientConnection: { kubeconfig: join(bed.dir, 'pki/proxy.kubeconfig') },
    hostnameOverride: node.name,
    // these sysctls are read-only outside of the machine's own namespace; 0 leaves them alone
    conntrack: { maxPerCore: 0, min: 0, tcpEstablishedTimeout: '0s', tcpCloseWaitTimeout: '0s' },
  }
  writeFileSync(path, JSON.stringify(config, null, 2))
  return bed.start(node.namespace, 'kube-proxy', [hyper, 'kube-proxy', '--config', path])
}

function kubeletConfig(bed: Bed, node: NodeSpec, plan: AddressPlan, socket: string): object {
  const dir = join(bed.dir, node.name)
  const pki = (file: string) => join(bed.dir, 'pki', file)
  return {
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    failCgroupV1: false,
    failSwapOn: false,
    cgroupDriver: 'cgroupfs',
    cgroupRoot: `/${cgroupOf(bed, node)}`,
    enforceNodeAllocatable: [],
    containerRuntimeEndpoint: `unix://${socket}`,
    clusterDNS: [plan.dnsService[0]],
    clusterDomain: 'cluster.local',
    resolvConf: join(dir, 'resolv.conf'),
    podLogsDir: join(dir, 'podlogs'),
    staticPodPath: join(dir, 'static'),
    authentication: {
      anonymous: { enabled: false },
      webhook: { enabled: false },
      x509: { clientCAFile: pki('ca.crt') },
    },
    authorization: { mode: 'AlwaysAllow' },
    tlsCertFile: pki(`kubelet-${node.name}.crt`),
    tlsPrivateKeyFile: pki(`kubelet-${node.name}.key`),
    localStorageCapacityIsolation: false,
    evictionHard: { 'memory.available': '50Mi' },
    imageGCHighThresholdPercent: 100,
  }
}
