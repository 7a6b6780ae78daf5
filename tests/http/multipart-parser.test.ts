import { describe, expect, test } from 'vitest'
import { LEAD, MultipartFault, MultipartParser } from '#control-plane/http/multipart-parser.ts'
import { seeded } from '#tests/kit/seeded.ts'

interface Read {
  readonly name: string
  readonly fileName: string | null
  readonly body: string
}

/** Feeds a body in pieces whose sizes `sizeOf` gives, and returns what came out. Text is latin1: a character a byte. */
function read(boundary: string, body: string, sizeOf: () => number = () => body.length): Read[] {
  const parts: Read[] = []
  let open: { name: string; fileName: string | null; body: string } | null = null
  const parser = new MultipartParser(`multipart/form-data; boundary="${boundary}"`, {
    onPart: (head) => {
      open = { ...head, body: '' }
    },
    onBytes: (bytes) => {
      if (open === null) throw new Error('bytes outside a part')
      open.body += Buffer.from(bytes).toString('latin1')
    },
    onPartEnd: () => {
      if (open !== null) parts.push(open)
      open = null
    },
  })
  const bytes = Buffer.from(body, 'latin1')
  let rest: Uint8Array = LEAD
  for (let at = 0; at < bytes.length; ) {
    const next = at + Math.max(1, sizeOf())
    const given = new Uint8Array(Buffer.concat([rest, bytes.subarray(at, next)]))
    rest = given.slice(given.length - parser.write(given))
    // What was given is not the parser's to keep.
    given.fill(0)
    at = next
  }
  parser.end()
  return parts
}

function part(boundary: string, disposition: string, body: string): string {
  return `--${boundary}\r\nContent-Disposition: form-data; ${disposition}\r\n\r\n${body}\r\n`
}

describe('multipart', () => {
  test('[P3] whatever the pieces, the parts are the same (seeded)', () => {
    // Bytes from which delimiters are made, so that every near miss comes.
    const alphabet = '\r\n--Bx\u0000\u00ff'
    for (let seed = 1; seed <= 2000; seed++) {
      const random = seeded(seed)
      const boundary = ['B', '--B', '----WebKitFormBoundaryabc', 'x'.repeat(70)][seed % 4] ?? 'B'
      const file = Array.from({ length: random() * 80 }, () => alphabet[Math.floor(random() * 8)]).join('')
      if (`\r\n${file}`.includes(`\r\n--${boundary}`)) continue
      const body = `${part(boundary, 'name="file"; filename="a.wav"', file)}${part(boundary, 'name="model"', 'auto')}--${boundary}--${seed % 3 === 0 ? '' : '\r\n'}`
      const most = seed % 5 === 0 ? 1 : 20
      expect(
        read(boundary, body, () => Math.ceil(random() * most)),
        `seed ${seed}`,
      ).toEqual([
        { name: 'file', fileName: 'a.wav', body: file },
        { name: 'model', fileName: null, body: 'auto' },
      ])
    }
  })

  test.each([
    ['name="a"', 'a', null],
    ['name=a', 'a', null],
    ['name="a"; filename="b c.wav"', 'a', 'b c.wav'],
    ['name="a"; filename=""', 'a', ''],
    ['name="a"; filename="say %22hi%22.wav"', 'a', 'say "hi".wav'],
    ['name="a"; filename="say \\"hi\\" \\\\o/.wav"', 'a', 'say "hi" \\o/.wav'],
    ['name="a"; filename="x.wav"; filename*=UTF-8\'\'%C3%A9.wav', 'a', 'é.wav'],
    ['name="a"; filename="x.wav"; filename*=UTF-8\'\'%', 'a', 'x.wav'],
  ])('[P5] %s', (disposition, name, fileName) => {
    expect(read('B', `${part('B', disposition, '')}--B--`)).toEqual([{ name, fileName, body: '' }])
  })

  test('[P9] what stands before the first boundary and after the last is no part', () => {
    expect(read('B', `preamble\r\n${part('B', 'name="a"', '1')}--B--\r\nepilogue --B\r\n`)).toHaveLength(1)
    expect(read('B', `--B \t\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--B--`)).toHaveLength(1)
  })

  test.each([
    ['no closing boundary', `${part('B', 'name="a"', '1')}`],
    ['a boundary that ends the body', `${part('B', 'name="a"', '1')}--B`],
    ['a boundary without a line end', `--Bx\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--B--`],
    ['a part without a head', '--B\r\n\r\nbody\r\n--B--'],
    ['a part without a name', '--B\r\nContent-Disposition: form-data\r\n\r\n1\r\n--B--'],
    ['an attachment', '--B\r\nContent-Disposition: attachment; name="a"\r\n\r\n1\r\n--B--'],
    ['a head without end', `--B\r\n${'x'.repeat(20_000)}`],
  ])('[P9] %s is a fault', (_what, body) => {
    expect(() => read('B', body)).toThrow(MultipartFault)
    expect(() => read('B', body, () => 1)).toThrow(MultipartFault)
  })

  test('[P9] no head makes it slow', () => {
    const evil = `name="${'\\'.repeat(15_000)}`
    const startedMs = performance.now()
    expect(() => read('B', `--B\r\nContent-Disposition: form-data; ${evil}\r\n\r\n1\r\n--B--`)).toThrow()
    expect(performance.now() - startedMs).toBeLessThan(500)
  })

  test('[P9] a Content-Type without a usable boundary is a fault', () => {
    const handlers = { onPart() {}, onBytes() {}, onPartEnd() {} }
    for (const type of [
      'multipart/form-data',
      'multipart/form-data; boundary=',
      `x; boundary=${'b'.repeat(71)}`,
    ]) {
      expect(() => new MultipartParser(type, handlers)).toThrow('boundary')
    }
  })
})
