import { access, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { InferenceSession } from 'onnxruntime-node'
import { EngineError, type ModelFiles } from '../engine.ts'
import { keepLoop, loopPath, readStepModel, writeLoop } from '../onnx/loop-file.ts'
import { openSession } from '../onnx/runtime.ts'
import { SessionError } from '../onnx/session-error.ts'
import { Decoder } from './decoder.ts'
import type { LogitRules } from './logit-rules.ts'
import { LOOP_VERSION, loopGraph } from './loop-graph.ts'
import { isTrustworthy } from './loop-trial.ts'
import type { NetworkConfig } from './model-config.ts'
import { invalidModel, messageOf } from './model-files.ts'

export interface DecoderSource {
  readonly files: ModelFiles
  /** The file, relative to the folder. */
  readonly file: string
  readonly config: NetworkConfig
  readonly rules: LogitRules
}

/**
 * The decoder, as one that writes by itself. That graph is built and tried when a model is loaded for the first time, and
 * lies beside the model's file, whose weights it uses; the plain network stays where it cannot be built, written, opened or
 * trusted.
 */
export async function openDecoder(source: DecoderSource): Promise<Decoder> {
  const path = join(source.files.folder, source.file)
  const place = await loopPath(path, [LOOP_VERSION, keyOf(source)]).catch(() => null)
  const loop = place === null ? null : ((await known(source, place)) ?? (await built(source, path, place)))
  if (loop !== null) return loop
  const session = await openNetwork(source.files, source.file)
  const problem = Decoder.interfaceProblem(session, source.config)
  if (problem === null) return new Decoder(session, source.config, source.rules.tokens, source.file)
  await session.release()
  throw invalidModel(source.files, source.file, problem)
}

/** One half of the network. Throws an `EngineError`: `invalid_model`, `out_of_memory` or `device_unavailable`. */
export function openNetwork(files: ModelFiles, file: string): Promise<InferenceSession> {
  return openSession(join(files.folder, file), files).catch((error: unknown) => {
    throw lacking(error) ?? invalidModel(files, file, problemOf(error), error)
  })
}

function keyOf({ config, rules }: DecoderSource) {
  const { endOfText, firstTimestamp } = rules.tokens
  return { endOfText, firstTimestamp, vocabularySize: config.vocab_size, layers: config.decoder_layers }
}

async function known(source: DecoderSource, place: string): Promise<Decoder | null> {
  const isThere = await access(place).then(
    () => true,
    () => false,
  )
  return isThere ? opened(source, place) : null
}

async function built(source: DecoderSource, path: string, place: string): Promise<Decoder | null> {
  const written = await build(source, path, place)
  if (written === null) return null
  try {
    const decoder = await opened(source, written)
    if (decoder !== null && (await isTrustworthy(decoder, source.rules))) {
      // It is open: where it cannot stay, the next load builds it again.
      await keepLoop(path, place).catch(() => undefined)
      return decoder
    }
    await decoder?.release()
    return null
  } finally {
    await rm(written, { force: true })
  }
}

/** Where the graph was written; null where the model is built otherwise, or the folder may not be written to. */
async function build(source: DecoderSource, path: string, place: string): Promise<string | null> {
  try {
    const made = await readStepModel(path)
    const graph = loopGraph(made.model, keyOf(source))
    return graph === null ? null : await writeLoop(made, place, graph)
  } catch {
    // What is wrong with the file is told by the runtime.
    return null
  }
}

/** Null where the runtime refuses it; throws where the plain network would fare no better. */
async function opened({ files, file, config, rules }: DecoderSource, path: string): Promise<Decoder | null> {
  const session = await openSession(path, files).catch((error: unknown) => {
    const without = lacking(error)
    if (without !== null) throw without
    return null
  })
  if (session === null) return null
  if (Decoder.interfaceProblem(session, config) === null)
    return new Decoder(session, config, rules.tokens, file)
  await session.release()
  return null
}

/** Where the machine is what is in the way, not the file. */
function lacking(error: unknown): EngineError | null {
  if (!(error instanceof SessionError)) return null
  const { problem, message } = error
  if (problem !== 'out_of_memory' && problem !== 'device_unavailable') return null
  return new EngineError({ code: problem, message, retryable: true }, { cause: error })
}

function problemOf(error: unknown): string {
  return error instanceof SessionError ? error.message : `cannot be opened: ${messageOf(error)}`
}
