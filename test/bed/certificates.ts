/** Certificates for tests, by openssl: a CA and leaves that can be expired, early or foreign. Keys never leave the temporary directory. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { run } from './namespace.ts'

const CONFIG = `[ca]
default_ca = test
[test]
database = index
serial = serial
new_certs_dir = .
default_md = sha256
policy = any
unique_subject = no
copy_extensions = copy
[any]
commonName = supplied
organizationName = optional
`
const KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']

export interface Leaf {
  readonly cert: string
  readonly key: string
}

/** Dates are OpenSSL's: YYYYMMDDHHMMSSZ. */
export interface LeafOptions {
  /** Names of a server: "DNS:kubernetes.default.svc,IP:198.51.100.1". */
  readonly altNames?: string
  /** Of a client: "/O=system:masters/CN=admin" (group and user). */
  readonly subject?: string
  readonly from?: string
  readonly to?: string
}

/** A certificate authority with its PEM; `issue` signs leaves. `remove` deletes everything it made. */
export function authority(name: string): { ca: string; issue(options: LeafOptions): Leaf; remove(): void } {
  const dir = mkdtempSync(join(tmpdir(), 'pki-'))
  const openssl = (args: readonly string[]) => run('bash', ['-c', 'cd "$0" && exec openssl "$@"', dir, ...args])
  openssl(['req', '-x509', ...KEY, '-keyout', 'ca.key', '-out', 'ca.crt', '-days', '30', '-subj', `/CN=${name}`])
  writeFileSync(join(dir, 'ca.cnf'), CONFIG)
  writeFileSync(join(dir, 'index'), '')
  writeFileSync(join(dir, 'serial'), '01')
  return {
    ca: readFileSync(join(dir, 'ca.crt'), 'utf8'),
    issue({ altNames, subject = '/CN=kube-apiserver', from = '20200101000000Z', to = '20490101000000Z' }) {
      const request = ['req', '-new', ...KEY, '-keyout', 'leaf.key', '-out', 'leaf.csr', '-subj', subject]
      openssl([...request, ...(altNames ? ['-addext', `subjectAltName=${altNames}`] : [])])
      const dates = ['-startdate', from, '-enddate', to]
      const sign = ['ca', '-batch', '-notext', '-config', 'ca.cnf', '-cert', 'ca.crt', '-keyfile', 'ca.key']
      openssl([...sign, ...dates, '-in', 'leaf.csr', '-out', 'leaf.crt'])
      const read = (file: string) => readFileSync(join(dir, file), 'utf8')
      return { cert: read('leaf.crt'), key: read('leaf.key') }
    },
    remove: () => rmSync(dir, { recursive: true }),
  }
}
