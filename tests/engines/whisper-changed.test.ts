import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { decodeModel } from '#engines/onnx/read-model.ts'
import { writeModelFile } from '#engines/onnx/write-model.ts'
import whisper from '#engines/whisper/engine.ts'
import { loadModel } from '#engines/whisper/model-folder.ts'
import { modelFilesIn, runTranscribe, taskErrorOf } from '#tests/kit/engine-runs.ts'
import { TempFolder } from '#tests/kit/temp-folder.ts'
import { type WhisperScript, whisperTones, writeWhisperToneModel } from '#tests/kit/whisper-tones.ts'

/** Tone-speech models that were changed: too short of breath, without numbers, of other sizes. */
const folder = new TempFolder()
afterAll(() => folder[Symbol.dispose]())

async function transcribe(path: string, script: WhisperScript, language: string | null = null) {
  const model = await loadModel(modelFilesIn(path))
  return runTranscribe(whisper, model, whisperTones(script), folder.fresh('run'), {
    parameters: { language },
  })
}

/** A folder whose `config.json` has other fields. */
function changed(fields: object): string {
  const path = folder.fresh('model')
  writeWhisperToneModel(path)
  const file = join(path, 'config.json')
  writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, 'utf8')), ...fields }))
  return path
}

/** Room for 20 tokens a look. */
const SHORT = { max_target_positions: 40 }

it('[WH9] what a chunk leaves over is looked at again, however often', async () => {
  const words = ['cat', 'so', 'hat', 'the', 'moss', 'wild', 'dust']
  const sentences = Array.from({ length: 14 }, (_, index) =>
    [1, 3, 5].map((factor) => words[(index * factor + factor) % words.length]).join(' '),
  )
  const script = sentences.flatMap((sentence) => [sentence, { silence: 0.3 }] as const)
  const { segments } = await transcribe(changed(SHORT), script)
  expect(segments.map(({ text }) => text)).toEqual(sentences)
})

it('[WH9] what is too much for one look is looked at in halves', async () => {
  const text = 'the wild moss inside the yard will stand still so it was dust'
  const { segments } = await transcribe(changed(SHORT), [text])
  const letters = segments.map((segment) => segment.text).join('')
  expect(letters.replaceAll(' ', '')).toBe(text.replaceAll(' ', ''))
  const starts = segments.map(({ start }) => start)
  expect(starts).toEqual([...starts].sort((a, b) => a - b))
  expect(segments.length).toBeGreaterThan(2)
})

it('[WH19] a network that puts out no numbers is engine_bad_output, never a silence', async () => {
  const path = changed({})
  const file = join(path, 'onnx/encoder_model.onnx')
  const { graph, ...model } = decodeModel(readFileSync(file))
  const name = graph.outputs[0]?.name ?? ''
  const nodes = graph.nodes.map((node) =>
    node.outputs[0] === name ? { ...node, outputs: ['before'] } : node,
  )
  const none = [
    { operator: 'Sub', inputs: ['before', 'before'], outputs: ['zero'] },
    { operator: 'Div', inputs: ['zero', 'zero'], outputs: [name] },
  ]
  await writeModelFile(file, { ...model, graph: { ...graph, nodes: [...nodes, ...none] } })
  for (const language of ['en', null]) {
    const error = await taskErrorOf(transcribe(path, ['cat'], language))
    expect(error).toMatchObject({ code: 'engine_bad_output' })
    expect(error.message).toContain('decoder_model_merged.onnx: logits')
  }
})

it('[WH19] networks of other sizes than config.json says are invalid_model, which no try cures', async () => {
  const error = await taskErrorOf(transcribe(changed({ d_model: 64 }), ['cat']))
  expect(error).toMatchObject({ code: 'invalid_model', retryable: false })
  expect(error.message).toContain('onnx/encoder_model.onnx')
  expect(error.message).toContain('1 × 1500 × 48')
})
