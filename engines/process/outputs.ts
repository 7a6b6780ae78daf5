import { isUtf8 } from 'node:buffer'
import { type FileHandle, open, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { Language } from '#protocol/language.ts'
import { StageSummary, type TranscribeSummary } from '#protocol/summary.ts'
import type { TaskParameters } from '#protocol/task.ts'
import { LanguageSource, type PipelineWarning, Segment } from '#protocol/transcript.ts'
import { type EngineStage, type EngineTask, STAGE_ARTIFACTS, type StageOutputs } from '../engine.ts'
import { badOutput, firstIssue } from './faults.ts'
import { LineSplitter } from './line-splitter.ts'

type Said = Readonly<Record<string, unknown>>

/**
 * The summary of a task from what its program said and wrote. Every file of the stage has to be there. A transcript is read
 * through, a line at a time: its counts are ours, so a program only says what it alone knows. Throws `engine_bad_output`.
 */
export async function outputsOf(
  task: EngineTask<EngineStage>,
  said: Said,
  warnings: PipelineWarning[],
): Promise<StageOutputs[EngineStage]> {
  for (const name of STAGE_ARTIFACTS[task.stage].writes) {
    const found = await stat(join(task.outputFolder, name)).catch(() => null)
    if (found === null || !found.isFile())
      throw badOutput(`result of ${task.stage}: expected a file ${name} in the output folder, there is none.`)
  }
  if (task.stage === 'transcribe') return transcribed(task, said, warnings)
  const summary = StageSummary.safeParse({ ...said, stage: task.stage, warnings })
  if (!summary.success) throw badOutput(`result of ${task.stage}: summary.${firstIssue(summary.error)}.`)
  // Its stage is the task's, which is no merge.
  return summary.data as StageOutputs[EngineStage]
}

/** What only a transcriber knows. */
const Transcribed = z.strictObject({
  language: Language.nullable().optional(),
  language_source: LanguageSource.nullable().optional(),
  speaker_count: z.int().min(0).nullable().default(null),
})

async function transcribed(
  task: EngineTask<'transcribe'>,
  said: Said,
  warnings: PipelineWarning[],
): Promise<TranscribeSummary> {
  const parsed = Transcribed.safeParse(said)
  if (!parsed.success) throw badOutput(`result of transcribe: summary.${firstIssue(parsed.error)}.`)
  const { speaker_count } = parsed.data
  const counts = await count(join(task.outputFolder, 'transcript.jsonl'), task.inputs.audio.end)
  const { granularity } = task.parameters
  const hasWords = counts.timedWords > 0 || counts.segments === 0
  return {
    stage: 'transcribe',
    ...languageOf(task.parameters, parsed.data),
    granularity_requested: granularity,
    granularity_achieved: granularity === 'word' && !hasWords ? 'segment' : granularity,
    no_speech: counts.words === 0,
    segment_count: counts.segments,
    word_count: counts.words,
    character_count: counts.characters,
    speaker_count,
    warnings,
  }
}

/** The language of the text, and how it is known. */
function languageOf(
  asked: TaskParameters,
  said: z.infer<typeof Transcribed>,
): Pick<TranscribeSummary, 'language' | 'language_source'> {
  // A translation is English. A program that tells a language tells what it heard.
  if (asked.task === 'translate') return { language: 'en', language_source: 'model' }
  const { language = asked.language } = said
  const source = asked.language === null ? 'detected' : 'requested'
  return { language, language_source: said.language_source ?? (language === null ? null : source) }
}

/** A segment of fifteen minutes with all its words is a tenth of it. */
const MOST_LINE_BYTES = 4 << 20
/** Models fill sound up to such a length, and may hear something there. Far behind the end are other units than seconds. */
const MOST_BEHIND_SECONDS = 30

/** Reads a transcript through. */
async function count(
  path: string,
  audioEnd: number,
): Promise<{ segments: number; words: number; timedWords: number; characters: number }> {
  const counts = { segments: 0, words: 0, timedWords: 0, characters: 0 }
  await using file = await open(path)
  let line = 0
  let start = 0
  for await (const bytes of linesOf(file)) {
    line += 1
    if (!isUtf8(bytes)) throw badOutput(`transcript.jsonl, line ${line}: is no UTF-8 text.`)
    const text = bytes.toString()
    if (text.trim() === '') continue
    const segment = segmentOf(text, line)
    if (segment.start < start)
      throw badOutput(
        `transcript.jsonl, line ${line}: expected segments in time order, ${segment.start} comes after ${start}.`,
      )
    if (segment.start > audioEnd + MOST_BEHIND_SECONDS)
      throw badOutput(
        `transcript.jsonl, line ${line}: expected seconds of a recording that ends at ${audioEnd}, came ${segment.start}.`,
      )
    start = segment.start
    counts.segments += 1
    counts.timedWords += segment.words.length
    counts.words += segment.words.length > 0 ? segment.words.length : wordsIn(segment.text)
    counts.characters += segment.text.length
  }
  return counts
}

async function* linesOf(file: FileHandle): AsyncGenerator<Buffer> {
  const lines = new LineSplitter(MOST_LINE_BYTES)
  let count = 0
  try {
    for await (const chunk of file.createReadStream({ autoClose: false })) {
      for (const line of lines.push(chunk)) {
        count += 1
        yield line
      }
    }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    throw badOutput(`transcript.jsonl, line ${count + 1}: ${error.message}.`)
  }
  yield lines.rest()
}

function segmentOf(text: string, line: number): Segment {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw badOutput(`transcript.jsonl, line ${line}: expected a JSON object.`)
  }
  const segment = Segment.safeParse(value)
  if (!segment.success) throw badOutput(`transcript.jsonl, line ${line}: ${firstIssue(segment.error)}.`)
  if (segment.data.end < segment.data.start)
    throw badOutput(`transcript.jsonl, line ${line}: expected an end behind its start.`)
  const backwards = segment.data.words.findIndex(({ start, end }) => end < start)
  if (backwards >= 0)
    throw badOutput(
      `transcript.jsonl, line ${line}: words.${backwards}.end: expected an end behind its start.`,
    )
  return segment.data
}

function wordsIn(text: string): number {
  return text.split(/\s+/).filter((word) => word !== '').length
}
