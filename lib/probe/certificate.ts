/** What a TLS peer's certificate is worth: one stable code for each way it can be wrong. */
import { isIP } from 'node:net'
import { checkServerIdentity, type PeerCertificate, type TLSSocket } from 'node:tls'
import { canonicalAddress } from '../packet/address.ts'

export type CertificateCode = 'TLS_CERT_EXPIRED' | 'TLS_CERT_NOT_YET_VALID' | 'TLS_UNTRUSTED' | 'TLS_NAME_MISMATCH'

/** The leaf certificate as a report shows it. */
export interface Certificate {
  readonly subject: string
  readonly issuer: string
  /** ISO 8601. */
  readonly validFrom: string
  readonly validTo: string
  /** DNS names and IP addresses, without their kind. */
  readonly altNames: readonly string[]
}

/** The leaf that the peer of a finished handshake showed; null when it showed none. */
export function certificateOf(socket: TLSSocket): Certificate | null {
  const peer = socket.getPeerCertificate()
  if (!peer?.valid_to) return null
  return {
    subject: distinguishedName(peer.subject),
    issuer: distinguishedName(peer.issuer),
    validFrom: new Date(peer.valid_from).toISOString(),
    validTo: new Date(peer.valid_to).toISOString(),
    altNames: (peer.subjectaltname ?? '').split(', ').filter(Boolean).map(withoutKind),
  }
}

/**
 * Judges a handshake that was made with rejectUnauthorized off. `error` is OpenSSL's verification error (the last one
 * it met: dates are looked at after the chain), in the names of X509_verify_cert_error_string(3).
 */
export function judgeCertificate(
  error: string | null,
  serverName: string,
  peer: PeerCertificate,
): { readonly code: CertificateCode; readonly detail: string } | null {
  const code = error === null ? null : (DATES[error] ?? 'TLS_UNTRUSTED')
  if (code) return { code, detail: sentence(code, error ?? '', peer) }
  const mismatch = checkServerIdentity(serverName, peer)
  if (!mismatch) return null
  return {
    code: 'TLS_NAME_MISMATCH',
    detail: `The certificate is not for ${serverName}: ${mismatch.message.replace(/^.*altnames: /, '')}`,
  }
}

/** The name to send in the ClientHello: RFC 6066 section 3 allows no addresses there. */
export function sniFor(serverName: string): string | null {
  return isIP(serverName) === 0 && serverName !== '' ? serverName : null
}

const DATES: Readonly<Record<string, CertificateCode>> = {
  CERT_HAS_EXPIRED: 'TLS_CERT_EXPIRED',
  CERT_NOT_YET_VALID: 'TLS_CERT_NOT_YET_VALID',
}

function sentence(code: CertificateCode, error: string, peer: PeerCertificate): string {
  const who = distinguishedName(peer.subject)
  if (code === 'TLS_CERT_EXPIRED') {
    return `The certificate of ${who}, or one that signed it, has expired (its own end: ${peer.valid_to}).`
  }
  if (code === 'TLS_CERT_NOT_YET_VALID') {
    return `The certificate of ${who}, or one that signed it, is not valid yet (its own start: ${peer.valid_from}; the clock here says ${new Date().toISOString()}).`
  }
  return `The certificate of ${who}, issued by ${distinguishedName(peer.issuer)}, is not signed by the known CA (${error}).`
}

function distinguishedName(name: PeerCertificate['subject'] | undefined): string {
  const parts = Object.entries(name ?? {}).map(([key, value]) => `${key}=${[value].flat().join('+')}`)
  return parts.join(', ') || 'no name'
}

function withoutKind(altName: string): string {
  return canonicalAddress(altName.replace(/^(DNS|IP Address|URI|email):/, ''))
}
