import type { ModelView } from '#protocol/api.ts'
import { csrfField, type Visit } from './form.ts'
import { type Html, html } from './html.ts'
import { icon } from './icon.ts'

/** Offered where a model says that it speaks any language. */
const COMMON_LANGUAGES = [
  'ar',
  'de',
  'en',
  'es',
  'fr',
  'hi',
  'it',
  'ja',
  'ko',
  'nl',
  'pl',
  'pt',
  'ru',
  'tr',
  'uk',
  'zh',
]

/** Above it a recording goes in parts: an edge server refuses bodies of more than 100 MB. */
const WHOLE_BYTES = 90 * 1000 * 1000

/** Where recordings are dropped or chosen. Sending needs the page's script, since only a script can tell how far it is. */
export function uploadForm(models: readonly ModelView[], visit: Visit): Html {
  return html`<form id="upload" class="upload" method="post" action="/ui/jobs" enctype="multipart/form-data" data-upload data-whole-bytes="${WHOLE_BYTES}">
    ${csrfField(visit)}
    <div class="drop" data-drop>
      <input id="files" class="visually-hidden" type="file" name="file" multiple accept="audio/*,video/*">
      <label for="files">
        ${icon('upload')}
        <span><strong>Drop recordings here</strong> or <span class="like-link">choose files</span></span>
        <span class="quiet">WAV, MP3, M4A, FLAC, Ogg, WebM and what else ffmpeg reads</span>
      </label>
    </div>
    <div class="options">
      <label class="option">Model <select name="model"><option value="auto">automatic</option>${models.map(modelOption)}</select></label>
      <label class="option">Language <select name="language"><option value="auto">automatic</option>${languagesOf(models).map(languageOption)}</select></label>
    </div>
    <ul class="uploads" data-uploads aria-label="Uploads" aria-live="polite"></ul>
    <noscript><p class="quiet">Uploading needs scripts. Without them, send files with the command line or curl.</p></noscript>
  </form>`
}

function modelOption(model: ModelView): Html {
  const away = model.available_on.length === 0 ? ' (no agent serves it now)' : ''
  return html`<option value="${model.id}">${model.name}${away}</option>`
}

function languagesOf(models: readonly ModelView[]): readonly string[] {
  const codes = models.flatMap((model) => model.languages ?? COMMON_LANGUAGES)
  return [...new Set(codes)].sort()
}

function languageOption(code: string): Html {
  const name = new Intl.DisplayNames('en', { type: 'language', fallback: 'code' }).of(code) ?? code
  return html`<option value="${code}">${name}</option>`
}
