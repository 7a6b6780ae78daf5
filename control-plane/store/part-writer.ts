/**
 * Writes a stream of unknown length into one R2 object with flat memory: R2 wants a known length or equal parts, so bytes
 * gather in one buffer of a part's size. What fits into the first part is a single put.
 */
export const PART_BYTES = 8 * 1024 * 1024
/** What is short gets no whole part's buffer: fresh memory costs more than what a clip does with it. */
const BUFFER_BYTES = [64 * 1024, 512 * 1024, PART_BYTES]

export class PartWriter {
  readonly #bucket: R2Bucket
  readonly #key: string
  readonly #contentType: string
  #buffer = new Uint8Array(0)
  readonly #parts: R2UploadedPart[] = []
  #filledBytes = 0
  #upload: R2MultipartUpload | null = null
  sizeBytes = 0

  constructor(bucket: R2Bucket, key: string, contentType: string) {
    this.#bucket = bucket
    this.#key = key
    this.#contentType = contentType
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.sizeBytes += bytes.length
    if (this.#buffer.length < PART_BYTES) this.#grow(bytes.length)
    for (let offset = 0; offset < bytes.length; ) {
      const taken = Math.min(bytes.length - offset, PART_BYTES - this.#filledBytes)
      this.#buffer.set(bytes.subarray(offset, offset + taken), this.#filledBytes)
      this.#filledBytes += taken
      offset += taken
      if (this.#filledBytes === PART_BYTES) await this.#flushPart()
    }
  }

  #grow(addedBytes: number): void {
    const neededBytes = this.#filledBytes + addedBytes
    if (neededBytes <= this.#buffer.length) return
    const larger = new Uint8Array(BUFFER_BYTES.find((bytes) => bytes >= neededBytes) ?? PART_BYTES)
    larger.set(this.#buffer.subarray(0, this.#filledBytes))
    this.#buffer = larger
  }

  /** Makes the object appear. */
  async finish(): Promise<void> {
    const httpMetadata = { contentType: this.#contentType }
    if (this.#upload === null) {
      await this.#bucket.put(this.#key, this.#buffer.subarray(0, this.#filledBytes), { httpMetadata })
      return
    }
    if (this.#filledBytes > 0) await this.#flushPart()
    await this.#upload.complete(this.#parts)
    this.#upload = null
  }

  /** Leaves no parts behind. An object that appeared stays. */
  async abort(): Promise<void> {
    await this.#upload?.abort()
    this.#upload = null
  }

  async #flushPart(): Promise<void> {
    const httpMetadata = { contentType: this.#contentType }
    this.#upload ??= await this.#bucket.createMultipartUpload(this.#key, { httpMetadata })
    const part = this.#buffer.subarray(0, this.#filledBytes)
    this.#parts.push(await this.#upload.uploadPart(this.#parts.length + 1, part))
    this.#filledBytes = 0
  }
}
