/**
 * A service mesh's sidecar (Istio, Linkerd) has every TCP connection of its pod redirected to itself, and accepts them all: what a
 * connection proves then is that the proxy runs. Its own sockets are let pass, by user, group or mark: as such an owner the probes
 * go around it.
 */

import { familyName } from '../fact.ts'
import { Inconclusive } from '../failure.ts'
import { readRedirects } from '../node/redirects.ts'
import { NOBODYS } from '../probe/duplicate.ts'
import { connect, connectRepeatedly, dial, goAround, type SocketOwner, type TcpResult } from '../probe/tcp.ts'
import type { Answer, Code, Evidence, Family, Outcome, Place, Plan, Target } from '../types.ts'
import { asksFromNode } from './state.ts'

/**
 * none        a connection reaches whom it is for
 * around      a proxy takes every connection but those of an owner; this process' are made as that one
 * intercepts  a proxy takes every connection, and nobody is known to get past it
 */
export interface Sidecar {
  readonly is: 'none' | 'around' | 'intercepts'
  readonly families: readonly Family[]
  readonly rules: readonly string[]
  readonly owner: SocketOwner | null
}

const NONE: Sidecar = { is: 'none', families: [], rules: [], owner: null }
/** Istio's proxy, and Linkerd's: where the rules do not say. */
const USUAL: readonly SocketOwner[] = [{ gid: 1337 }, { uid: 1337 }, { uid: 2102 }, { mark: 0x539 }]
const MOST_OWNERS = 8
/** A local proxy answers within a millisecond; nobody else ever does, at an address that nobody has. */
const NOBODY_MS = 200
const HTTP_PORT = 80

let found: Promise<Sidecar> | undefined

/** Looked for once in a process. Where no rule redirects, nothing is sent. */
export function sidecarOf(plan: Plan, place: Place): Promise<Sidecar> {
  if (asksFromNode(plan, place)) return Promise.resolve(NONE)
  found ??= findSidecar()
  return found
}

async function findSidecar(): Promise<Sidecar> {
  const redirects = await readRedirects()
  if (redirects?.rules.length === 0) return NONE
  const taken = await Promise.all(
    ([4, 6] as const).map(async (family) => ((await takesAll(family, null)) ? [family] : [])),
  )
  const families = taken.flat()
  const [first] = families
  if (first === undefined) return NONE
  const { uids = [], gids = [], marks = [], rules = [] } = redirects ?? {}
  const named = [...gids.map((gid) => ({ gid })), ...uids.map((uid) => ({ uid })), ...marks.map((mark) => ({ mark }))]
  const owner = await whoPasses([...named, ...USUAL].slice(0, MOST_OWNERS), families)
  goAround(owner)
  return { is: owner === null ? 'intercepts' : 'around', families, rules, owner }
}

async function whoPasses(owners: readonly SocketOwner[], families: readonly Family[]): Promise<SocketOwner | null> {
  const passes = await Promise.all(
    owners.map(async (owner) => {
      const taken = await Promise.all(families.map((family) => takesAll(family, owner)))
      return !taken.includes(true)
    }),
  )
  return owners.find((_, at) => passes[at]) ?? null
}

/** Whether a connection to an address that nobody has is accepted. */
async function takesAll(family: Family, owner: SocketOwner | null): Promise<boolean> {
  const target: Target = {
    role: 'nobody',
    name: 'nobody',
    address: NOBODYS[family],
    family,
    protocol: 'tcp',
    port: HTTP_PORT,
  }
  const { socket, result } = await dial(target, { budgetMs: NOBODY_MS, ...(owner ? { owner } : {}) }, [0])
  socket?.destroy()
  return result.state === 'connected'
}

/** `connect` from the place, of which a connection proves something: what a proxy took is said to be that. */
export async function connectBeyond(
  plan: Plan,
  place: Place,
  targets: readonly Target[],
): Promise<readonly TcpResult[]> {
  const { is, families } = await sidecarOf(plan, place)
  const results = await connect(targets)
  return is === 'intercepts' ? results.map((result) => asIntercepted(result, families)) : results
}

/** `connectRepeatedly`, likewise. */
export async function connectBeyondRepeatedly(
  plan: Plan,
  place: Place,
  target: Target,
  times: number,
  slowly = false,
): Promise<readonly TcpResult[]> {
  const { is, families } = await sidecarOf(plan, place)
  const { results } = await connectRepeatedly(target, times, { slowly })
  return is === 'intercepts' ? results.map((result) => asIntercepted(result, families)) : results
}

const asIntercepted = (result: TcpResult, families: readonly Family[]): TcpResult =>
  result.state === 'connected' && families.includes(result.target.family) ? { ...result, state: 'intercepted' } : result

/** Codes of a connection that was made, and of which nothing came. */
const NOTHING_CAME: ReadonlySet<Code> = new Set([
  ...['TLS_STALLED', 'TLS_HANDSHAKE_FAILED', 'HTTP_NO_ANSWER', 'DNS_NO_ANSWER', 'DNS_TCP_BLOCKED'],
])

/** Answers over TCP, of which the proxy may have been all that was met: that nothing came back is then no proof of the network. */
export async function beyondProxy<A extends Answer>(
  plan: Plan,
  place: Place,
  answers: readonly A[],
): Promise<readonly A[]> {
  const { is, families } = await sidecarOf(plan, place)
  if (is !== 'intercepts') return answers
  return answers.map((answer) => {
    const { target, code, said } = answer
    const taken = target.protocol === 'tcp' && families.includes(target.family)
    return taken && NOTHING_CAME.has(code ?? '')
      ? { ...answer, code: 'SIDECAR_INTERCEPTS', said: `a proxy in the pod took the connection; ${said}` }
      : answer
  })
}

/** Whether what TCP says of the way to an address is true; where not, it must not be asked. */
export async function tcpProves(plan: Plan, place: Place, { family }: { readonly family: Family }): Promise<boolean> {
  const { is, families } = await sidecarOf(plan, place)
  return is !== 'intercepts' || !families.includes(family)
}

/** What stands between the pod's connections and the network. */
export async function interception(plan: Plan, place: Place): Promise<Outcome<void>> {
  const { is, families, rules, owner } = await sidecarOf(plan, place)
  if (is === 'none')
    return { ok: true, value: undefined, detail: 'nothing in the pod takes its connections', evidence: [] }
  const evidence: Evidence[] = [
    { kind: 'table', name: 'rules that redirect', columns: ['rule'], rows: rules.map((rule) => [rule]) },
  ]
  const who = `a proxy in the pod takes every TCP connection over ${families.map(familyName).join(' and ')}`
  if (owner === null) throw new Inconclusive('SIDECAR_INTERCEPTS', `${who}, and nobody is known to get past it`)
  const [[kind, value] = []] = Object.entries(owner)
  const detail = `${who}; the probes go around it, as ${NAMES[kind ?? ''] ?? kind} ${value}`
  return { ok: true, value: undefined, detail, evidence }
}

const NAMES: Readonly<Record<string, string>> = { uid: 'user', gid: 'group', mark: 'packets with mark' }
