import { account } from '#fragments/account.ts'
import { type Html, html } from '#fragments/html.ts'
import { problemDetails } from '#fragments/notice.ts'
import type { Problem } from '#protocol/problem.ts'
import type { ConsolePorts, ShellName } from './ports.ts'
import type { Visitor } from './visitor.ts'

export interface Page {
  readonly shell: ShellName
  readonly title: string
  readonly main: Html
  readonly status?: number
}

/** A whole page: the site's shell with its slots filled. `visitor` is null where nobody is signed in. */
export async function pageResponse<Caller>(
  ports: ConsolePorts<Caller>,
  visitor: Visitor | null,
  page: Page,
): Promise<Response> {
  const shell = await ports.shell(page.shell)
  const filled = ports.fillShell(shell, {
    title: html`${page.title} – Dalston`.markup,
    main: page.main.markup,
    account: visitor === null ? '' : account(visitor.visit).markup,
  })
  // The shell's own headers describe the file, not the page: no etag, no length, no caching.
  return new Response(filled.body, {
    status: page.status ?? 200,
    headers: { 'content-type': 'text/html; charset=utf-8' },
  })
}

/** A page that says what did not work. */
export function problemPage(problem: Problem): Page {
  return {
    shell: 'message',
    title: problem.title,
    main: html`<h1>${problem.title}</h1>${problemDetails(problem)}`,
    status: problem.status,
  }
}
