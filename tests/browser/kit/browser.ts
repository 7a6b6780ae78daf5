import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core'

/** Chromium as the tests use it: where it is comes from CHROMIUM, else from where Debian puts it. */
export function launch(): Promise<Browser> {
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: FLAGS })
}

/** It runs as root in containers, without a GPU, and must talk to nobody. */
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

/** Sizes and schemes that every page must fit. */
export const LOOKS = [
  { width: 1440, colorScheme: 'light' },
  { width: 1440, colorScheme: 'dark' },
  { width: 390, colorScheme: 'light' },
  { width: 390, colorScheme: 'dark' },
] as const
export type Look = (typeof LOOKS)[number]

/** A window with its own cookies that remembers everything its console complained of. */
export interface Window {
  readonly context: BrowserContext
  readonly page: Page
  readonly complaints: readonly string[]
}

export async function openWindow(
  browser: Browser,
  look: Look = LOOKS[0],
  cookiesOf?: Window,
): Promise<Window> {
  const context = await browser.newContext({
    viewport: { width: look.width, height: 900 },
    colorScheme: look.colorScheme,
    ...(cookiesOf === undefined ? {} : { storageState: await cookiesOf.context.storageState() }),
  })
  const page = await context.newPage()
  const complaints: string[] = []
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text())
  })
  page.on('pageerror', (error) => complaints.push(error.message))
  return { context, page, complaints }
}

/** How many pixels the page is wider than its window. */
export function overflow(page: Page): Promise<number> {
  return page.evaluate<number>('document.documentElement.scrollWidth - innerWidth')
}

interface AxeReport {
  readonly violations: readonly {
    readonly id: string
    readonly nodes: readonly { readonly html: string; readonly failureSummary?: string }[]
  }[]
}

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

/** What axe finds wrong, each with the first element that it names. Run from outside, so that the page's policy holds. */
export async function axe(page: Page): Promise<string[]> {
  await page.evaluate(AXE)
  // `axe` is what the script above defined; its report is plain data.
  const report = (await page.evaluate('axe.run()')) as AxeReport
  return report.violations.map(
    (found) => `${found.id}: ${found.nodes[0]?.html} ${found.nodes[0]?.failureSummary ?? ''}`,
  )
}

/** Tabs until the element has the focus: what cannot be reached by keyboard fails here. */
export async function tabTo(page: Page, selector: string): Promise<void> {
  for (let presses = 0; presses < 60; presses++) {
    if (await page.locator(selector).and(page.locator(':focus')).count()) return
    await page.keyboard.press('Tab')
  }
  throw new Error(`60 presses of Tab never reached ${selector}`)
}
