/** A runtime that cannot be asked, rights that are missing, native modules that are not there: named, and the rest is asked all the same. */
import { spawnSync } from 'node:child_process'
import { chownSync, mkdtempSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect } from 'vitest'
import { type Lab, startLab } from './lab.ts'
import { kubeconfig } from './lab-api.ts'
import { behaves, env } from './lab-bad-input.ts'
import { CHECKOUT } from './lab-product.ts'

let lab: Lab
beforeAll(async () => {
  lab = await startLab({ prefix: 'lbn' })
})
afterAll(() => lab?.stop())

/** Without a packet socket an old neighbour entry cannot be confirmed at once. */
const OLD_NEIGHBOUR = ['inconclusive GATEWAY_UNPROVEN']

const without = (...capabilities: string[]) => [
  'setpriv',
  `--bounding-set=${capabilities.map((capability) => `-${capability}`).join(',')}`,
]

/** Runs the product where a directory of the checkout is empty, for it alone: a mount namespace of its own. */
const hiding = (directory: string) => [
  'unshare',
  '--mount',
  'sh',
  '-c',
  `mount -t tmpfs none ${directory} && exec "$@"`,
  'sh',
]

describe('the container runtime', () => {
  behaves(
    () => lab,
    [
      {
        name: 'has no such socket',
        options: env({ CONTAINER_RUNTIME_ENDPOINT: 'unix:///nonexistent/containerd.sock' }),
        says: /\/nonexistent\/containerd\.sock/,
        codes: ['inconclusive RUNTIME_UNAVAILABLE'],
        passes: ['host/gateway IPv4'],
      },
      {
        name: 'refuses',
        options: () => ({ env: { CONTAINER_RUNTIME_ENDPOINT: `unix://${join(lab.dir, 'dead.sock')}` } }),
        says: /dead\.sock.*refuse/i,
        codes: ['inconclusive RUNTIME_UNAVAILABLE'],
      },
      {
        name: 'speaks something else',
        options: () => ({ env: { CONTAINER_RUNTIME_ENDPOINT: `unix://${lab.nodes[0].socket}.ttrpc` } }),
        says: /containerd\.sock\.ttrpc/,
        codes: ['inconclusive RUNTIME_UNAVAILABLE'],
      },
    ],
  )

  beforeAll(() => {
    // a socket file that outlives its server
    const path = JSON.stringify(join(lab.dir, 'dead.sock'))
    const server = `require('net').createServer().listen(${path}, () => process.kill(process.pid, 'SIGKILL'))`
    expect(spawnSync(process.execPath, ['-e', server]).signal).toBe('SIGKILL')
  })
})

describe('the rights', () => {
  behaves(
    () => lab,
    [
      {
        name: 'lack CAP_SYS_ADMIN',
        options: () => ({ wrapper: without('sys_admin') }),
        says: /CAP_SYS_ADMIN/,
        codes: ['inconclusive PERMISSION_MISSING'],
        passes: ['host/gateway IPv4'],
      },
      {
        name: 'lack CAP_SYS_PTRACE',
        options: () => ({ wrapper: without('sys_ptrace') }),
        says: /CAP_SYS_PTRACE/,
        codes: ['inconclusive PERMISSION_MISSING'],
        passes: ['host/gateway IPv4'],
      },
      {
        name: 'lack CAP_NET_RAW',
        options: () => ({ wrapper: without('net_raw') }),
        says: /CAP_NET_RAW/,
        codes: ['inconclusive PERMISSION_MISSING'],
        sometimes: OLD_NEIGHBOUR,
        passes: ['pod/api-cluster-ip IPv4', 'pod/dns-kubernetes IPv4', 'pod/destination-tcp other-node IPv6'],
      },
      {
        name: 'are not those of root',
        options: () => ({
          wrapper: NOBODY,
          // the checkout is root's: the configuration must not be bundled into it
          args: ['run', 'checks/pod', '--configLoader', 'runner'],
          env: forNobody(),
        }),
        says: /CAP_SYS_ADMIN/,
        codes: ['inconclusive PERMISSION_MISSING'],
        sometimes: OLD_NEIGHBOUR,
      },
    ],
  )
})

/** Another user, who may read everything, so that it does not matter where the checkout lies. */
const NOBODY = [
  ...['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'],
  ...['--inh-caps=+dac_read_search', '--ambient-caps=+dac_read_search'],
]

/** The bed's directory is root's: what nobody may read and write. */
function forNobody(): Record<string, string> {
  const readable = lab.writeKubeconfig('nobody', kubeconfig(lab.pki, lab.plan))
  chownSync(readable, 65534, 65534)
  const reports = mkdtempSync(join(lab.dir, 'nobody-'))
  chownSync(reports, 65534, 65534)
  return { KUBECONFIG: readable, REPORTS_DIR: reports }
}

describe('a native module', () => {
  behaves(
    () => lab,
    [
      {
        name: 'raw-socket was not built',
        options: () => ({ wrapper: hiding(join(CHECKOUT, 'node_modules/raw-socket/build')) }),
        says: /raw-socket cannot be loaded/,
        codes: ['inconclusive NATIVE_MODULE_MISSING'],
        passes: ['pod/api-cluster-ip IPv4', 'pod/dns-kubernetes IPv4', 'pod/destination-tcp other-node IPv6'],
      },
      {
        name: 'koffi was not installed for this machine',
        options: () => ({ wrapper: hiding(join(CHECKOUT, 'node_modules/@koromix')) }),
        says: /koffi cannot be loaded/,
        codes: ['inconclusive NATIVE_MODULE_MISSING'],
        sometimes: OLD_NEIGHBOUR,
        passes: ['host/api-livez'],
      },
    ],
  )
})
