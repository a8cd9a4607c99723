/** The words of this room: what a runtime says about pods, as plain data. */
import type { Code, Fact, Source } from '../types.ts'

/** Which pod is meant. A name is exact; a prefix names the pods whose names start with it. */
export interface PodQuery {
  readonly namespace: string | null
  readonly name: string | null
  readonly prefix: string | null
  /**
   * metadata.uid of the API's pod. A static pod is known to the kubelet by another one: then namespace and name
   * decide.
   */
  readonly uid: string | null
  /** status.podIPs, if known */
  readonly addresses: readonly string[]
}

export interface LookupOptions {
  /** CONTAINER_RUNTIME_ENDPOINT: unix:///path or /path. Null: the usual sockets are tried. */
  readonly endpoint: string | null
  /** Node.status.nodeInfo.containerRuntimeVersion, e.g. containerd://1.6.20: orders the usual sockets. */
  readonly runtimeVersion: string | null
  /** Inode of the node's network namespace. */
  readonly nodeNetns: string
  /** Its path; null: the one of this process. */
  readonly nodeNetnsPath: string | null
  /** Where the node's proc file system is mounted; default /proc. */
  readonly procRoot?: string
  /** Budget for each answer of a runtime, in milliseconds; default 5000. */
  readonly timeoutMs?: number
  /** Sockets to try instead of the usual ones. */
  readonly sockets?: readonly string[]
}

/** Where a pod is on this node. `uid` is the kubelet's: for static pods not the API's. */
export interface LocatedPod
  extends Pick<
    Source,
    'namespace' | 'name' | 'uid' | 'addresses' | 'hostNetwork' | 'netnsPath' | 'netns' | 'pid' | 'foundBy'
  > {
  readonly runtimeHandler: string | null
  readonly labels: Readonly<Record<string, string>>
}

/** A pod with a ready sandbox on this node. */
export interface LocatedPodSummary {
  readonly namespace: string
  readonly name: string
  readonly uid: string
  /** The workload's name as the pod's name and labels tell it: `web` for web-64957f6c7b-8hdc4. */
  readonly workload: string
  readonly labels: Readonly<Record<string, string>>
  /** ISO 8601 */
  readonly createdAt: string
}

/** One attempt at a pod, as the runtime lists it. */
export interface Sandbox {
  readonly id: string
  readonly namespace: string
  readonly name: string
  readonly uid: string
  readonly attempt: number
  readonly ready: boolean
  /** milliseconds since the epoch */
  readonly createdAt: number
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
}

/** What the runtime says about the network of one sandbox. Every field may be missing: runtimes differ. */
export interface SandboxDetails {
  readonly pid: number | null
  /** A pinned namespace, as seen in the runtime's mount namespace. */
  readonly netnsPath: string | null
  /** Null: the runtime does not say. */
  readonly hostNetwork: boolean | null
  readonly addresses: readonly string[]
  readonly runtimeHandler: string | null
  /** e.g. io.containerd.runc.v2 */
  readonly runtimeType: string | null
}

/** One connected runtime. Methods reject with RuntimeError. */
export interface Runtime {
  /** "CRI containerd 1.6.20 at /run/containerd/containerd.sock" */
  readonly title: string
  sandboxes(): Promise<Sandbox[]>
  details(sandbox: Sandbox): Promise<SandboxDetails>
  /** Processes in the sandbox's namespaces other than its own: those of running containers. */
  containerPids(sandbox: Sandbox): Promise<number[]>
  close(): void
}

/**
 * Why a runtime could not be asked. absent: nobody listens there. foreign: something else does.
 * broken: a runtime that did not serve us, so that nobody knows what runs on it.
 */
type Trouble = 'absent' | 'foreign' | 'broken'

/** A runtime or a namespace that could not be looked at; carries what a Fact needs. */
export class RuntimeError extends Error {
  override name = 'RuntimeError'
  readonly code: Code
  readonly hint: string
  readonly trouble: Trouble
  constructor(code: Code, message: string, hint: string, trouble: Trouble = 'broken') {
    super(message)
    this.code = code
    this.hint = hint
    this.trouble = trouble
  }
}

export type Unknown = Extract<Fact<never>, { state: 'unknown' }>

export const unknown = (code: Code, reason: string, hint: string): Unknown => ({ state: 'unknown', code, reason, hint })

/** A RuntimeError as a fact; anything else is a bug and goes on. */
export function toUnknown(error: unknown): Unknown {
  if (error instanceof RuntimeError) return unknown(error.code, error.message, error.hint)
  throw error
}
