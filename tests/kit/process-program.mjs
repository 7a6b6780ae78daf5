// A program for the process engine that does what it is told: `node process-program.mjs [start]`, and the task's prompt says
// what becomes of the task. In plain JavaScript: it starts in a few hundredths of a second.
import { spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync, readSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

const [start = 'good'] = process.argv.slice(2)
const tell = (message) => writeSync(1, `${JSON.stringify(message)}\n`)
const helpers = []
/** By id: what is to be done when a cancel comes. */
const cancels = new Map()

const hello = {
  type: 'hello',
  version: 1,
  name: 'scripted 1.0',
  stages: ['transcribe', 'diarize'],
  streaming: true,
}
const STARTS = {
  good: () => tell(hello),
  /** Answers no unload. */
  keeper: () => tell(hello),
  silent: () => {},
  exit: () => {
    writeSync(2, 'no such library\n')
    process.exit(5)
  },
  old: () => tell({ ...hello, version: 9 }),
  other: () => tell({ ...hello, stages: ['detect_topics'] }),
  deaf: () => tell({ ...hello, streaming: false }),
  twice: () => {
    tell(hello)
    tell(hello)
  },
  early: () => tell({ type: 'loaded', id: 1 }),
  unended: () => {
    writeSync(1, JSON.stringify(hello))
    process.exit(0)
  },
}

const word = { text: 'hello', start: 0.5, end: 0.75, confidence: 0.5 }
const segment = {
  id: 0,
  start: 0.5,
  end: 1,
  text: 'hello there',
  confidence: null,
  speaker: null,
  words: [word],
}
const write = (task, lines) => writeFileSync(join(task.output_folder, 'transcript.jsonl'), lines.join('\n'))
const good = (task, summary = { language: 'en' }) => {
  write(task, [JSON.stringify(segment), ''])
  tell({ type: 'result', id: task.id, summary })
}

const TASKS = {
  good(task) {
    tell({ type: 'progress', id: task.id, percent: 40, message: 'm'.repeat(1000) })
    tell({ type: 'progress', id: task.id, percent: 30 })
    tell({ type: 'partial', id: task.id, start: 0, end: 1, text: `${'x'.repeat(3000)} end` })
    tell({ type: 'partial', id: task.id, start: 0, end: 1, text: 'hello' })
    tell({ type: 'warning', id: task.id, code: 'quiet', message: 'It is quiet.' })
    good(task)
  },
  echo(task) {
    write(task, [JSON.stringify({ ...segment, text: JSON.stringify(task), words: [] })])
    tell({ type: 'result', id: task.id })
  },
  noise(task) {
    writeSync(1, 'Loading weights...\n{\'loss\': 0.3}\n{"loss": 0.3}\n\n\x1b[2K 50%|#####     |\n')
    good(task)
  },
  silence(task) {
    write(task, [])
    tell({ type: 'result', id: task.id })
  },
  'no-file': (task) => tell({ type: 'result', id: task.id }),
  'no-json': () => writeSync(1, '{"type": "result", "id": 1\n'),
  mixed: (task) => writeSync(1, ` 50%|####  |{"type":"result","id":${task.id}}\n`),
  latin: () => writeSync(1, Buffer.from('{"type":"progress","message":"caf\xe9"}\n', 'latin1')),
  unknown: (task) => tell({ type: 'finished', id: task.id }),
  'wrong-field': (task) => tell({ type: 'progress', id: task.id, percent: 'half' }),
  'wrong-id': () => tell({ type: 'progress', id: 99, percent: 1 }),
  'wrong-answer': (task) => tell({ type: 'loaded', id: task.id }),
  'wrong-summary': (task) => good(task, { language: 'English' }),
  'more-summary': (task) => good(task, { word_count: 3 }),
  'long-line': () => {
    for (let part = 0; part < 40; part++) writeSync(1, 'x'.repeat(65_536))
  },
  'bad-line'(task) {
    write(task, [JSON.stringify(segment), 'no json'])
    tell({ type: 'result', id: task.id })
  },
  'latin-line'(task) {
    const text = JSON.stringify({ ...segment, text: 'caf\xe9' })
    writeFileSync(join(task.output_folder, 'transcript.jsonl'), Buffer.from(text, 'latin1'))
    tell({ type: 'result', id: task.id })
  },
  'bad-segment'(task) {
    write(task, [JSON.stringify({ ...segment, words: [{ ...word, start: '0.5' }] })])
    tell({ type: 'result', id: task.id })
  },
  'bad-word'(task) {
    write(task, [JSON.stringify({ ...segment, words: [{ ...word, end: 0.25 }] })])
    tell({ type: 'result', id: task.id })
  },
  milliseconds(task) {
    write(task, [JSON.stringify({ ...segment, start: 500, end: 1000, words: [] })])
    tell({ type: 'result', id: task.id })
  },
  'endless-line'(task) {
    write(task, [JSON.stringify(segment), ' '.repeat(5_000_000)])
    tell({ type: 'result', id: task.id })
  },
  warnings(task) {
    const warning = { type: 'warning', id: task.id, code: 'c'.repeat(10_000), message: 'm'.repeat(100_000) }
    for (let index = 0; index < 150; index++) tell(warning)
    good(task)
  },
  disorder(task) {
    write(task, [JSON.stringify(segment), JSON.stringify({ ...segment, start: 0.25 })])
    tell({ type: 'result', id: task.id })
  },
  fail: (task) =>
    tell({ type: 'error', id: task.id, code: 'out_of_memory', message: 'No room for it.', retryable: true }),
  fatal: () =>
    tell({ type: 'error', id: null, code: 'device_lost', message: 'The device is gone.', retryable: true }),
  mute() {
    writeSync(2, 'into the background\n')
    closeSync(1)
  },
  crash() {
    for (let part = 0; part < 80; part++) writeSync(2, `secret ${'y'.repeat(65_530)}\n`)
    writeSync(2, 'the last words\n')
    process.exit(3)
  },
  wait(task) {
    cancels.set(task.id, () =>
      tell({ type: 'error', id: task.id, code: 'aborted', message: 'Cancelled.', retryable: true }),
    )
    tell({ type: 'partial', id: task.id, start: 0, end: 0, text: `${process.pid}` })
  },
  late(task) {
    cancels.set(task.id, () => good(task))
    tell({ type: 'partial', id: task.id, start: 0, end: 0, text: `${process.pid}` })
  },
  /** Deaf until somebody writes into the pipe `go` in its folder, then good. */
  paused(task) {
    tell({ type: 'partial', id: task.id, start: 0, end: 0, text: `${process.pid}` })
    readFileSync(join(task.output_folder, 'go'))
    good(task)
  },
  hang(task) {
    const helper = spawn('sleep', ['1000'], { stdio: 'inherit' })
    helpers.push(helper)
    tell({ type: 'partial', id: task.id, start: 0, end: 0, text: `${process.pid} ${helper.pid}` })
    // Deaf to everything, as a library in native code is.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
  },
}

const STREAM = {
  open: (message) => cancels.set(message.id, message),
  push(message) {
    const file = openSync(message.path, 'r')
    const bytes = Buffer.alloc(message.to_byte - message.from_byte)
    readSync(file, bytes, 0, bytes.length, message.from_byte)
    closeSync(file)
    const first = bytes.readInt16LE(0)
    const end = message.start + bytes.length / 32_000
    if (first === 32_767)
      return tell({ type: 'error', id: message.id, code: 'too_loud', message: 'Too loud.', retryable: false })
    tell({
      type: 'stream.event',
      id: message.id,
      event: { type: 'partial', start: message.start, end, text: `${bytes.length} bytes from ${first}` },
    })
  },
  flush: (message) => tell({ type: 'stream.event', id: message.id, event: { type: 'final', segment } }),
  close: (message) => tell({ type: 'stream.closed', id: message.id }),
}

STARTS[start]()
for await (const line of createInterface({ input: process.stdin })) {
  const message = JSON.parse(line)
  if (message.type === 'run') TASKS[message.parameters.prompt ?? 'good'](message)
  else if (message.type === 'cancel') cancels.get(message.id)?.()
  else if (message.type === 'load' && message.folder.endsWith('broken'))
    tell({ type: 'error', id: message.id, code: 'invalid_model', message: 'No weights.', retryable: false })
  else if (message.type === 'load') tell({ type: 'loaded', id: message.id })
  else if (message.type === 'unload' && start === 'keeper') continue
  else if (message.type === 'unload') tell({ type: 'unloaded', id: message.id })
  else if (message.type === 'shutdown') process.exit(0)
  else STREAM[message.type.slice('stream.'.length)]?.(message)
}
