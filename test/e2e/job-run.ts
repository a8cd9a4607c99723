/** The Job of deploy/, applied and read as the README says, by the real kubectl. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, linkSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { unprinted } from '../../lib/report/printed.ts'
import type { Report } from '../../lib/types.ts'
import { built } from '../bed/kubernetes/build.ts'
import type { Cluster, ClusterNode } from '../bed/kubernetes/cluster.ts'
import { netnsPath } from '../bed/namespace.ts'

const PROJECT = fileURLToPath(new URL('../..', import.meta.url))

export interface Shell {
  readonly exitCode: number
  readonly output: string
}

/** Runs a script in a new directory, on the first node, with kubectl on PATH and the admin's kubeconfig. */
export async function inShell(cluster: Cluster, cwd: string, script: string): Promise<Shell> {
  const { PATH = '', HOME = '/root' } = process.env
  const env = { PATH: `${await built('kubectl')}:${PATH}`, HOME, KUBECONFIG: cluster.kubeconfig }
  const namespace = cluster.nodes[0]?.namespace ?? ''
  const child = spawn('nsenter', [`--net=${netnsPath(namespace)}`, 'bash', '-c', script], { cwd, env, stdio: 'pipe' })
  child.stdin.end()
  const [out, err, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
  return { exitCode: code as number, output: out + err }
}

/** The README's lines for the Job. */
function recipe(): string {
  const [block] = /(?: {4}.*\n)+/.exec(/^ {4}kubectl apply -k deploy\/base\n[\s\S]*/m.exec(readme())?.[0] ?? '') ?? []
  if (block === undefined) throw new Error('the README does not say how the Job is applied')
  return block.replace(/^ {4}/gm, '')
}

const readme = () => readFileSync(join(PROJECT, 'README.md'), 'utf8')

/** An overlay of deploy/base for a node of the lab, in a new directory; returns that directory. */
export function overlay(cluster: Cluster, node: ClusterNode, settings: Readonly<Record<string, string>>): string {
  const dir = join(mkdtempSync(join(cluster.dir, 'job-')), 'overlay')
  mkdirSync(dir)
  const all = {
    NODE_NAME: node.name,
    CNI_LEASES_DIR: '/host/run/ipam',
    EXTERNAL_IP: cluster.plan.outside.join(','),
    EXTERNAL_NAME: 'outside.test',
    PRINT_REPORTS: 'junit,packed',
    ...settings,
  }
  const target = { select: { kind: 'Job', name: 'k8snetlook' }, fieldPaths: ['spec.template.spec.nodeName'] }
  const source = { kind: 'ConfigMap', name: 'k8snetlook-settings', fieldPath: 'data.NODE_NAME' }
  const kustomization = {
    apiVersion: 'kustomize.config.k8s.io/v1beta1',
    kind: 'Kustomization',
    resources: [relative(dir, join(PROJECT, 'deploy/base'))],
    configMapGenerator: [
      {
        ...{ name: 'k8snetlook-settings', namespace: 'k8snetlook', behavior: 'merge' },
        literals: Object.entries(all).map(([name, value]) => `${name}=${value}`),
      },
    ],
    replacements: [{ source, targets: [target] }],
    patches: [{ target: target.select, patch: JSON.stringify([nodeRun(dirname(node.socket))]) }],
  }
  // JSON is YAML
  writeFileSync(join(dir, 'kustomization.yaml'), JSON.stringify(kustomization, null, 2))
  return dir
}

/**
 * The lab's nodes share a machine: what is below /run on a real one is below a directory of the node's here, with the runtime's socket
 * where it usually is (a second name of it: a link would lead out of the mount).
 */
function nodeRun(dir: string): object {
  const usual = join(dir, 'containerd/containerd.sock')
  if (!existsSync(usual)) linkSync(join(dir, 'containerd.sock'), usual)
  return { op: 'replace', path: '/spec/template/spec/volumes/1/hostPath/path', value: dir }
}

export interface JobRun {
  /** Of the container. */
  readonly exitCode: number
  /** Everything that the recipe showed, the container's log among it. */
  readonly output: string
  /** junit.xml, as the recipe leaves it. */
  readonly junit: string
  /** Read from the log. */
  readonly report: Report
}

/** What the README says, from applying to deleting. */
export async function runJob(
  cluster: Cluster,
  node: ClusterNode,
  settings: Readonly<Record<string, string>>,
): Promise<JobRun> {
  const dir = join(overlay(cluster, node, settings), '..')
  const { output } = await inShell(cluster, dir, `${recipe().replaceAll('deploy/base', 'overlay')}\necho "code: $code"`)
  const packed = unprinted(output).find(({ name }) => name.endsWith('.json'))
  if (!packed?.text) throw new Error(`no whole report in the log: ${JSON.stringify(packed)}\n${output}`)
  return {
    exitCode: Number(/^code: (\d+)$/m.exec(output)?.[1]),
    output,
    junit: readFileSync(join(dir, 'junit.xml'), 'utf8'),
    report: JSON.parse(packed.text) as Report,
  }
}
