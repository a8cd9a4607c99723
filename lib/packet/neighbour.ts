/** "Who has this address?" and its answers, of both families: payloads of Ethernet frames, without the Ethernet header. */
import { addressBytes } from './address.ts'
import { internetChecksum } from './icmp.ts'

export interface LinkQuestion {
  /** 0x0806 or 0x86dd. */
  readonly etherType: number
  readonly destination: Uint8Array
  readonly payload: Uint8Array
}

const ETHERTYPE_ARP = 0x0806
const ETHERTYPE_IPV6 = 0x86dd
const BROADCAST = Buffer.alloc(6, 0xff)

/** ARP request (RFC 826) for `target`, from an address and MAC of ours, to everybody. */
export function arpRequest(source: string, sourceMac: string, target: string): LinkQuestion {
  const head = Buffer.from([0, 1, 8, 0, 6, 4, 0, 1])
  const nobody = Buffer.alloc(6)
  const payload = Buffer.concat([head, macBytes(sourceMac), addressBytes(source), nobody, addressBytes(target)])
  return { etherType: ETHERTYPE_ARP, destination: BROADCAST, payload }
}

/** Neighbour solicitation (RFC 4861 section 4.3) for `target` with our link layer address, to its solicited-node group. */
export function neighbourSolicitation(source: string, sourceMac: string, target: string): LinkQuestion {
  return solicitation(source, target, Buffer.concat([Buffer.from([SOURCE_LINK_ADDRESS, 1]), macBytes(sourceMac)]))
}

function solicitation(source: string, target: string, option: Buffer): LinkQuestion {
  const wanted = addressBytes(target)
  const group = Buffer.concat([addressBytes('ff02::1:ff00:0').subarray(0, 13), wanted.subarray(13)])
  const message = Buffer.concat([Buffer.from([SOLICITATION, 0, 0, 0, 0, 0, 0, 0]), wanted, option])
  const addresses = Buffer.concat([addressBytes(source), group])
  const pseudo = Buffer.concat([addresses, Buffer.from([0, 0, 0, message.length, 0, 0, 0, ICMPV6])])
  message.writeUInt16BE(internetChecksum(Buffer.concat([pseudo, message])), 2)
  const header = Buffer.from([0x60, 0, 0, 0, 0, message.length, ICMPV6, HOP_LIMIT])
  const destination = Buffer.concat([Buffer.from([0x33, 0x33]), group.subarray(12)])
  return { etherType: ETHERTYPE_IPV6, destination, payload: Buffer.concat([header, addresses, message]) }
}

/**
 * "Does anybody else have this address?" (RFC 5227 section 1.1: an ARP request without a sender's address; RFC 4862 section 5.4.2: a
 * solicitation from the unspecified address). It changes nobody's neighbour table.
 */
export function conflictProbe(address: string, ownMac: string): LinkQuestion {
  return address.includes(':') ? duplicateSolicitation(address) : arpRequest('0.0.0.0', ownMac, address)
}

function duplicateSolicitation(target: string): LinkQuestion {
  return solicitation('::', target, Buffer.alloc(0))
}

/** The MAC that claims `address` in an ARP packet or a neighbour advertisement; null: it is about something else. */
export function claimedBy(address: string, payload: Buffer, frameMac: string): string | null {
  const wanted = addressBytes(address)
  if (wanted.length === 4) {
    const says = payload.length >= 28 && payload.subarray(14, 18).equals(wanted)
    return says ? macText(payload.subarray(8, 14)) : null
  }
  const [next, type] = [payload[6], payload[40]]
  if (payload.length < 64 || next !== ICMPV6 || type !== ADVERTISEMENT || !payload.subarray(48, 64).equals(wanted))
    return null
  const hasOption = payload.length >= 72 && payload[64] === TARGET_LINK_ADDRESS
  return hasOption ? macText(payload.subarray(66, 72)) : frameMac
}

const ADVERTISEMENT = 136
const TARGET_LINK_ADDRESS = 2

const macText = (bytes: Buffer): string => [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join(':')

const SOLICITATION = 135
const SOURCE_LINK_ADDRESS = 1
const ICMPV6 = 58
/** RFC 4861 section 7.1.1: anything less has crossed a router and is dropped. */
const HOP_LIMIT = 255

function macBytes(mac: string): Buffer {
  return Buffer.from(mac.replaceAll(':', ''), 'hex')
}
