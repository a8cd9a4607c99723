/** The product, run as a user runs it: on a node, as root, with nothing but environment variables. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Report, Result } from '../../lib/types.ts'
import { netnsPath } from '../bed/namespace.ts'
import type { Lab } from './lab.ts'

export const CHECKOUT = fileURLToPath(new URL('../..', import.meta.url))

export interface ProductOptions {
  /** Added to KUBECONFIG, CONTAINER_RUNTIME_ENDPOINT, NODE_NAME, REPORTS_DIR, SRC_POD, EXTERNAL_IP and EXTERNAL_NAME; undefined takes one away. */
  readonly env?: Readonly<Record<string, string | undefined>>
  /** Vitest's arguments; default: run checks/pod. */
  readonly args?: readonly string[]
  /** A command that runs the product: setpriv with its options, say. */
  readonly wrapper?: readonly string[]
  /** Where the product lies. */
  readonly cwd?: string
  /** The output goes to our own terminal as it comes, and is not collected. */
  readonly show?: boolean
}

export interface ProductRun {
  /** null when a signal ended it. */
  readonly exitCode: number | null
  readonly stdout: string
  readonly stderr: string
  readonly seconds: number
  /** The reports; each throws when it was not written. */
  readonly report: Report
  readonly junit: string
  readonly html: string
  readonly reportsDir: string
}

export interface StartedProduct {
  readonly process: ChildProcess
  readonly reportsDir: string
  /** Standard output until now. */
  output(): string
  readonly finished: Promise<ProductRun>
}

/** Runs the product on the first node and waits for its end. */
export const runProduct = (lab: Lab, options: ProductOptions = {}): Promise<ProductRun> =>
  startProduct(lab, options).finished

export function startProduct(lab: Lab, options: ProductOptions = {}): StartedProduct {
  const [node] = lab.nodes
  const { REPORTS_DIR: reportsDir = mkdtempSync(join(lab.dir, 'reports-')) } = options.env ?? {}
  const env = environment(lab, reportsDir, options.env)
  const vitest = [process.execPath, 'node_modules/vitest/vitest.mjs', ...(options.args ?? ['run', 'checks/pod'])]
  const command = [...(options.wrapper ?? []), ...vitest]
  const started = Date.now()
  const child = spawn('nsenter', [`--net=${netnsPath(node.namespace)}`, ...command], {
    cwd: options.cwd ?? CHECKOUT,
    env,
    stdio: options.show ? ['ignore', 'inherit', 'inherit'] : ['ignore', 'pipe', 'pipe'],
  })
  const stdout = collect(child.stdout)
  const stderr = collect(child.stderr)
  const finished = once(child, 'close').then(([code]): ProductRun => {
    // now: another run may write its own there
    const files = [`report-${node.name}.json`, `junit-${node.name}.xml`, `report-${node.name}.html`] as const
    const texts = new Map(files.map((file) => [file, readIfThere(join(reportsDir, file))]))
    const read = (file: (typeof files)[number]): string => {
      const text = texts.get(file)
      if (text) return text
      throw new Error(`${file} was not written; exit code ${code}, the terminal showed:\n${stdout()}${stderr()}`)
    }
    return {
      exitCode: code as number | null,
      stdout: stdout(),
      stderr: stderr(),
      seconds: (Date.now() - started) / 1000,
      get report() {
        return JSON.parse(read(`report-${node.name}.json`)) as Report
      },
      get junit() {
        return read(`junit-${node.name}.xml`)
      },
      get html() {
        return read(`report-${node.name}.html`)
      },
      reportsDir,
    }
  })
  return { process: child, reportsDir, output: stdout, finished }
}

function environment(lab: Lab, reportsDir: string, change: ProductOptions['env'] = {}): NodeJS.ProcessEnv {
  const [node] = lab.nodes
  const { PATH = '' } = process.env
  const env: NodeJS.ProcessEnv = {
    PATH,
    // no kubeconfig of the person who runs the tests
    HOME: lab.dir,
    KUBECONFIG: lab.kubeconfig,
    CONTAINER_RUNTIME_ENDPOINT: `unix://${node.socket}`,
    NODE_NAME: node.name,
    SRC_POD: 'bbox',
    EXTERNAL_IP: lab.plan.outside.join(','),
    EXTERNAL_NAME: 'outside.test',
    REPORTS_DIR: reportsDir,
    ...change,
  }
  return Object.fromEntries(Object.entries(env).filter(([, value]) => value !== undefined))
}

function collect(stream: NodeJS.ReadableStream | null): () => string {
  const parts: string[] = []
  stream?.setEncoding('utf8').on('data', (part: string) => parts.push(part))
  return () => parts.join('')
}

const readIfThere = (path: string): string | null => (existsSync(path) ? readFileSync(path, 'utf8') : null)

/** "pod/mtu-destination": a check's file without what all have in common. */
const checkOf = ({ file }: Result): string => file.replace(/^.*checks\//, '').replace(/\.test\.ts$/, '')

/** One line for each result that neither passed nor was left out: "fail pod/gateway IPv4 UNREACHABLE"; sorted. */
export function troubles(report: Report): string[] {
  return report.results
    .filter(({ verdict }) => verdict !== 'pass' && verdict !== 'not-applicable')
    .map(line)
    .sort()
}

/** "pod/external-ping IPv6" of every result with a verdict, sorted. */
export function withVerdict(report: Report, verdict: Result['verdict']): string[] {
  return report.results
    .filter((result) => result.verdict === verdict)
    .map(place)
    .sort()
}

const place = (result: Result): string =>
  [checkOf(result), ...(result.row ? [result.row] : []), ...(result.family ? [`IPv${result.family}`] : [])].join(' ')

const line = (result: Result): string => [result.verdict, place(result), result.code].join(' ')
