import { type IRequest, Router } from 'itty-router'
import { forward } from './api.ts'
import { enginesFragment, enginesPageOf, joinTokenFragment } from './engines.ts'
import { acting, ownSite, type Reader, reading } from './guards.ts'
import { secured, seeOther } from './headers.ts'
import { cancelJob, deleteJob, exportTranscript, jobEvents, jobPageOf, transcriptFragment } from './job.ts'
import { jobsFragment, jobsPage } from './jobs.ts'
import { type Page, pageResponse } from './page.ts'
import type { ConsolePorts } from './ports.ts'
import { signIn, signInPage, signOut } from './sign-in.ts'
import { type Visitor, visitorOf } from './visitor.ts'

type Params = Readonly<Record<'id' | 'format' | 'part', string>>
type Handler = (visitor: Visitor, params: Params) => Promise<Response | Page>

/** The console's whole surface. Answers its paths; undefined for any other. */
export function consoleRoutes<Caller>(
  ports: ConsolePorts<Caller>,
): (request: Request) => Promise<Response | undefined> {
  // The router types its parameters as any string; each route's own path says which ones there are.
  const params = (request: IRequest) => request.params as Params
  const reads = (reader: Reader, handler: Handler) => (request: IRequest) =>
    reading(ports, request, reader, (visitor) => handler(visitor, params(request)))
  const acts = (reader: Reader, handler: Handler) => (request: IRequest) =>
    acting(ports, request, reader, (visitor) => handler(visitor, params(request)))

  const router = Router()
  router
    .get('/', () => seeOther('/jobs'))
    .get('/sign-in', (request) => signInPage(ports, request))
    .post('/sign-in', (request) => ownSite(request, () => signIn(ports, request)))
    .post(
      '/sign-out',
      acts('page', (visitor) => signOut(ports, visitor.request)),
    )

    .get('/jobs', reads('page', jobsPage))
    .get('/jobs/:id', reads('page', jobPageOf))
    .get('/jobs/:id/export/:format', reads('page', exportTranscript))
    .post('/jobs/:id/cancel', acts('page', cancelJob))
    .post('/jobs/:id/delete', acts('page', deleteJob))
    .get('/engines', reads('page', enginesPageOf))

    .get('/ui/jobs', reads('fragment', jobsFragment))
    .get(
      '/ui/jobs/:id/events',
      reads('fragment', (visitor, { id }) => jobEvents(visitor, id, ports.nowMs)),
    )
    .get('/ui/jobs/:id/transcript', reads('fragment', transcriptFragment))
    .get('/ui/engines', reads('fragment', enginesFragment))
    .post('/ui/agents/tokens', acts('fragment', joinTokenFragment))

    .post(
      '/ui/jobs',
      acts('script', (visitor) => forward(visitor, '/v1/audio/transcriptions')),
    )
    .post(
      '/ui/uploads',
      acts('script', (visitor) => forward(visitor, '/v1/uploads')),
    )
    .put('/ui/uploads/:id/parts/:part', acts('script', forwardUpload))
    .post('/ui/uploads/:id/complete', acts('script', forwardUpload))

  return async (request) => {
    const answer: Response | Page | undefined = await router.fetch(request)
    if (answer === undefined) return undefined
    if (answer instanceof Response) return secured(answer)
    return secured(await pageResponse(ports, await visitorOf(ports, request), answer))
  }
}

/** `/ui/uploads/…` and `/v1/uploads/…` are the same below their first segment. */
function forwardUpload(visitor: Visitor): Promise<Response> {
  return forward(visitor, new URL(visitor.request.url).pathname.replace('/ui/', '/v1/'))
}
