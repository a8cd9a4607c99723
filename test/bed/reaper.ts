/** Waits until the test bed's owner closes the pipe or dies, then takes the bed away. Arguments: directory, prefix. */
import { rmSync } from 'node:fs'
import { teardown } from './teardown.ts'

const [dir = '', prefix = ''] = process.argv.slice(2)

process.stdin.resume()
process.stdin.once('close', () => {
  const left = teardown(dir, prefix)
  if (left.length === 0) return rmSync(`${dir}.reaper.log`, { force: true })
  console.log(`left behind:\n${left.join('\n')}`)
  process.exitCode = 1
})
