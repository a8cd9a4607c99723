/** The lab's API server: the stand-in as a process on the first node, its certificates, and kubeconfigs for it. */
import { readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { type AddressPlan, familyOf } from '../bed/addresses.ts'
import { type Behaviour, type ProcessOptions, tellStandin } from '../bed/api-standin.ts'
import type { KubeObject } from '../bed/api-standin-objects.ts'
import type { Bed, Daemon } from '../bed/bed.ts'
import { authority, type Leaf } from '../bed/certificates.ts'
import { tail } from '../bed/containerd.ts'
import { API_PORT } from './lab-objects.ts'

const STANDIN = fileURLToPath(new URL('../bed/api-standin.ts', import.meta.url))
// by path: the process starts in a directory from which the name would not be found
const TSX = createRequire(import.meta.url).resolve('tsx')

/** Certificates that the server can show: behave({ certificate: 'expired' }). */
export interface Pki {
  readonly ca: string
  readonly server: { readonly good: Leaf; readonly expired: Leaf; readonly foreign: Leaf }
  readonly admin: Leaf
  /** Signed by an authority that the server does not know. */
  readonly stranger: Leaf
}

export function makePki(plan: AddressPlan, clusterIPs: readonly string[]): Pki {
  const own = authority('lab-ca')
  const other = authority('another-ca')
  try {
    const addresses = [...plan.node(1), ...clusterIPs].map((address) => `IP:${address}`)
    const altNames = ['DNS:kubernetes.default.svc', ...addresses].join(',')
    return {
      ca: own.ca,
      server: {
        good: own.issue({ altNames }),
        expired: own.issue({ altNames, to: '20210101000000Z' }),
        foreign: other.issue({ altNames }),
      },
      admin: own.issue({ subject: '/O=system:masters/CN=admin' }),
      stranger: other.issue({ subject: '/O=system:masters/CN=mallory' }),
    }
  } finally {
    own.remove()
    other.remove()
  }
}

export interface LabApi {
  readonly daemon: Daemon
  /** As startStandin's: what is left out goes back to sound. */
  behave(change: Partial<Behaviour>): Promise<void>
  setObjects(objects: readonly KubeObject[]): Promise<void>
}

export async function startApi(
  bed: Bed,
  namespace: string,
  pki: Pki,
  plan: AddressPlan,
  objects: readonly KubeObject[],
): Promise<LabApi> {
  const admin = join(bed.dir, 'api.sock')
  const file = join(bed.dir, 'api.json')
  const options: ProcessOptions = {
    admin,
    listen: plan.node(1).map((address) => hostPort(address, API_PORT)),
    certificates: pki.server,
    clientCa: pki.ca,
    objects,
  }
  writeFileSync(file, JSON.stringify(options), { mode: 0o600 })
  const daemon = bed.start(namespace, 'api', [process.execPath, '--import', TSX, STANDIN, file])
  for (let tries = 0; !readFileSync(daemon.log, 'utf8').includes('ready'); tries++) {
    if (!daemon.running() || tries === 200) throw new Error(`the API stand-in does not start: ${tail(daemon.log)}`)
    await sleep(50)
  }
  return {
    daemon,
    behave: (change) => tellStandin(admin, { behave: change }),
    setObjects: (changed) => tellStandin(admin, { objects: changed }),
  }
}

export const hostPort = (address: string, port: number): string =>
  `${familyOf(address) === 4 ? address : `[${address}]`}:${port}`

const base64 = (pem: string) => Buffer.from(pem).toString('base64')

/** A kubeconfig for the lab's administrator; `cluster`, `user` and `top` change parts of it. */
export function kubeconfig(
  pki: Pki,
  plan: AddressPlan,
  change: { cluster?: object; user?: object; top?: object } = {},
) {
  const { admin, ca } = pki
  const server = `https://${hostPort(plan.node(1)[0] ?? '', API_PORT)}`
  const credentials = { 'client-certificate-data': base64(admin.cert), 'client-key-data': base64(admin.key) }
  return {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'lab', cluster: { server, 'certificate-authority-data': base64(ca), ...change.cluster } }],
    users: [{ name: 'admin', user: change.user ?? credentials }],
    contexts: [{ name: 'lab', context: { cluster: 'lab', user: 'admin' } }],
    'current-context': 'lab',
    ...change.top,
  }
}

/** The user part of a kubeconfig with a client certificate. */
export const clientCertificate = ({ cert, key }: Leaf) => ({
  'client-certificate-data': base64(cert),
  'client-key-data': base64(key),
})
