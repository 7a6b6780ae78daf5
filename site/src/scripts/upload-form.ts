import { type UploadRequest, uploadInParts, uploadWhole } from './upload.ts'

/** The upload form of the jobs page: by drop, or by the file picker. One file leads to its job, several stay on the list. */
const form = document.querySelector<HTMLFormElement>('form[data-upload]')
const picker = form?.querySelector<HTMLInputElement>('input[type=file]')
const list = form?.querySelector<HTMLElement>('[data-uploads]')

if (form && picker && list) {
  picker.addEventListener('change', () => {
    const files = [...(picker.files ?? [])]
    picker.value = ''
    void sendAll(form, list, files)
  })
  form.addEventListener('submit', (event) => event.preventDefault())
  acceptDrops(form, list)
}

/** The whole window takes a drop, so that a near miss does not open the file in the tab. */
function acceptDrops(target: HTMLFormElement, uploads: HTMLElement): void {
  const zone = target.querySelector<HTMLElement>('[data-drop]')
  let depth = 0
  const show = (over: boolean): void => {
    zone?.classList.toggle('over', over)
  }
  window.addEventListener('dragenter', () => show(++depth > 0))
  window.addEventListener('dragleave', () => show(--depth > 0))
  window.addEventListener('dragover', (event) => event.preventDefault())
  window.addEventListener('drop', (event) => {
    event.preventDefault()
    depth = 0
    show(false)
    void sendAll(target, uploads, [...(event.dataTransfer?.files ?? [])])
  })
}

/** One after another: the line is shared anyway, and each finishes sooner. */
async function sendAll(target: HTMLFormElement, uploads: HTMLElement, files: readonly File[]): Promise<void> {
  const fields = new FormData(target)
  const request = {
    csrfToken: String(fields.get('csrf_token')),
    wholeBytes: Number(target.dataset.wholeBytes),
    fields: { model: String(fields.get('model')), language: String(fields.get('language')) },
  }
  const rows = files.map((file) => addRow(uploads, file))
  let lastJob: string | null = null
  for (const [index, file] of files.entries()) {
    const row = rows[index]
    if (row !== undefined) lastJob = await send(file, request, row)
    refreshJobs()
  }
  if (files.length === 1 && lastJob !== null) location.assign(`/jobs/${lastJob}`)
}

interface Request extends UploadRequest {
  /** Larger files go in parts. */
  readonly wholeBytes: number
}

async function send(file: File, request: Request, row: Row): Promise<string | null> {
  const upload = file.size > request.wholeBytes ? uploadInParts : uploadWhole
  try {
    const id = await upload(file, request, (fraction) => row.progress(fraction))
    row.done(id)
    return id
  } catch (error) {
    row.failed(error instanceof Error ? error.message : String(error))
    return null
  }
}

interface Row {
  progress(fraction: number): void
  done(jobId: string): void
  failed(message: string): void
}

function addRow(uploads: HTMLElement, file: File): Row {
  const item = document.createElement('li')
  const name = document.createElement('span')
  name.className = 'upload-name'
  name.textContent = file.name
  const bar = document.createElement('progress')
  bar.max = 1
  bar.value = 0
  bar.setAttribute('aria-label', `Upload of ${file.name}`)
  const state = document.createElement('span')
  state.className = 'upload-state'
  state.textContent = 'waiting'
  item.append(name, bar, state)
  uploads.append(item)
  return {
    progress: (fraction) => {
      bar.value = fraction
      state.textContent = fraction < 1 ? `${Math.floor(fraction * 100)} %` : 'checking'
    },
    done: (jobId) => {
      const link = document.createElement('a')
      link.href = `/jobs/${jobId}`
      link.textContent = 'open job'
      bar.remove()
      state.replaceChildren(link)
    },
    failed: (message) => {
      bar.remove()
      item.classList.add('failed')
      state.textContent = message
    },
  }
}

function refreshJobs(): void {
  document.getElementById('jobs')?.dispatchEvent(new Event('refresh'))
}
