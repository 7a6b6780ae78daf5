import type { Page } from 'playwright-core'

/** Drops files on the page as a hand would: the browser builds the transfer, the page gets the events. */
export async function dropFiles(
  page: Page,
  files: readonly { readonly name: string; readonly bytes: Buffer }[],
): Promise<void> {
  const encoded = files.map((file) => ({ name: file.name, base64: file.bytes.toString('base64') }))
  await page.evaluate(`(${IN_THE_PAGE})(${JSON.stringify(encoded)})`)
}

/** Text, since it runs in the page, whose types these tests do not share. */
const IN_THE_PAGE = `(files) => {
  const transfer = new DataTransfer()
  for (const { name, base64 } of files) {
    const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0))
    transfer.items.add(new File([bytes], name))
  }
  for (const type of ['dragenter', 'dragover', 'drop']) {
    document.body.dispatchEvent(new DragEvent(type, { bubbles: true, cancelable: true, dataTransfer: transfer }))
  }
}`
