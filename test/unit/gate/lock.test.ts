/** One run at a time writes a node's reports; a dead run never blocks the next. */
import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { acquireLock, lastNodeName } from '../../../lib/report/lock.ts'

let dir = ''
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'qu-lock-'))
})
afterEach(() => rmSync(dir, { recursive: true }))

const file = () => join(dir, `.k8snetlook-${hostname()}.json`)
const write = (content: unknown) =>
  writeFileSync(file(), typeof content === 'string' ? content : JSON.stringify(content))
const startOf = (pid: number) => readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ')[19] ?? ''

/** A process that lives while `work` runs. */
async function whileAlive(work: (pid: number) => void): Promise<void> {
  const other = spawn('sleep', ['30'])
  try {
    await new Promise((resolve) => other.once('spawn', resolve))
    work(other.pid as number)
  } finally {
    other.kill('SIGKILL')
    await new Promise((resolve) => other.once('exit', resolve))
  }
}

describe('acquireLock', () => {
  it('is taken, renamed and released; the next run finds the node name', () => {
    const lock = acquireLock(dir)
    expect(lock.state).toBe('own')
    if (lock.state === 'own') lock.rename('n1')
    expect(JSON.parse(readFileSync(file(), 'utf8'))).toEqual({
      pid: process.pid,
      start: startOf(process.pid),
      node: 'n1',
    })
    lock.release()
    expect(JSON.parse(readFileSync(file(), 'utf8'))).toEqual({ pid: null, start: null, node: 'n1' })
    expect(lastNodeName(dir)).toBe('n1')
    expect(readdirSync(dir)).toHaveLength(1)
  })

  it('a second live run is told of the first, and leaves its file alone', async () => {
    await whileAlive((pid) => {
      write({ pid, start: startOf(pid), node: 'n1' })
      const before = readFileSync(file(), 'utf8')
      const lock = acquireLock(dir)
      expect(lock).toMatchObject({ state: 'held' })
      expect(lock.state === 'held' && lock.message).toContain(`process ${pid}`)
      expect(lock.state === 'held' && lock.message).toContain('REPORTS_DIR')
      lock.release()
      expect(readFileSync(file(), 'utf8')).toBe(before)
    })
  })

  it('a process id that was given to somebody else meanwhile does not hold it', async () => {
    await whileAlive((pid) => {
      write({ pid, start: '1', node: 'n1' })
      expect(acquireLock(dir).state).toBe('own')
    })
  })

  it.each([
    ['a process that is gone', { pid: 4_194_305, start: '99', node: 'n1' }],
    ['a process that is gone, without start time', { pid: 4_194_305, start: null, node: 'n1' }],
    ['this very process', { pid: process.pid, start: 'x', node: 'n1' }],
    ['nobody', { pid: null, start: null, node: 'n1' }],
    ['half a file', '{"pid": 1'],
    ['null', 'null'],
    ['an empty file', ''],
  ])('%s does not hold it', (_, content) => {
    write(content)
    expect(acquireLock(dir).state).toBe('own')
  })

  it('makes the directory', () => {
    expect(acquireLock(join(dir, 'a/b')).state).toBe('own')
  })

  it('a directory that cannot be made is no lock, and no exception', () => {
    writeFileSync(join(dir, 'file'), '')
    const lock = acquireLock(join(dir, 'file', 'reports'))
    expect(lock.state).toBe('none')
    expect(() => lock.release()).not.toThrow()
    expect(lastNodeName(join(dir, 'file', 'reports'))).toBeUndefined()
  })

  it('the name of a process may hold blanks and parentheses', async () => {
    const path = join(dir, 'x) y (z')
    writeFileSync(path, '#!/bin/sh\nread x\n', { mode: 0o755 })
    const other = spawn(path)
    try {
      await new Promise((resolve) => other.once('spawn', resolve))
      const stat = readFileSync(`/proc/${other.pid}/stat`, 'utf8')
      write({ pid: other.pid, start: stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19], node: 'n1' })
      expect(acquireLock(dir).state).toBe('held')
    } finally {
      other.kill('SIGKILL')
    }
  })
})
