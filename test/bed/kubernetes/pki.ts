/** The cluster's certificates and kubeconfigs, made with openssl; valid for a day. */
import { execFile } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'

const execute = promisify(execFile)
const KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
const DAYS = ['-days', '1']

export interface Identity {
  /** File name: <name>.crt, <name>.key and, for clients, <name>.kubeconfig. */
  readonly name: string
  /** e.g. /O=system:nodes/CN=system:node:n1; RBAC reads O as group and CN as user. */
  readonly subject: string
  /** e.g. DNS:kubernetes,IP:192.0.2.1 */
  readonly altNames?: string
}

/** Makes a CA, the identities signed by it, and a key pair for service account tokens (sa.key, sa.pub) in `dir`. */
export async function makePki(dir: string, identities: readonly Identity[]): Promise<void> {
  const openssl = (...args: string[]) => execute('openssl', args, { cwd: dir })
  const usage = ['basicConstraints=critical,CA:TRUE', 'keyUsage=critical,keyCertSign,cRLSign']
  await Promise.all([
    openssl(
      ...['req', '-x509', ...KEY, ...DAYS, '-keyout', 'ca.key', '-out', 'ca.crt', '-subj', '/CN=bed-ca'],
      ...usage.flatMap((extension) => ['-addext', extension]),
    ),
    openssl('ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', 'sa.key').then(() =>
      openssl('ec', '-in', 'sa.key', '-pubout', '-out', 'sa.pub'),
    ),
  ])
  await Promise.all(identities.map((identity) => sign(openssl, dir, identity)))
}

async function sign(openssl: (...args: string[]) => Promise<unknown>, dir: string, identity: Identity): Promise<void> {
  const { name, subject, altNames } = identity
  await openssl('req', ...KEY, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', subject)
  const extensions = `extendedKeyUsage=serverAuth,clientAuth\n${altNames ? `subjectAltName=${altNames}\n` : ''}`
  writeFileSync(join(dir, `${name}.ext`), extensions)
  await openssl(
    ...['x509', '-req', '-in', `${name}.csr`, '-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial'],
    ...[...DAYS, '-CAserial', `${name}.srl`, '-out', `${name}.crt`, '-extfile', `${name}.ext`],
  )
}

/** Writes <name>.kubeconfig for one of the identities and returns its path. */
export function writeKubeconfig(dir: string, name: string, server: string): string {
  const base64 = (file: string) => readFileSync(join(dir, file)).toString('base64')
  const credentials = { 'client-certificate-data': base64(`${name}.crt`), 'client-key-data': base64(`${name}.key`) }
  const path = join(dir, `${name}.kubeconfig`)
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'bed', cluster: { server, 'certificate-authority-data': base64('ca.crt') } }],
    users: [{ name, user: credentials }],
    contexts: [{ name: 'bed', context: { cluster: 'bed', user: name } }],
    'current-context': 'bed',
  }
  // JSON is YAML
  writeFileSync(path, JSON.stringify(config, null, 2))
  return path
}
