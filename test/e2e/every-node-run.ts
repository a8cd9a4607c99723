/** A run over all nodes of a cluster of the lab, started where a pipeline would: with a kubeconfig and nothing else. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, linkSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import type { Report } from '../../lib/types.ts'
import type { Cluster } from '../bed/kubernetes/cluster.ts'
import { netnsPath } from '../bed/namespace.ts'

const PROJECT = fileURLToPath(new URL('../..', import.meta.url))

export interface EveryNodeRun {
  /** null: a signal ended it. */
  readonly exitCode: number | null
  readonly output: string
  readonly report: Report
  readonly junit: string
  readonly html: string
}

export interface StartedRun {
  readonly process: ChildProcess
  readonly finished: Promise<EveryNodeRun>
}

/** The lab's nodes share a machine, and with it /run, where a Job looks for its node's runtime: each has a directory there. */
const runOf = ({ prefix }: Cluster): string => `/run/k8snetlook-${prefix}`

/** Puts each node's socket where a Job finds it; what it made is to be taken away by hideSockets. */
export function showSockets(cluster: Cluster): void {
  for (const { name, socket } of cluster.nodes) {
    mkdirSync(join(runOf(cluster), name), { recursive: true })
    // a second name: a symbolic link would lead out of the mount
    linkSync(socket, join(runOf(cluster), name, 'containerd.sock'))
  }
}

export const hideSockets = (cluster: Cluster): void => rmSync(runOf(cluster), { recursive: true, force: true })

export function startEveryNode(cluster: Cluster, env: Readonly<Record<string, string>> = {}): StartedRun {
  const reports = mkdtempSync(join(cluster.dir, 'reports-'))
  const { PATH = '', HOME = '/root' } = process.env
  const vitest = [process.execPath, 'node_modules/vitest/vitest.mjs', 'run', 'checks/cluster']
  // exec: the process that is signalled is the run itself
  const child = spawn('nsenter', [`--net=${netnsPath(cluster.nodes[0]?.namespace ?? '')}`, ...vitest], {
    cwd: PROJECT,
    env: {
      ...{ PATH, HOME, KUBECONFIG: cluster.kubeconfig, REPORTS_DIR: reports },
      CONTAINER_RUNTIME_ENDPOINT: `unix:///host${runOf(cluster)}/$(NODE_NAME)/containerd.sock`,
      EXTERNAL_IP: cluster.plan.outside.join(','),
      EXTERNAL_NAME: 'outside.test',
      ...env,
    },
    stdio: 'pipe',
  })
  child.stdin.end()
  const output = Promise.all([text(child.stdout), text(child.stderr)]).then((both) => both.join(''))
  const finish = async (): Promise<EveryNodeRun> => {
    const [[code], shown] = await Promise.all([once(child, 'exit'), output])
    const read = (file: string) => {
      const path = join(reports, file)
      if (!existsSync(path))
        throw new Error(`${file} was not written; exit code ${code}, the terminal showed:\n${shown}`)
      return readFileSync(path, 'utf8')
    }
    return {
      exitCode: code as number | null,
      output: shown,
      report: JSON.parse(read('report-cluster.json')) as Report,
      junit: read('junit-cluster.xml'),
      html: read('report-cluster.html'),
    }
  }
  return { process: child, finished: finish() }
}

export const runEveryNode = (cluster: Cluster, env: Readonly<Record<string, string>> = {}): Promise<EveryNodeRun> =>
  startEveryNode(cluster, env).finished

interface Listed {
  readonly items: readonly {
    readonly metadata: { readonly name: string; readonly namespace?: string; readonly deletionTimestamp?: string }
  }[]
}

/** Everything that a run makes, and that is still there: "jobs k8snetlook-1a2b3c4d/k8snetlook-1a2b3c4d-0". `going`: what is being deleted. */
export async function remains({ api }: Cluster): Promise<{ readonly stays: string[]; readonly going: string[] }> {
  const paths = {
    clusterroles: '/apis/rbac.authorization.k8s.io/v1/clusterroles',
    clusterrolebindings: '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings',
    namespaces: '/api/v1/namespaces',
    jobs: '/apis/batch/v1/jobs',
    pods: '/api/v1/pods',
    configmaps: '/api/v1/configmaps',
  }
  const lists = Object.entries(paths).map(async ([kind, path]) => {
    const { items } = await api<Listed>(`${path}?labelSelector=k8snetlook/run`)
    return items.map(({ metadata: { namespace, name, deletionTimestamp } }) => ({
      what: `${kind} ${namespace ? `${namespace}/` : ''}${name}`,
      isGoing: deletionTimestamp !== undefined,
    }))
  })
  const all = (await Promise.all(lists)).flat()
  const those = (going: boolean) => all.filter(({ isGoing }) => isGoing === going).map(({ what }) => what)
  return { stays: those(false), going: those(true) }
}
