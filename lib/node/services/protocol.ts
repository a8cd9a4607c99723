/** Protocols as netfilter's tools print them. Pure. */
import type { Protocol } from '../../types.ts'

/** IANA's numbers of those that a service can have. */
const NUMBERS: Readonly<Record<string, Protocol>> = { 6: 'tcp', 17: 'udp', 132: 'sctp' }

/** "tcp", "TCP" or "6". */
export const protocolOf = (text: string): Protocol => NUMBERS[text] ?? (text.toLowerCase() as Protocol)
