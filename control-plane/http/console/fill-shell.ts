import type { ShellSlots } from './ports.ts'

/** `ConsolePorts.fillShell` on workerd: the shell streams through, so a page starts before it is whole. */
export function fillShell(shell: Response, slots: ShellSlots): Response {
  return new HTMLRewriter()
    .on('[data-slot]', {
      element(element) {
        const name = element.getAttribute('data-slot')
        if (name === 'title' || name === 'main' || name === 'account') {
          element.setInnerContent(slots[name], { html: true })
        }
      },
    })
    .transform(shell)
}
