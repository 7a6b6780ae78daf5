import { consolePorts } from './console-ports.ts'
import { type Bindings, parseBindings } from './env.ts'
import { consoleRoutes } from './http/console/routes.ts'
import { answerApi } from './http/router.ts'

export { Copy } from './copy.ts'
export { Merge } from './merge.ts'
export { Job } from './objects/job.ts'
export { Registry } from './objects/registry.ts'

/** The composition root: the console's paths, then the API's, then the site's files. */
export default {
  async fetch(request: Request, bindings: Bindings, context: ExecutionContext): Promise<Response> {
    const answer = answerAny(request, parseBindings(bindings))
    // A client that goes away ends its request, and with it what would clean up: this lets it come to its end.
    context.waitUntil(answer.catch(() => undefined))
    return answer
  },
} satisfies ExportedHandler<Bindings>

async function answerAny(request: Request, env: Bindings): Promise<Response> {
  const { pathname, origin } = new URL(request.url)
  if (isApi(pathname)) return answerApi(request, env, null)
  const page = await consoleRoutes(consolePorts(env, origin))(request)
  return page ?? env.ASSETS.fetch(request)
}

function isApi(pathname: string): boolean {
  return /^\/(v1|openai|agent|health|metrics)(\/|$)/.test(pathname)
}
