/** etcd, kube-apiserver, controller manager and scheduler, all on the first node. */
import { join } from 'node:path'
import type { AddressPlan } from '../addresses.ts'
import type { Bed } from '../bed.ts'
import { tail } from '../containerd.ts'
import { type Api, until } from './api.ts'

const ETCD = 'http://127.0.0.1:2379'

/** Starts the control plane in `namespace` from `hyper` and waits until the API server is ready. */
export async function startControlPlane(
  bed: Bed,
  namespace: string,
  hyper: string,
  plan: AddressPlan,
  api: Api,
): Promise<void> {
  const run = (name: string, args: Readonly<Record<string, string | boolean>>) =>
    bed.start(namespace, name, [hyper, name, ...Object.entries(args).map(([key, value]) => `--${key}=${value}`)])
  const pki = (file: string) => join(bed.dir, 'pki', file)
  run('etcd', {
    'data-dir': join(bed.dir, 'etcd'),
    'listen-client-urls': ETCD,
    'advertise-client-urls': ETCD,
    'listen-peer-urls': 'http://127.0.0.1:2380',
    'unsafe-no-fsync': true,
    'log-level': 'warn',
  })
  const server = run('kube-apiserver', apiServerFlags(plan, pki))
  await until('the API server to be ready', 60, async () => {
    if (!server.running()) throw new Error(`the API server ended; its output ends: ${tail(server.log)}`)
    return api('/readyz')
  })
  run('kube-controller-manager', {
    kubeconfig: pki('controllers.kubeconfig'),
    'service-account-private-key-file': pki('sa.key'),
    'root-ca-file': pki('ca.crt'),
    'use-service-account-credentials': true,
    'leader-elect': false,
    'allocate-node-cidrs': false,
    'cluster-cidr': plan.podCidrs.join(','),
  })
  run('kube-scheduler', { kubeconfig: pki('scheduler.kubeconfig'), 'leader-elect': false })
}

function apiServerFlags(plan: AddressPlan, pki: (file: string) => string): Readonly<Record<string, string | boolean>> {
  return {
    'etcd-servers': ETCD,
    'secure-port': '6443',
    'bind-address': '::',
    'advertise-address': plan.node(1)[0] ?? '',
    'tls-cert-file': pki('apiserver.crt'),
    'tls-private-key-file': pki('apiserver.key'),
    'client-ca-file': pki('ca.crt'),
    'service-account-key-file': pki('sa.pub'),
    'service-account-signing-key-file': pki('sa.key'),
    'service-account-issuer': 'https://kubernetes.default.svc.cluster.local',
    'service-cluster-ip-range': plan.serviceCidrs.join(','),
    'authorization-mode': 'Node,RBAC',
    'enable-admission-plugins': 'NodeRestriction',
    'allow-privileged': true,
    // as kubeadm sets it: the names of nodes are in no DNS
    'kubelet-preferred-address-types': 'InternalIP',
    'kubelet-client-certificate': pki('admin.crt'),
    'kubelet-client-key': pki('admin.key'),
  }
}
