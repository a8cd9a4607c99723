/**
 * One process for each place, and the places side by side: what Vitest's own pool cannot do, which knows one number of workers for
 * all projects of a group. Vitest is given as many workers as there are files; those of one project share one process
 * (Vitest's own worker), which is asked once for all files that wait, and runs one after the other.
 */
import { EventEmitter } from 'node:events'
import { ForksPoolWorker, type PoolOptions, type PoolWorker, type WorkerRequest } from 'vitest/node'

/** More than there are check files: then no file waits in Vitest's queue, only for its place. */
export const MOST_FILES = 1024

/** `pool` of a project's Vitest configuration. Each call makes a place of its own. */
export function placePool() {
  let shared: SharedProcess | undefined
  return {
    name: 'place',
    createPoolWorker(options: PoolOptions): PoolWorker {
      if (shared === undefined || shared.ended) shared = new SharedProcess(options)
      return shared.join()
    },
  }
}

/** What a worker answers (Vitest's WorkerResponse), as far as it is looked at here. */
interface Response {
  readonly __vitest_worker_response__?: true
  readonly type?: 'started' | 'stopped' | 'testfileFinished'
}

const isResponse = (message: unknown, type: Response['type']): boolean =>
  (message as Response)?.__vitest_worker_response__ === true && (message as Response).type === type

type Run = Extract<WorkerRequest, { type: 'run' | 'collect' }>

interface Asked {
  readonly member: Member
  readonly request: Run
}

/** The process of a place, and the files that share it. */
class SharedProcess {
  ended = false
  readonly #fork: ForksPoolWorker
  readonly #members = new Set<Member>()
  /** Who waits to run, in order. */
  #waiting: Asked[] = []
  /** Who is running. */
  #running: readonly Asked[] = []
  #up: Promise<void> | undefined
  /** The worker's answer to its first 'start', which every member gets. */
  #started: unknown
  #asked = false

  constructor(options: PoolOptions) {
    this.#fork = new ForksPoolWorker(options)
  }

  join(): Member {
    const member = new Member(this)
    this.#members.add(member)
    return member
  }

  start(): Promise<void> {
    this.#up ??= this.#fork.start().then(() => {
      this.#fork.on('message', (message) => this.#hear(message))
      this.#fork.on('error', (error) => this.#tellAll('error', error))
      this.#fork.on('exit', (code) => {
        this.ended = true
        this.#tellAll('exit', code)
      })
    })
    return this.#up
  }

  send(member: Member, request: WorkerRequest): void {
    if (request.type === 'start') this.#begin(member, request)
    else if (request.type === 'stop') this.#leave(member, request)
    else if (request.type === 'run' || request.type === 'collect') this.#queue(member, request)
    else this.#forward(request)
  }

  /** Ends the process with its last member; a member that leaves earlier only steps out of the line. */
  async stop(member: Member): Promise<void> {
    this.#members.delete(member)
    if (this.#members.size > 0) return
    this.ended = true
    await this.#fork.stop()
  }

  #begin(member: Member, request: WorkerRequest): void {
    if (this.#started !== undefined) member.hear('message', this.#started)
    else if (!this.#asked) {
      this.#asked = true
      this.#forward(request)
    }
  }

  #leave(member: Member, request: WorkerRequest): void {
    if (this.#members.size === 1) this.#forward(request)
    else member.hear('message', { __vitest_worker_response__: true, type: 'stopped' })
  }

  /** All files of a place ask in one turn of the event loop: they are gathered first. */
  #queue(member: Member, request: Run): void {
    this.#waiting.push({ member, request })
    if (this.#waiting.length === 1 && this.#running.length === 0) setImmediate(() => this.#runAll())
  }

  #runAll(): void {
    const [first] = this.#waiting
    if (first === undefined) return
    this.#running = this.#waiting.splice(0)
    const files = this.#running.flatMap(({ request }) => request.context.files)
    this.#forward({ ...first.request, context: { ...first.request.context, files } })
  }

  #hear(message: unknown): void {
    if (isResponse(message, 'started')) {
      this.#started = message
      this.#tellAll('message', message)
    } else if (isResponse(message, 'stopped')) {
      this.#tellAll('message', message)
    } else if (isResponse(message, 'testfileFinished')) {
      const done = this.#running
      this.#running = []
      this.#runAll()
      for (const { member } of done) member.hear('message', message)
    } else {
      // a call of the worker's: any of those that run may answer, their project is the same
      const member = this.#running[0]?.member ?? [...this.#members][0]
      member?.hear('message', message)
    }
  }

  /** RPC answers come this way too; after the process has ended there is nobody to tell. */
  #forward(message: WorkerRequest): void {
    if (!this.ended) this.#fork.send(message)
  }

  #tellAll(event: string, argument: unknown): void {
    for (const member of [...this.#members]) member.hear(event, argument)
  }
}

/**
 * One file's share of a process: Vitest takes it for a worker of its own. It does not ask for `cacheFs`: a check file is small, and is
 * sent sooner than it is written to a disk and read again.
 */
class Member implements PoolWorker {
  readonly name = 'place'
  readonly #process: SharedProcess
  readonly #events = new EventEmitter()

  constructor(process: SharedProcess) {
    this.#process = process
  }

  on(event: string, callback: (argument: unknown) => void): void {
    this.#events.on(event, callback)
  }

  off(event: string, callback: (argument: unknown) => void): void {
    this.#events.off(event, callback)
  }

  /** What the process said; an 'error' that nobody listens to any more is none (EventEmitter would throw). */
  hear(event: string, argument: unknown): void {
    if (this.#events.listenerCount(event) > 0) this.#events.emit(event, argument)
  }

  deserialize(data: unknown): unknown {
    return data
  }

  start(): Promise<void> {
    return this.#process.start()
  }

  send(request: WorkerRequest): void {
    this.#process.send(this, request)
  }

  stop(): Promise<void> {
    return this.#process.stop(this)
  }
}
