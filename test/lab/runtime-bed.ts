/** Container runtimes for tests: recorded answers on a real socket, with live processes and namespaces put in. */
import { type ChildProcess, execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { type handleUnaryCall, Server, ServerCredentials, type ServiceDefinition } from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'
import type { LookupOptions, PodQuery } from '../../lib/runtime/index.ts'
import { namespaces, netnsPath, startIn } from '../bed/namespace.ts'

const fixture = (file: string) => fileURLToPath(new URL(`../fixtures/cri/${file}.json`, import.meta.url))

interface Named {
  id: string
  metadata: { name: string; uid: string; namespace: string; attempt?: number }
  state?: string
  created_at: string
  labels: Record<string, string>
  annotations?: Record<string, string>
  runtime_handler?: string
}
export interface Status {
  status: Named & { network?: { ip?: string }; linux?: { namespaces: { options: { network?: string } } } }
  info?: { info?: string }
}
export interface ContainerAnswer {
  status: { id: string; state: string }
  info?: { info?: string }
}
export interface Recorded {
  Version: { runtime_name: string; runtime_version: string }
  ListPodSandbox: { items: Named[] }
  PodSandboxStatus: Status[]
  ListContainers: { containers?: { id: string; pod_sandbox_id: string; state: string }[] }
  ContainerStatus: ContainerAnswer[]
}

/** A fresh copy of a runtime's recorded answers. */
export const recorded = (file: string): Recorded => JSON.parse(readFileSync(fixture(file), 'utf8')) as Recorded

/** A fresh copy of any recorded file. */
export const recordedJson = <T>(file: string): T => JSON.parse(readFileSync(fixture(file), 'utf8')) as T

interface Info {
  pid?: number
  runtimeType?: string
  runtimeSpec?: { linux: { namespaces: { type: string; path?: string }[] } }
}

/** One pod of a recording, to be changed in place. */
export function pod(answers: Recorded, name: string) {
  const item = answers.ListPodSandbox.items.find(({ metadata }) => metadata.name.startsWith(name))
  const answer = answers.PodSandboxStatus.find(({ status }) => status.id === item?.id)
  if (item === undefined || answer === undefined) throw new Error(`no pod ${name} in the recording`)
  return {
    item,
    answer,
    info(change: (info: Info) => void): void {
      const info = JSON.parse(answer.info?.info ?? '{}') as Info
      change(info)
      answer.info = { info: JSON.stringify(info) }
    },
    /** Puts in a process; null takes it away. */
    pid(pid: number | null): void {
      this.info((info) => {
        if (pid === null) delete info.pid
        else info.pid = pid
      })
    },
    /** Puts in the path of a pinned namespace; null takes the network entry away. */
    pinned(path: string | null): void {
      this.info(({ runtimeSpec }) => {
        if (runtimeSpec === undefined) return
        const others = runtimeSpec.linux.namespaces.filter(({ type }) => type !== 'network')
        runtimeSpec.linux.namespaces = path === null ? others : [...others, { type: 'network', path }]
      })
    },
    /** Makes process `pid` that of the pod's only running container. */
    container(pid: number): void {
      const id = 'c'.repeat(64)
      const own = { id, pod_sandbox_id: item.id, state: 'CONTAINER_RUNNING' }
      const exited = { ...own, id: 'e'.repeat(64), state: 'CONTAINER_EXITED' }
      const others = (answers.ListContainers.containers ?? []).filter((one) => one.pod_sandbox_id !== item.id)
      answers.ListContainers.containers = [exited, own, ...others]
      const info = JSON.stringify({ sandboxID: item.id, pid })
      answers.ContainerStatus.push({ status: { id, state: 'CONTAINER_RUNNING' }, info: { info } })
    },
  }
}

interface Request {
  readonly pod_sandbox_id: string
  readonly container_id: string
  readonly filter: { readonly pod_sandbox_id: string; readonly state: { readonly state: string } }
}
type Unary = handleUnaryCall<Request, unknown>

/** Serves recorded answers as a CRI runtime at a unix socket. */
export async function serveCri(answers: Recorded, path: string): Promise<Server> {
  const proto = fileURLToPath(new URL('../../lib/runtime/cri.proto', import.meta.url))
  const service = loadSync(proto, { keepCase: true, longs: String, enums: String, defaults: true })
  const byId =
    (list: readonly { status: { id: string } }[], key: 'pod_sandbox_id' | 'container_id'): Unary =>
    ({ request }, reply) => {
      const found = list.find(({ status }) => status.id === request[key])
      reply(found === undefined ? { code: 5, details: `no ${request[key]}` } : null, found)
    }
  const always =
    (answer: unknown): Unary =>
    (_, reply) =>
      reply(null, answer)
  const containers: Unary = ({ request: { filter } }, reply) => {
    const wanted = (one: { pod_sandbox_id: string; state: string }) =>
      one.pod_sandbox_id === filter.pod_sandbox_id && one.state === filter.state.state
    reply(null, { containers: (answers.ListContainers.containers ?? []).filter(wanted) })
  }
  const server = new Server()
  server.addService(service['runtime.v1.RuntimeService'] as ServiceDefinition, {
    Version: always(answers.Version),
    ListPodSandbox: always(answers.ListPodSandbox),
    PodSandboxStatus: byId(answers.PodSandboxStatus, 'pod_sandbox_id'),
    ContainerStatus: byId(answers.ContainerStatus, 'container_id'),
    ListContainers: containers,
  })
  await new Promise<void>((resolve, reject) =>
    server.bindAsync(`unix:${path}`, ServerCredentials.createInsecure(), (error) =>
      error ? reject(error) : resolve(),
    ),
  )
  return server
}

export const inode = (path: string): string => String(statSync(path, { bigint: true }).ino)

/** Namespaces `<prefix>-node`, `-a` and `-b`, one sleeping process in each, and a directory for sockets. */
export async function runtimeBed(prefix: string) {
  const spaces = namespaces(prefix)
  const dir = mkdtempSync(`/tmp/${prefix}-`)
  const processes: ChildProcess[] = []
  const start = async (name: string): Promise<{ name: string; path: string; inode: string; pid: number }> => {
    const path = netnsPath(name)
    const process = startIn(name, 'sleep', ['600'], join(dir, 'log'))
    processes.push(process)
    const pid = process.pid ?? 0
    while (inode(`/proc/${pid}/ns/net`) !== inode(path)) await sleep(5)
    return { name, path, inode: inode(path), pid }
  }
  const [node, a, b] = await Promise.all(['node', 'a', 'b'].map((name) => start(spaces.add(name))))
  if (node === undefined || a === undefined || b === undefined) throw new Error('unreachable')
  const options: LookupOptions = {
    endpoint: null,
    sockets: [],
    runtimeVersion: null,
    nodeNetns: node.inode,
    nodeNetnsPath: node.path,
    timeoutMs: 3000,
  }
  return {
    dir,
    node,
    a,
    b,
    options,
    start,
    async remove(): Promise<void> {
      await Promise.all(processes.map(ended))
      spaces.remove()
      rmSync(dir, { recursive: true, force: true })
    },
  }
}

function ended(process: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (process.exitCode !== null || process.signalCode !== null) return resolve()
    process.once('exit', () => resolve())
    process.kill('SIGKILL')
  })
}

/** A query of which only the named parts matter. */
export const query = (parts: Partial<PodQuery>): PodQuery => ({
  namespace: null,
  name: null,
  prefix: null,
  uid: null,
  addresses: [],
  ...parts,
})

const SCRIPT = `
  const { locatePod } = await import('./lib/runtime/index.ts')
  const [query, options] = JSON.parse(process.argv[1])
  console.log(JSON.stringify(await locatePod(query, options)))`

/** What locatePod returns in a process of its own, started by `command`: setpriv, unshare, ... */
export async function locateIn(command: readonly string[], wanted: PodQuery, options: LookupOptions): Promise<unknown> {
  const node = [process.execPath, '--import', 'tsx', '--input-type=module', '-e', SCRIPT]
  const [program = '', ...args] = [...command, ...node, JSON.stringify([wanted, options])]
  const { stdout } = await promisify(execFile)(program, args)
  return JSON.parse(stdout)
}
