/**
 * Addresses that the CNI plug-in host-local has given out on this node: a file for each, named after it, whose first line is the
 * sandbox (plugins/ipam/host-local/backend/disk). Read as it stands; nothing is locked.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { join } from 'node:path'

/** Where the usual CNI plug-ins keep them (host-local itself; kind's kindnet). */
export const USUAL_LEASES = ['/var/lib/cni/networks', '/run/cni-ipam-state'] as const

export interface LeaseDirectory {
  /** As seen on the node. */
  readonly path: string
  readonly addresses: readonly string[]
}

/** The networks below the directories, those of them that hold leases. `root`: the node's file system, "" for our own. */
export function readLeases(root: string, directories: readonly string[]): readonly LeaseDirectory[] {
  return directories.flatMap((directory) =>
    list(root + directory)
      .map((network) => join(directory, network))
      .map((path) => ({ path, addresses: list(root + path).filter((name) => isIP(name) !== 0) }))
      .filter(({ addresses }) => addresses.length > 0),
  )
}

/** Leases whose sandbox is not among those that exist. What cannot be read is no leak. */
export function leakedLeases(
  root: string,
  { path, addresses }: LeaseDirectory,
  sandboxes: ReadonlySet<string>,
): readonly string[] {
  return addresses.filter((address) => {
    const owner = ownerOf(join(root + path, address))
    return owner !== null && !sandboxes.has(owner)
  })
}

function ownerOf(file: string): string | null {
  try {
    return readFileSync(file, 'utf8').split(/\r?\n/)[0]?.trim() || null
  } catch {
    return null
  }
}

function list(path: string): string[] {
  try {
    return readdirSync(path)
  } catch {
    return []
  }
}
