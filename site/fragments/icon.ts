import { type Html, html } from './html.ts'

/** Line icons on a 16 × 16 grid. They decorate: the words beside them carry the meaning. */
const PATHS = {
  check: 'M3.5 8.5l3 3 6-7',
  cross: 'M4 4l8 8M12 4l-8 8',
  clock: 'M8 4.5V8l2.5 1.5M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2z',
  spin: 'M8 2a6 6 0 1 1-6 6',
  skip: 'M4 8h8',
  stop: 'M4.5 4.5h7v7h-7z',
  upload: 'M8 11V3M4.5 6.5L8 3l3.5 3.5M2.5 13h11',
  back: 'M9.5 3.5L5 8l4.5 4.5',
  warning: 'M8 2.5l6 11H2zM8 6.5v3M8 11.6v.2',
  info: 'M8 7.2v3.6M8 5v.2M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2z',
  download: 'M8 3v7M4.5 7L8 10.5 11.5 7M3 13h10',
} as const
export type IconName = keyof typeof PATHS

export function icon(name: IconName): Html {
  return html`<svg class="icon icon-${name}" viewBox="0 0 16 16" aria-hidden="true"><path d="${PATHS[name]}"></path></svg>`
}
