/** Which checks of a node are about other nodes. Pure. */
import type { Result } from '../types.ts'

/** How a check asks its peers. */
export type Way = 'ping' | 'tcp' | 'mtu'

const PEERS = /(?:^|[/\\])peers-(ping|tcp|mtu)\.test\.ts$/
const REPLICAS = /(?:^|[/\\])dns-replicas\.test\.ts$/

/** null: it is about something else. */
export const wayOf = ({ file }: Pick<Result, 'file'>): Way | null => (PEERS.exec(file)?.[1] as Way | undefined) ?? null

export const asksPeers = (result: Pick<Result, 'file'>): boolean => wayOf(result) !== null

export const asksReplicas = ({ file }: Pick<Result, 'file'>): boolean => REPLICAS.test(file)

/** Of checks that ask other nodes the cluster's own questions tell; all others are the node's own. */
export const isOwn = (result: Pick<Result, 'file'>): boolean => !asksPeers(result) && !asksReplicas(result)
