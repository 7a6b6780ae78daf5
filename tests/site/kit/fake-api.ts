import type { AgentView, EngineView, JobDocument, ModelView } from '#protocol/api.ts'
import { foldEvent, isTerminalEvent, type JobEvent } from '#protocol/events.ts'
import { isTerminal, type JobView } from '#protocol/job.ts'
import { PROBLEMS, type ProblemCode } from '#protocol/problem.ts'
import { aSummary, TOKEN_ID } from './builders.ts'

/** The native API in memory, as far as the console reads it. Tests put jobs in and let events happen. */
export class FakeApi {
  engines: EngineView[] = []
  models: ModelView[] = []
  agents: AgentView[] = []
  /** Every request that reached the API, for what must never reach it. */
  readonly seen: string[] = []
  readonly #jobs = new Map<string, { document: JobDocument; seq: number }>()
  readonly #readers = new Map<string, Set<(frame: string | null) => void>>()
  onCreate: (form: FormData) => JobDocument | ProblemCode = () => 'not_implemented'

  put(job: JobView | JobDocument): void {
    const document = 'text' in job ? job : { ...job, text: null, segments: null, words: null }
    this.#jobs.set(job.id, { document, seq: 1 })
  }

  /** Lets one event happen: the job changes, and every open stream hears of it. */
  emit(jobId: string, event: JobEvent, transcript: Partial<JobDocument> = {}): void {
    const entry = this.#jobs.get(jobId)
    if (entry === undefined) throw new Error(`no job ${jobId} in the fake API`)
    const folded = foldEvent({ job: entry.document, partial: null }, event)
    const { text, segments, words } = { ...entry.document, ...transcript }
    if (folded !== null) entry.document = { ...folded.job, text, segments, words }
    const isLoose = event.type === 'task.progress' || event.type === 'transcript.partial'
    if (!isLoose) entry.seq++
    this.#broadcast(jobId, frame(event, isLoose ? null : entry.seq), isTerminalEvent(event))
  }

  /** Cuts every open stream of a job without a word, as a restart would. */
  disconnect(jobId: string): void {
    for (const tell of this.#readers.get(jobId) ?? []) tell(null)
  }

  readersOf(jobId: string): number {
    return this.#readers.get(jobId)?.size ?? 0
  }

  async fetch(request: Request): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url)
    this.seen.push(`${request.method} ${pathname}`)
    const base = '/v1/audio/transcriptions'
    if (pathname === '/v1/engines') return Response.json({ engines: this.engines })
    if (pathname === '/v1/models') return Response.json({ models: this.models })
    if (pathname === '/v1/agents') return Response.json({ agents: this.agents })
    if (pathname === '/v1/agents/tokens') {
      return Response.json(
        { id: TOKEN_ID, token: 'dj_test', pool: 'default', expires_at: '2026-11-21T12:00:00Z' },
        { status: 201 },
      )
    }
    if (pathname === base) {
      return request.method === 'POST' ? this.#create(request) : this.#list(searchParams)
    }
    const [, id = '', action = 'get'] =
      /^\/v1\/audio\/transcriptions\/([^/]+)(?:\/(.+))?$/.exec(pathname) ?? []
    return this.#one(request, id, request.method === 'DELETE' ? 'delete' : action)
  }

  #one(request: Request, id: string, action: string): Response {
    const entry = this.#jobs.get(id)
    if (entry === undefined) return refusal('not_found', `no job ${id}`)
    const { document } = entry
    switch (action) {
      case 'get':
        return Response.json(document)
      case 'events':
        return this.#events(id, request.signal)
      case 'delete':
        if (!isTerminal(document.status)) return refusal('conflict', 'the job still runs')
        this.#jobs.delete(id)
        return new Response(null, { status: 204 })
      case 'cancel': {
        if (isTerminal(document.status)) return refusal('conflict', 'the job has ended')
        const { text: _text, segments: _segments, words: _words, ...view } = document
        const job = { ...view, status: 'cancelled' as const, completed_at: view.created_at }
        const { created_at: at, progress, pipeline_warnings } = view
        this.emit(id, { type: 'job.cancelled', at, progress, pipeline_warnings, job })
        return Response.json(job)
      }
      default:
        if (document.status !== 'completed') return refusal('conflict', 'the job is not completed')
        return new Response(document.text, {
          headers: { 'content-disposition': 'attachment; filename="call.txt"' },
        })
    }
  }

  async #create(request: Request): Promise<Response> {
    const made = this.onCreate(await request.formData())
    if (typeof made === 'string') return refusal(made, 'the file holds no audio')
    this.put(made)
    const { id, status, name, created_at } = made
    return Response.json({ id, status, name, created_at }, { status: 201 })
  }

  #list(query: URLSearchParams): Response {
    const status = query.get('status')
    const all = [...this.#jobs.values()].map(({ document }) => document).reverse()
    const jobs = all.filter((job) => status === null || job.status === status)
    const start = Number(query.get('cursor') ?? 0)
    const end = start + Number(query.get('limit') ?? 20)
    const has_more = end < jobs.length
    return Response.json({
      jobs: jobs.slice(start, end).map(aSummary),
      cursor: has_more ? String(end) : null,
      has_more,
    })
  }

  #events(id: string, signal: AbortSignal): Response {
    const entry = this.#jobs.get(id)
    if (entry === undefined) return refusal('not_found', `no job ${id}`)
    const { text: _text, segments: _segments, words: _words, ...job } = entry.document
    const encoder = new TextEncoder()
    const readers = this.#readers.get(id) ?? new Set()
    this.#readers.set(id, readers)
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        controller.enqueue(encoder.encode(frame({ type: 'snapshot', job }, entry.seq)))
        if (isTerminal(job.status)) return controller.close()
        const tell = (text: string | null) => {
          if (text !== null) return controller.enqueue(encoder.encode(text))
          readers.delete(tell)
          controller.close()
        }
        readers.add(tell)
        signal.addEventListener('abort', () => readers.delete(tell))
      },
    })
    return new Response(body, { headers: { 'content-type': 'text/event-stream' } })
  }

  #broadcast(jobId: string, text: string, last: boolean): void {
    for (const tell of [...(this.#readers.get(jobId) ?? [])]) {
      tell(text)
      if (last) tell(null)
    }
  }
}

function frame(event: JobEvent, seq: number | null): string {
  return `event: ${event.type}\n${seq === null ? '' : `id: ${seq}\n`}data: ${JSON.stringify(event)}\n\n`
}

function refusal(code: ProblemCode, detail: string): Response {
  const { status, title } = PROBLEMS[code]
  const problem = {
    type: `/problems/${code}`,
    title,
    status,
    detail,
    instance: '/',
    code,
    request_id: 'req_test',
  }
  return Response.json(problem, { status, headers: { 'content-type': 'application/problem+json' } })
}
