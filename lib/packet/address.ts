import ipaddr from 'ipaddr.js'

/** An IP address as it is compared: RFC 5952 text, a zone kept; what is no address is returned as it is. */
export function canonicalAddress(address: string): string {
  return ipaddr.isValid(address) ? ipaddr.parse(address).toString() : address
}

/** An address without its zone: fe80::1%eth0 becomes fe80::1. */
export function withoutZone(address: string): string {
  return address.replace(/%.*$/, '')
}

/** The bytes of an address, in network order; a zone is ignored. Throws for what is no address. */
export function addressBytes(address: string): Buffer {
  return Buffer.from(ipaddr.parse(withoutZone(address)).toByteArray())
}
