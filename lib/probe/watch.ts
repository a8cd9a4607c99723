/** What passes the interfaces of this namespace for some addresses, between two readings. One watch a process. */
import { readPacket, type SeenPacket } from '../packet/frame.ts'
import { openTap, type Tap } from '../socket/tap.ts'

export interface Sighting {
  readonly interfaceIndex: number
  readonly outgoing: boolean
  readonly forAnother: boolean
  readonly packet: SeenPacket
}

let tap: Tap | null = null

/** Starts to watch; null, or why that cannot be. */
export function watchAddresses(addresses: readonly string[]): string | null {
  stopWatching()
  const opened = openTap(addresses)
  if (typeof opened === 'string') return opened
  tap = opened
  return null
}

/** What has passed since the last call. */
export function readWatch(): readonly Sighting[] {
  return (tap?.read() ?? []).flatMap(({ bytes, ...where }) => {
    const packet = readPacket(bytes)
    return packet ? [{ ...where, packet }] : []
  })
}

export function stopWatching(): void {
  tap?.close()
  tap = null
}
