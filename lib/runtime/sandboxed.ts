/**
 * Runtimes whose pods do not use the node's kernel for their network: probes from their namespace would mean nothing.
 * Pure.
 */
import type { NamespaceView } from './process.ts'
import { RuntimeError, type SandboxDetails } from './types.ts'

const SANDBOXED = /(?:^|[^a-z])(runsc|gvisor|kata|firecracker|krun|urunc|quark)(?:[^a-z]|$)/i
const PLAIN = /(?:^|[^a-z])(runc|crun|youki)(?:[^a-z]|$)/i

/**
 * Whether the runtime's own words name a sandboxed runtime; the shim's type decides over the handler, whose name is
 * free.
 */
export function saysSandboxed({ runtimeType, runtimeHandler }: SandboxDetails): boolean {
  return SANDBOXED.test(namedRuntime(runtimeType, runtimeHandler))
}

/**
 * Whether the namespace looks like a sandbox's: Kata leaves tap0_kata there, and gVisor takes every address off the
 * devices and drives them by AF_PACKET. A plain runtime's namespace without addresses is a broken pod, not a sandbox.
 */
export function looksSandboxed({ addresses, devices }: NamespaceView, details: SandboxDetails): boolean {
  if (devices.some((device) => /_kata$/.test(device))) return true
  if (PLAIN.test(namedRuntime(details.runtimeType, details.runtimeHandler))) return false
  return addresses.length === 0 && devices.includes('eth0')
}

export const sandboxed = (pod: string, details: SandboxDetails): RuntimeError =>
  new RuntimeError(
    'SANDBOXED_RUNTIME',
    `pod ${pod} runs in a sandboxed runtime (${namedRuntime(details.runtimeType, details.runtimeHandler) || 'its namespace has eth0 without an address'}): its network stack is not in the node's kernel`,
    'Ask from a pod of an ordinary runtime on the same node, or run the suite inside the sandbox.',
  )

const namedRuntime = (type: string | null, handler: string | null): string => type || handler || ''
