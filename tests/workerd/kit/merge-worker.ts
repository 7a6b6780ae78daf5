/** A Worker that is nothing but the entrypoint Merge. */
export { Merge as default } from '../../../control-plane/merge.ts'
