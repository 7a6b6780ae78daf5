import { writeFileSync } from 'node:fs'
import { afterAll, describe, expect, it } from 'vitest'
import { decodeModel, readModelFile } from '#engines/onnx/read-model.ts'
import { OnnxFormatError } from '#engines/onnx/wire-reader.ts'
import { WireWriter } from '#engines/onnx/wire-writer.ts'
import { encodeModel } from '#engines/onnx/write-model.ts'
import { everyFieldModel, hubModel } from '#tests/kit/onnx-models.ts'
import { seeded } from '#tests/kit/seeded.ts'
import { TempFolder } from '#tests/kit/temp-folder.ts'

const folder = new TempFolder()
afterAll(() => folder[Symbol.dispose]())

const small = [everyFieldModel(), hubModel()].map(encodeModel)

/** The error, or null where the bytes are a model. Anything else that is thrown fails the test. */
function formatError(bytes: Uint8Array): OnnxFormatError | null {
  try {
    decodeModel(bytes)
    return null
  } catch (error) {
    if (error instanceof OnnxFormatError) return error
    throw error
  }
}

function written(write: (model: WireWriter) => void): Uint8Array {
  const writer = new WireWriter()
  write(writer)
  return Buffer.concat(writer.chunks())
}

function inGraph(write: (graph: WireWriter) => void): Uint8Array {
  return written((model) => {
    model.integer(1, 8)
    model.message(7, write)
  })
}

describe('onnx format', () => {
  it.each(small)(
    '[ON4] every truncation of a model is an error with its offset, or a shorter model',
    (bytes) => {
      for (let length = 0; length < bytes.length; length++) {
        const error = formatError(bytes.subarray(0, length))
        if (error !== null) expect(error.offset).toBeLessThanOrEqual(length)
      }
      expect(formatError(bytes)).toBeNull()
    },
  )

  it.each(small)('[ON4] bytes that were changed at random are an error of that kind, or a model', (bytes) => {
    const random = seeded(7)
    for (let round = 0; round < 5000; round++) {
      const broken = Uint8Array.from(bytes)
      for (let flips = 0; flips <= round % 4; flips++)
        broken[Math.floor(random() * broken.length)] = Math.floor(random() * 256)
      const error = formatError(broken)
      if (error !== null) expect(error.message).toMatch(/^.+ \(at byte \d+, in .+\)$/)
    }
  })

  it('[ON4] a length that the file only states sets nothing aside', () => {
    const before = process.memoryUsage().arrayBuffers
    const huge = Uint8Array.of(0x3a, 0xff, 0xff, 0xff, 0xff, 0x07)
    expect(formatError(huge)?.message).toBe('expected 2147483647 bytes, 0 are left (at byte 0, in graph)')
    const tensor = inGraph((graph) =>
      graph.message(5, (message) => {
        message.integers(1, [2 ** 40, 2 ** 40])
        message.integer(2, 1)
        message.text(8, 'w')
      }),
    )
    expect(formatError(tensor)?.message).toMatch(
      /^w is float32 \[1099511627776, 1099511627776\]: expected .* found 0 \(/,
    )
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1_000_000)
  })

  it('[ON4] graphs in graphs in graphs are refused before the stack ends', () => {
    let bytes = written((graph) => graph.text(2, 'innermost'))
    for (let depth = 0; depth < 5000; depth++) {
      const inside = bytes
      bytes = written((graph) =>
        graph.message(1, (node) => {
          node.text(4, 'If')
          node.message(5, (attribute) => {
            attribute.text(1, 'then_branch')
            attribute.integer(20, 5)
            attribute.bytes(6, inside)
          })
        }),
      )
    }
    expect(formatError(inGraph((graph) => graph.raw(bytes)))?.problem).toBe(
      'messages are nested deeper than 100',
    )
  })

  it.each<[string, (graph: WireWriter) => void, RegExp]>([
    [
      'a node without an operator',
      (graph) => graph.message(1, (node) => node.text(1, 'x')),
      /expected an operator .*graph\.node\[0\]/,
    ],
    ['a number of eleven bytes', (graph) => graph.raw(new Uint8Array(11).fill(255)), /more than ten bytes/],
    ['a group', (graph) => graph.raw(Uint8Array.of(0x0b)), /expected a field of wire type 2, found 3/],
    [
      'names that are no UTF-8',
      (graph) => graph.bytes(2, Uint8Array.of(0xff)),
      /expected UTF-8 text .*graph\.name/,
    ],
    ['the field 0', (graph) => graph.raw(Uint8Array.of(0, 0)), /no valid tag/],
    [
      'an attribute twice',
      (graph) =>
        graph.message(1, (node) => {
          node.text(4, 'Cast')
          for (const _ of [1, 2])
            node.message(5, (attribute) => {
              attribute.text(1, 'to')
              attribute.integer(20, 2)
            })
        }),
      /found the attribute to twice/,
    ],
    [
      'external data without a place',
      (graph) =>
        graph.message(5, (tensor) => {
          tensor.integer(2, 1)
          tensor.integer(14, 1)
        }),
      /expected a location .*graph\.initializer\[0\]\.external_data/,
    ],
  ])('[ON4] %s is told with its field', (_case, write, message) => {
    expect(formatError(inGraph(write))?.message).toMatch(message)
  })

  it('[ON4] the error of a file names it', async () => {
    const path = folder.join('model.onnx')
    writeFileSync(path, '<html>')
    const error = await readModelFile(path).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(OnnxFormatError)
    expect(error).toMatchObject({
      message: `${path} is no ONNX model: expected a field of wire type 2, found 4 (at byte 0, in graph)`,
    })
  })
})
