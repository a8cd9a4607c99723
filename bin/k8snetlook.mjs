#!/usr/bin/env node
/**
 * `k8snetlook checks/pod` is `vitest run checks/pod`, in this process and from any working directory; `k8snetlook list checks/pod` is
 * the dry run. It is what the image and the release tarball start. Nothing but REPORTS_DIR must be writable.
 */
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ensureTemporaryDirectory } from './temporary.mjs'

const INSTALLED = fileURLToPath(new URL('..', import.meta.url))
const VITEST = join(INSTALLED, 'node_modules/vitest/vitest.mjs')

const [first, ...others] = process.argv.slice(2)
const [command, filters] = first === 'run' || first === 'list' ? [first, others] : ['run', process.argv.slice(2)]

// The first process of a container dies of no signal that it does not handle. Once the run has begun, its own handlers come first.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => process.exit(2))

ensureTemporaryDirectory()
// reports say how to ask again
process.env.K8SNETLOOK_LAUNCHED = '1'
// --configLoader runner: the other loader writes beside the configuration
process.argv = [process.argv[0], VITEST, command, '--root', INSTALLED, '--configLoader', 'runner', ...filters]
await import(VITEST)
