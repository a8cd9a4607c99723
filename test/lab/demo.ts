/**
 * The main job on a machine without a cluster: makes the lab, runs `checks/pod` once healthy and once with a fault, shows what
 * the terminal shows, and says where the pages are. Root, Debian; everything it made but the reports is gone at its end.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join, relative } from 'node:path'
import { BLACK_HOLE } from './faults.ts'
import { type Lab, startLab } from './lab.ts'
import { CHECKOUT, type ProductRun, runProduct } from './lab-product.ts'

/** What the lab runs, and the Debian package that has it. */
const NEEDS: readonly { readonly package: string; present(): boolean }[] = [
  { package: 'containerd', present: () => onPath('containerd') && onPath('ctr') },
  { package: 'runc', present: () => onPath('runc') },
  { package: 'containernetworking-plugins', present: () => existsSync('/usr/lib/cni/bridge') },
  { package: 'iproute2', present: () => onPath('ip') && onPath('bridge') },
  { package: 'nftables', present: () => onPath('nft') },
  { package: 'procps', present: () => onPath('sysctl') },
  { package: 'openssl', present: () => onPath('openssl') },
  { package: 'dnsmasq-base', present: () => onPath('dnsmasq') },
  { package: 'busybox-static', present: hasStaticBusybox },
]

function onPath(program: string): boolean {
  const { PATH = '' } = process.env
  return PATH.split(':').some((dir) => existsSync(join(dir, program)))
}

/** A dynamic executable names its loader near its beginning, elf(5) PT_INTERP. */
function hasStaticBusybox(): boolean {
  return existsSync('/bin/busybox') && !readFileSync('/bin/busybox').subarray(0, 4096).includes('/ld-')
}

/** One sentence why the demo cannot run here, or null. */
function obstacle(): string | null {
  if (process.platform !== 'linux') {
    return `The demo makes Linux network namespaces, and this is ${process.platform}: run it on a Debian machine, as root.`
  }
  if (process.getuid?.() !== 0)
    return 'The demo makes network namespaces: run it as root, for example sudo npm run demo.'
  return null
}

/** Installs what is missing, and says so. Returns what stands in the way, or null. */
function installPackages(): string | null {
  const missing = missingPackages()
  if (missing.length === 0) return null
  const list = missing.join(' ')
  if (!onPath('apt-get')) return `The demo needs ${list} (names of Debian packages): install them, then run it again.`
  say(`Installing Debian packages: ${list}`)
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  const apt = (...args: string[]) =>
    spawnSync('apt-get', ['-qq', ...args], { env, stdio: ['ignore', 'ignore', 'inherit'] }).status === 0
  const install = () => apt('install', '-y', '--no-install-recommends', ...missing)
  // a fresh machine has no package lists
  if ((install() || (apt('update') && install())) && missingPackages().length === 0) return null
  return `apt-get could not install ${missingPackages().join(' ')}: install them by hand, then run it again.`
}

const missingPackages = () => NEEDS.filter(({ present }) => !present()).map((need) => need.package)

function say(text: string): void {
  process.stdout.write(`\n==> ${text}\n\n`)
}

function giveUp(why: string): void {
  console.error(why)
  process.exitCode = 1
}

async function run(lab: Lab, name: string): Promise<ProductRun> {
  const reports = join(CHECKOUT, 'reports', name)
  rmSync(reports, { recursive: true, force: true })
  say(`SRC_POD=bbox EXTERNAL_IP=${lab.plan.outside.join(',')} npx vitest run checks/pod`)
  return runProduct(lab, { env: { REPORTS_DIR: reports }, show: true })
}

const pageOf = ({ reportsDir }: ProductRun) => relative(CHECKOUT, join(reportsDir, 'report-n1.html'))

async function demo(): Promise<void> {
  say(
    'Making two nodes in network namespaces: containerd, runc, CNI, VXLAN, eight pods, cluster DNS and a stand-in for the API server',
  )
  const lab = await startLab({ prefix: 'demo' })
  try {
    say('1 of 2: all is well')
    const healthy = await run(lab, 'demo-healthy')
    say(
      '2 of 2: the network between the nodes silently drops packets of more than 1400 bytes, VXLAN header included.\n    Ping, DNS and TCP connections still work, and large answers hang.',
    )
    BLACK_HOLE.inject(lab)
    const faulty = await run(lab, 'demo-fault')
    say(
      `Exit code ${healthy.exitCode} when all was well: ${pageOf(healthy)}\n    Exit code ${faulty.exitCode} with the fault:     ${pageOf(faulty)}`,
    )
  } finally {
    await lab.stop()
  }
}

// "su" without "-" leaves a user's PATH, in which there is no nft and no ip
const { PATH = '' } = process.env
Object.assign(process.env, { PATH: `${PATH}:/usr/sbin:/sbin` })

const trouble = obstacle() ?? installPackages()
if (trouble === null) {
  await demo().catch((error: Error) => giveUp(`The demo ended early: ${error.message}`))
} else giveUp(trouble)
