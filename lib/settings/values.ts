/** Parsers of single values: text in, value or problem out. Pure. */
import ipaddr from 'ipaddr.js'
import type { ExpectedDenial } from '../types.ts'

/** Why a value cannot be used, and what to write instead: two sentences without the variable's name. */
export interface BadValue {
  readonly problem: string
  readonly next: string
}

export type Parsed<T> = { readonly value: T } | BadValue

/** Kinds of workloads that may stand before the slash, as kubectl writes them. */
export type WorkloadKind = 'Deployment' | 'DaemonSet' | 'StatefulSet' | 'ReplicaSet' | 'Job' | 'CronJob'

/** How a user names a pod. `name` of kind "pod" is an exact name or, where none has it, the start of one. */
export type PodReference =
  | { readonly kind: 'pod'; readonly namespace: string | null; readonly name: string }
  | {
      readonly kind: 'workload'
      readonly namespace: string | null
      readonly workload: WorkloadKind
      readonly name: string
    }
  | { readonly kind: 'selector'; readonly selector: string }
  | { readonly kind: 'address'; readonly address: string }
  | { readonly kind: 'none' }

export type ServiceReference =
  | { readonly kind: 'service'; readonly namespace: string | null; readonly name: string }
  | { readonly kind: 'none' }

const KINDS: Readonly<Record<string, WorkloadKind>> = {
  deploy: 'Deployment',
  deployment: 'Deployment',
  deployments: 'Deployment',
  ds: 'DaemonSet',
  daemonset: 'DaemonSet',
  daemonsets: 'DaemonSet',
  sts: 'StatefulSet',
  statefulset: 'StatefulSet',
  statefulsets: 'StatefulSet',
  rs: 'ReplicaSet',
  replicaset: 'ReplicaSet',
  replicasets: 'ReplicaSet',
  job: 'Job',
  jobs: 'Job',
  cj: 'CronJob',
  cronjob: 'CronJob',
  cronjobs: 'CronJob',
}
const PODS = new Set(['po', 'pod', 'pods'])

/** RFC 1123 label, what a namespace and most names are. */
const LABEL = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/
/** A pod's name or the start of one: RFC 1123 subdomain that may end early. */
const NAME = /^[a-z0-9][-a-z0-9.]{0,252}$/
const REQUIREMENT = /^(!?[\w./-]+|[\w./-]+\s*(=|==|!=)\s*[\w.-]*|[\w./-]+\s+(in|notin)\s+\([\w.,\s-]*\))$/

/** SRC_POD and DST_POD; only a destination may be an address or none. */
export function podReference(text: string, role: 'source' | 'destination'): Parsed<PodReference> {
  const isAddress = /^\d+(\.\d+){3}$|:/.test(text) && ipaddr.isValid(text)
  if (role === 'source' && isAddress) {
    return {
      problem: 'an address cannot name the pod to ask from',
      next: 'Write namespace/name, or the start of a name.',
    }
  }
  if (isAddress) {
    const address = oneAddress(text)
    return 'value' in address ? { value: { kind: 'address', address: address.value.address } } : address
  }
  if (role === 'destination' && text.toLowerCase() === 'none') return { value: { kind: 'none' } }
  if (/[=!(]/.test(text)) return selector(text)
  const parts = text.split('/')
  const name = parts.at(-1) ?? ''
  if (parts.length > 3 || !NAME.test(name)) return badPod(text)
  if (parts.length === 1) return { value: { kind: 'pod', namespace: null, name } }
  const [first = '', second = ''] = parts
  const kind = parts.length === 2 ? first : second
  const namespace = parts.length === 3 ? first : null
  if (namespace !== null && !LABEL.test(namespace)) return badPod(text)
  const workload = KINDS[kind.toLowerCase()]
  if (workload) return { value: { kind: 'workload', namespace, workload, name } }
  if (PODS.has(kind.toLowerCase())) return { value: { kind: 'pod', namespace, name } }
  return parts.length === 2 && LABEL.test(first) ? { value: { kind: 'pod', namespace: first, name } } : badPod(text)
}

function badPod(text: string): BadValue {
  return {
    problem: /[A-Z]/.test(text)
      ? 'names in Kubernetes have no capital letters'
      : 'this is no pod name, workload or label selector',
    next: 'Write a name, namespace/name, deploy/x, a label selector such as app=x, or the start of a name.',
  }
}

function selector(text: string): Parsed<PodReference> {
  const requirements = text.split(/,(?![^(]*\))/).map((part) => part.trim())
  if (requirements.every((part) => REQUIREMENT.test(part))) return { value: { kind: 'selector', selector: text } }
  return {
    problem: 'this is no label selector that Kubernetes understands',
    next: 'Write it as kubectl’s -l takes it, for example app=web,tier!=cache.',
  }
}

export function serviceReference(text: string): Parsed<ServiceReference> {
  if (text.toLowerCase() === 'none') return { value: { kind: 'none' } }
  const parts = text.split('/')
  const prefixed = parts.length > 1 && /^(svc|services?)$/.test(parts.at(-2) ?? '')
  const [name = '', namespace = null] = (prefixed ? parts.toSpliced(-2, 1) : parts).toReversed()
  const sound = LABEL.test(name) && (namespace === null || LABEL.test(namespace)) && parts.length <= (prefixed ? 3 : 2)
  if (sound) return { value: { kind: 'service', namespace, name } }
  return { problem: 'this is no Service name', next: 'Write a name, namespace/name, or none.' }
}

export function namespaceName(text: string): Parsed<string> {
  if (LABEL.test(text)) return { value: text }
  return { problem: 'this is no namespace name', next: 'Write lower-case letters, digits and hyphens, at most 63.' }
}

export function nodeName(text: string): Parsed<string> {
  if (NAME.test(text)) return { value: text }
  return { problem: 'this is no Node name', next: 'Write it as "kubectl get nodes" shows it.' }
}

/** One address per family. `null`: none. */
export interface ExternalAddresses {
  readonly ipv4: string | null
  readonly ipv6: string | null
}

export function externalAddresses(text: string): Parsed<ExternalAddresses> {
  if (text.toLowerCase() === 'none') return { value: { ipv4: null, ipv6: null } }
  let found: ExternalAddresses = { ipv4: null, ipv6: null }
  for (const part of text.split(',').map((each) => each.trim())) {
    if (part === '') continue
    const parsed = oneAddress(part)
    if (!('value' in parsed)) return parsed
    const { family, address } = parsed.value
    if (found[family] !== null) {
      return { problem: `${found[family]} and ${address} are of one family`, next: 'Name one address per family.' }
    }
    found = { ...found, [family]: address }
  }
  return { value: found }
}

/** A host name (RFC 1123) with at least one dot, as DNS knows it; gives it without the trailing dot. none: null. */
export function domainName(text: string): Parsed<string | null> {
  if (text.toLowerCase() === 'none') return { value: null }
  const name = text.toLowerCase().replace(/\.$/, '')
  const labels = name.split('.')
  const sound = name.length <= 253 && labels.length > 1 && labels.every((label) => HOST_LABEL.test(label))
  if (sound && !/^[\d.]+$/.test(name)) return { value: name }
  return { problem: 'this is no host name with a domain', next: 'Write a full name, such as www.example.org.' }
}

const HOST_LABEL = /^[a-z0-9_]([-a-z0-9_]{0,61}[a-z0-9_])?$/

const USELESS = new Set(['unspecified', 'loopback', 'multicast', 'broadcast', 'linkLocal', 'ipv4Mapped'])

function oneAddress(text: string): Parsed<{ family: 'ipv4' | 'ipv6'; address: string }> {
  if (!/^\d+(\.\d+){3}$|:/.test(text) || !ipaddr.isValid(text)) {
    return {
      problem: `"${text}" is not an IP address`,
      next: 'A host name would measure the node’s resolver as well: resolve it first and write the address.',
    }
  }
  const address = ipaddr.parse(text)
  if (USELESS.has(address.range()) || text.includes('%')) {
    const range = text.includes('%') ? 'zoned' : address.range()
    return { problem: `${text} is a ${range} address`, next: 'Write a global or private unicast address.' }
  }
  return { value: { family: address.kind(), address: address.toString() } }
}

const DENIABLE = new Set(['pod', 'service', 'dns', 'api', 'external'])

/** EXPECT_DENIED: roles, addresses and names, each with or without a port. */
export function expectedDenials(text: string): Parsed<readonly ExpectedDenial[]> {
  const found: ExpectedDenial[] = []
  for (const part of text.split(',').map((each) => each.trim())) {
    if (part === '') continue
    const one = expectedDenial(part)
    if (one === null) {
      return {
        problem: `"${part}" is neither pod, service, dns, api, external, an IP address nor the name of a pod or Service`,
        next: 'Write for example external,web:8080,[2001:db8::1]:443.',
      }
    }
    found.push(one)
  }
  return { value: found }
}

function expectedDenial(part: string): ExpectedDenial | null {
  if (part.includes(':') && ipaddr.IPv6.isValid(part)) return addressDenial(part, null)
  const [, bracketed, plain, digits] = /^(?:\[([^\]]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/.exec(part) ?? []
  const port = digits === undefined ? null : Number(digits)
  const what = bracketed ?? plain
  if (what === undefined || (port !== null && (port < 1 || port > 65_535))) return null
  if (bracketed !== undefined || /^[\d.]+$/.test(what)) return ipaddr.isValid(what) ? addressDenial(what, port) : null
  if (DENIABLE.has(what)) return { kind: 'role', value: what, port }
  const names = what.split('/')
  return names.length <= 2 && names.every((name) => NAME.test(name)) ? { kind: 'name', value: what, port } : null
}

const addressDenial = (text: string, port: number | null): ExpectedDenial => ({
  kind: 'address',
  value: ipaddr.parse(text).toString(),
  port,
})

/** unix:///path, unix:/path or /path; gives unix:///path. */
export function runtimeEndpoint(text: string): Parsed<string> {
  const path = text.replace(/^unix:(\/\/)?/, '')
  if (path.startsWith('/')) return { value: `unix://${path}` }
  return { problem: 'this is no unix socket', next: 'Write unix:///run/containerd/containerd.sock or the like.' }
}

export function absolutePath(text: string): Parsed<string> {
  if (text.startsWith('/')) return { value: text }
  return { problem: 'this is no absolute path', next: `Write /run/netns/${text} or /proc/1/ns/net.` }
}

export function boolean(text: string): Parsed<boolean> {
  if (/^(1|true|yes|on)$/i.test(text)) return { value: true }
  if (/^(0|false|no|off)$/i.test(text)) return { value: false }
  return { problem: 'this is neither yes nor no', next: 'Write 1 or 0.' }
}

export function wholeNumber(text: string, least: number, most: number): Parsed<number> {
  const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN
  if (value >= least && value <= most) return { value }
  return {
    problem: `this is no whole number from ${least} to ${most}`,
    next: `Write a number from ${least} to ${most}.`,
  }
}

/** Parts between commas. */
export const listOf = (text: string): string[] =>
  text
    .split(',')
    .map((part) => part.trim())
    .filter(Boolean)

/** GATE: whether only regressions fail the run. */
export function gate(text: string): Parsed<boolean> {
  if (text.toLowerCase() === 'regressions') return { value: true }
  return { problem: 'this is no gate', next: 'Write regressions, or unset it: then every failure fails the run.' }
}

const PRINTED = ['junit', 'json', 'markdown', 'packed'] as const
/** A report as it is printed; packed: the JSON report, gzipped and in base64. */
export type PrintedKind = (typeof PRINTED)[number]

/** PRINT_REPORTS: each kind once. */
export function printedKinds(text: string): Parsed<readonly PrintedKind[]> {
  const words = listOf(text.toLowerCase())
  const unknown = words.find((word) => !(PRINTED as readonly string[]).includes(word))
  if (unknown === undefined) return { value: [...new Set(words as PrintedKind[])] }
  return { problem: `"${unknown}" is no report that can be printed`, next: `Write some of ${PRINTED.join(',')}.` }
}
