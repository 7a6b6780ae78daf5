import { expect, test } from 'vitest'
import { exportBody } from '#control-plane/http/documents.ts'
import type { ExportFormat } from '#protocol/api.ts'
import type { JobView } from '#protocol/job.ts'
import { aSegment } from '#tests/core/kit/builders.ts'

/** What an export says of speakers, and what may be asked of it. */
const segments = [
  aSegment({ text: 'hello', speaker: 'SPEAKER_00' }),
  aSegment({ text: 'hi', speaker: 'SPEAKER_01' }),
]
// An export looks at nothing of the view; the JSON document passes it on.
const view = { id: 'job' } as unknown as JobView

async function* transcript() {
  yield* segments
}

function exported(format: ExportFormat, query = ''): Promise<string> {
  const { body } = exportBody(format, { view }, transcript, new URLSearchParams(query))
  return new Response(body).text()
}

test('[X5] every format tells who speaks', async () => {
  expect(await exported('txt')).toBe('[SPEAKER_00]\nhello\n\n[SPEAKER_01]\nhi\n')
  expect(await exported('srt')).toContain('\nSPEAKER_00: hello\n')
  expect(await exported('vtt')).toContain('\n<v SPEAKER_01>hi\n')
  expect(JSON.parse(await exported('json'))).toMatchObject({ text: 'hello hi', segments })
})

test.each(['txt', 'srt', 'vtt', 'json'] as const)(
  '[X6] include_speakers=false: %s without',
  async (format) => {
    expect(await exported(format, 'include_speakers=false')).not.toContain('SPEAKER')
    expect(await exported(format, 'include_speakers=true')).toBe(await exported(format))
  },
)

test.each(['include_speakers=1', 'include_speakers=', 'speakers=true', 'max_lines=0'])(
  '[X6] %s is refused',
  (query) => {
    expect(() => exportBody('srt', { view }, transcript, new URLSearchParams(query))).toThrow('query')
  },
)
