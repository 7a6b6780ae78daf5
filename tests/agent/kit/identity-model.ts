/** The smallest ONNX model: y = Identity(x), one float. Written by hand, field by field of onnx.proto. */
export function identityModel(): Buffer {
  const floatOfOne = (name: string) =>
    Buffer.concat([
      text(1, name),
      bytes(2, bytes(1, Buffer.concat([number(1, 1), bytes(2, bytes(1, number(1, 1)))]))),
    ])
  const node = Buffer.concat([text(1, 'x'), text(2, 'y'), text(4, 'Identity')])
  const graph = Buffer.concat([
    bytes(1, node),
    text(2, 'g'),
    bytes(11, floatOfOne('x')),
    bytes(12, floatOfOne('y')),
  ])
  return Buffer.concat([number(1, 8), bytes(7, graph), bytes(8, number(2, 13))])
}

function number(field: number, value: number): Buffer {
  return Buffer.from([field << 3, value])
}

function bytes(field: number, content: Buffer): Buffer {
  return Buffer.concat([Buffer.from([(field << 3) | 2, content.length]), content])
}

function text(field: number, content: string): Buffer {
  return bytes(field, Buffer.from(content))
}
