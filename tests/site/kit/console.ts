import type { ConsolePorts, ShellSlots } from '#control-plane/http/console/ports.ts'
import { consoleRoutes } from '#control-plane/http/console/routes.ts'
import { FakeApi } from './fake-api.ts'

/** The console's routes over the fake API, with sessions in memory: everything of it but the Worker's own wiring. */
export interface KitConsole {
  readonly api: FakeApi
  fetch(request: Request): Promise<Response | undefined>
  /** A fresh one-time link's secret. */
  signInLink(): string
}

export const KEY = 'dk_the-test-key'
type Caller = 'tester'

export function kitConsole(
  nowMs: () => number,
  readShell: (name: string) => Promise<string> = barePage,
): KitConsole {
  const api = new FakeApi()
  const links = new Set<string>()
  const sessions = new Set<string>()
  const ports: ConsolePorts<Caller> = {
    verifyKey: async (key) => (key === KEY ? 'tester' : null),
    consumeSignInLink: async (link) => (links.delete(link) ? 'tester' : null),
    createSession: async () => {
      const token = crypto.randomUUID().replaceAll('-', '')
      sessions.add(token)
      return { token, expiresAtMs: nowMs() + 3_600_000 }
    },
    readSession: async (token) => (sessions.has(token) ? 'tester' : null),
    deleteSession: async (token) => {
      sessions.delete(token)
    },
    api: (_caller, request) => api.fetch(request),
    shell: async (name) => new Response(await readShell(name)),
    fillShell: (shell, slots) => new Response(filled(shell, slots)),
    nowMs,
  }
  return {
    api,
    fetch: consoleRoutes(ports),
    signInLink() {
      const link = crypto.randomUUID()
      links.add(link)
      return link
    },
  }
}

/** What HTMLRewriter does on workerd, for shells whose slots hold no markup of their own. */
function filled(shell: Response, slots: ShellSlots): ReadableStream<Uint8Array> {
  return new ReadableStream({
    async start(controller) {
      const page = await shell.text()
      const text = page.replace(
        /(<(\w+)[^>]*data-slot="(title|main|account)"[^>]*>)[^<]*(<\/\2>)/g,
        (_all, open, _tag, name, close) => {
          return `${open}${slots[name as keyof ShellSlots]}${close}`
        },
      )
      controller.enqueue(new TextEncoder().encode(text))
      controller.close()
    },
  })
}

async function barePage(): Promise<string> {
  return '<title data-slot="title"></title><div data-slot="account"></div><main><div data-slot="main"></div></main>'
}
