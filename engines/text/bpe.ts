import { Tokenizer } from '@huggingface/tokenizers'

/** Text to tokens and back, by the model's `tokenizer.json`. */
export interface BytePairCodec {
  encode(text: string): number[]
  /** Special tokens and timestamps are left out. */
  decode(tokens: readonly number[]): string
  /** The id of a token of any kind. */
  lookup(token: string): number | undefined
}

/** Throws where the files are none of a tokenizer. */
export function bytePairCodec(tokenizerJson: object, tokenizerConfig: object): BytePairCodec {
  const tokenizer = new Tokenizer(tokenizerJson, { clean_up_tokenization_spaces: false, ...tokenizerConfig })
  return {
    encode: (text) => tokenizer.encode(text, { add_special_tokens: false }).ids,
    decode: (tokens) =>
      tokens.length === 0 ? '' : tokenizer.decode([...tokens], { skip_special_tokens: true }),
    lookup: (token) => tokenizer.token_to_id(token),
  }
}
