/** What must not leave: credentials never, names and addresses not with REDACT=1. Everything that a run writes is searched. */
import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { violations } from '../unit/report/schema.ts'
import { type Lab, startLab } from './lab.ts'
import { kubeconfig } from './lab-api.ts'
import { startProduct } from './lab-product.ts'

let lab: Lab
beforeAll(async () => {
  lab = await startLab({ prefix: 'lbx' })
})
afterAll(() => lab?.stop())

interface Left {
  readonly terminal: string
  readonly [file: string]: string
}

/** Everything that a run shows or leaves: the terminal, and each file with its name. */
async function leftBy(env: Record<string, string>, args: readonly string[]): Promise<Left> {
  const dir = mkdtempSync(join(lab.dir, 'reports-'))
  const { stdout, stderr } = await startProduct(lab, { env: { ...env, REPORTS_DIR: dir }, args }).finished
  const files = readdirSync(dir).filter((name) => !name.startsWith('.'))
  // the directory's own name is the test's
  const texts = files.map((name) => [name, readFileSync(join(dir, name), 'utf8').replaceAll(dir, '')] as const)
  return { terminal: (stdout + stderr).replaceAll(dir, ''), ...Object.fromEntries(texts) }
}

const MARK = 'dfKq7ZtWm3xR9vLs2nBh'
const base64 = (text: string) => Buffer.from(text).toString('base64')

/** The marker, plain and as kubeconfigs write it, at any place of a group of three bytes. */
const MARKS = [MARK, base64(MARK).slice(0, 24), base64(`x${MARK}`).slice(4, 24), base64(`xx${MARK}`).slice(4, 24)]

function plugin(name: string, script: string): object {
  const command = join(lab.dir, name)
  writeFileSync(command, `#!/bin/sh\n${script}\n`, { mode: 0o755 })
  return { exec: { apiVersion: 'client.authentication.k8s.io/v1', command, interactiveMode: 'Never' } }
}

describe('a marker does not come out again that is planted as', () => {
  const withUser = (user: object, cluster: object = {}) => kubeconfig(lab.pki, lab.plan, { user, cluster })
  it.each<[string, () => object | string]>([
    ['a token that is refused', () => withUser({ token: MARK })],
    ['user name and password', () => withUser({ username: 'admin', password: MARK })],
    [
      'client certificate and key that are none',
      () => withUser({ 'client-certificate-data': base64(MARK), 'client-key-data': base64(`xx${MARK}`) }),
    ],
    [
      'a key that is none, of a sound certificate',
      () =>
        withUser({
          'client-certificate-data': base64(lab.pki.admin.cert),
          'client-key-data': base64(`-----BEGIN PRIVATE KEY-----\n${MARK}\n-----END PRIVATE KEY-----\n`),
        }),
    ],
    [
      'a certificate authority that is none',
      () => withUser({ token: MARK }, { 'certificate-authority-data': base64(MARK) }),
    ],
    ['credentials of a proxy', () => withUser({ token: MARK }, { 'proxy-url': `http://user:${MARK}@127.0.0.1:1` })],
    ['a proxy that is no URL', () => withUser({}, { 'proxy-url': `http://user:${MARK}@[bad` })],
    ['credentials in the URL of the server', () => withUser({}, { server: `https://user:${MARK}@198.51.100.1:6443` })],
    [
      'output of a plug-in that fails',
      () => withUser(plugin('fails', `echo "token ${MARK}"; echo "no session: token=${MARK}" >&2; exit 3`)),
    ],
    ['output of a plug-in that prints no credential', () => withUser(plugin('prints', `echo '{"status": "${MARK}"'`))],
    ['a line of a kubeconfig that is not YAML', () => `users:\n- user: {token: ${MARK}\n  x: [\n`],
    ['a kubeconfig that is a bare text', () => MARK],
  ])('%s', async (name, content) => {
    const path = lab.writeKubeconfig(`marked-${name.replace(/\W/g, '')}`, content())
    const left = await leftBy({ KUBECONFIG: path }, ['run', 'checks/host/preflight', 'checks/host/kubeconfig-server'])
    expect(Object.keys(left).length).toBe(6)
    for (const [file, text] of Object.entries(left)) {
      expect(`${file} ${MARKS.filter((mark) => text.includes(mark))}`).toBe(`${file} `)
    }
  })
})

describe('with REDACT=1', () => {
  /** Names and addresses of the lab. */
  const instances = (): RegExp => {
    const names = Object.values(lab.pods).map(({ name }) => name)
    const nodes = lab.nodes.map(({ name }) => name)
    const address = '198\\.(?:51\\.100|1[89])\\.\\d+(?:\\.\\d+)?|192\\.0\\.2\\.\\d+|203\\.0\\.113\\.\\d+|2001:db8:'
    return new RegExp(`(?<![\\w-])(?:${[...names, ...nodes].join('|')})(?![\\w])|${address}`)
  }

  it.each([
    ['a healthy run', {}],
    ['a run whose destination does not exist', { DST_POD: 'payroll/ledger-0' }],
    ['a run that may not ask the API', { KUBECONFIG: '/nonexistent/n1', SRC_POD: 'default/bbox' }],
  ])("%s shows no name and no address in any file, in the files' names or in the terminal", async (_, env) => {
    const left = await leftBy({ ...env, REDACT: '1' }, ['run', 'checks/pod'])
    const forbidden = new RegExp(`${instances().source}|payroll|ledger`)
    const shown = Object.entries(left).map(([file, text]) => [file, text.replaceAll(lab.dir, '')] as const)
    for (const [file, text] of shown)
      expect(`${file}: ${forbidden.exec(`${file}\n${text}`)?.[0] ?? ''}`).toBe(`${file}: `)
    const [json = ''] = Object.keys(left).filter((file) => /^report-node-[0-9a-f]{8}\.json$/.test(file))
    const report = JSON.parse(left[json] ?? '')
    expect(violations(report)).toEqual([])
    expect(report.results.length).toBeGreaterThan(40)
    const pseudonyms = new Set(left.terminal.match(/pod-[0-9a-f]{8}/g))
    for (const one of pseudonyms) expect(left[json]).toContain(one)
  })

  it('the dry run shows none either', async () => {
    const { terminal } = await leftBy({ REDACT: '1' }, ['list', 'checks/pod'])
    expect(instances().exec(terminal.replaceAll(lab.dir, ''))?.[0] ?? '').toBe('')
    expect(terminal).toMatch(/source pod .*pod-[0-9a-f]{8}/)
  })
})
