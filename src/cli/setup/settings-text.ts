// Settings of package managers as text that people write, too: one value is changed, and everything around it stays as
// it was, comments and the order of lines with it.
import { isMap, parseDocument } from 'yaml'
import { CatalogError } from '../../base/errors.ts'

/** Where a value stands: one name, or a way through maps. */
export type Key = readonly string[]

export interface SettingsText {
  get(key: Key): unknown
  /** @param value - nothing takes the key away */
  set(key: Key, value: unknown): void
  toString(): string
}

export type Format = 'npmrc' | 'toml' | 'yaml'

/** @param name - of the file, for messages @throws CatalogError `CONFIG_INVALID` for what cannot be read */
export function settingsText(format: Format, text: string, name: string): SettingsText {
  return format === 'yaml' ? new YamlText(text, name) : new LinesText(text, STYLES[format])
}

interface LineStyle {
  readonly separator: string
  write(value: string): string
  read(text: string): string
}

const unquoted = (text: string) => /^(["'])(.*)\1$/.exec(text)?.[2] ?? text
const STYLES: Record<Exclude<Format, 'yaml'>, LineStyle> = {
  npmrc: { separator: '=', write: (value) => value, read: unquoted },
  toml: { separator: ' = ', write: (value) => JSON.stringify(value), read: unquoted },
}

/** `key = value` on lines; what stands below a `[section]` is none of ours. Of several the last counts. */
class LinesText implements SettingsText {
  readonly #lines: string[]
  readonly #end: string
  readonly #style: LineStyle

  constructor(text: string, style: LineStyle) {
    this.#end = text.includes('\r\n') ? '\r\n' : '\n'
    this.#lines = text.split(this.#end)
    // A last line that is ended is no line more.
    if (this.#lines.at(-1) === '') this.#lines.pop()
    this.#style = style
  }

  get(key: Key): string | undefined {
    const line = this.#lines[this.#find(key)]
    return line === undefined ? undefined : this.#style.read(line.slice(line.indexOf('=') + 1).trim())
  }

  set(key: Key, value: unknown): void {
    const at = this.#find(key)
    if (value === undefined) {
      if (at >= 0) this.#lines.splice(at, 1)
      return
    }
    const line = `${key}${this.#style.separator}${this.#style.write(String(value))}`
    if (at >= 0) this.#lines[at] = line
    else this.#lines.splice(this.#top(), 0, line)
  }

  toString(): string {
    return this.#lines.map((line) => line + this.#end).join('')
  }

  #find([key]: Key): number {
    return this.#lines.slice(0, this.#top()).findLastIndex((line) => {
      const at = line.indexOf('=')
      return at >= 0 && unquoted(line.slice(0, at).trim()) === key
    })
  }

  #top(): number {
    const section = this.#lines.findIndex((line) => /^\s*\[/.test(line))
    return section < 0 ? this.#lines.length : section
  }
}

class YamlText implements SettingsText {
  readonly #document: ReturnType<typeof parseDocument>

  constructor(text: string, name: string) {
    this.#document = parseDocument(text)
    const [error] = this.#document.errors
    const { contents } = this.#document
    if (error === undefined && (contents === null || isMap(contents))) return
    throw new CatalogError('CONFIG_INVALID', `The settings in ${name} cannot be read.`, { cause: error })
  }

  get(key: Key): unknown {
    const value = this.#document.getIn(key)
    return typeof value === 'object' && value !== null && 'toJSON' in value ? (value as Node).toJSON() : value
  }

  set(key: Key, value: unknown): void {
    if (value === undefined) this.#remove(key)
    else this.#document.setIn(key, this.#document.createNode(value))
  }

  /** A map that has nothing left goes with what was in it. */
  #remove(key: Key): void {
    this.#document.deleteIn(key)
    const parent = key.slice(0, -1)
    const left = parent.length > 0 ? this.#document.getIn(parent) : undefined
    if (isMap(left) && left.items.length === 0) this.#remove(parent)
  }

  toString(): string {
    return this.#document.contents === null ? '' : this.#document.toString({ lineWidth: 0 })
  }
}

type Node = { toJSON(): unknown }
