import { EngineError } from '#engines/engine.ts'
import { sentenceOf } from '../log.ts'

/** What can go wrong with a model on this machine, each with its own code. */
export function modelError(
  code: string,
  message: string,
  retryable: boolean,
  options?: ErrorOptions,
): EngineError {
  return new EngineError({ code, message, retryable }, options)
}

/** What a file system says, as an error that names the place; anything else comes back as it is. */
export function diskError(error: unknown, folder: string): unknown {
  const code = error instanceof Error && 'code' in error ? error.code : null
  if (code === 'ENOSPC' || code === 'EDQUOT')
    return modelError('disk_full', `The disk of ${folder} is full.`, true, { cause: error })
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS' || code === 'ENOTDIR' || code === 'EEXIST') {
    const message = `${folder} cannot be written: ${sentenceOf(error)}`
    return modelError('models_folder_unwritable', message, false, { cause: error })
  }
  return error
}
