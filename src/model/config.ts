// Settings of a node: one schema, read once, frozen. Flags win over CATALOG_* variables, those over catalog.toml, that
// over the defaults. A key nobody knows is an error, not a silence.
import { isIP } from 'node:net'
import { z } from 'zod'
import { CatalogError } from '../base/errors.ts'
import { ADDRESS_LENGTH_MAX } from '../base/limits.ts'
import { GiB, MB, parseBytes, parseDuration, parseRate, SECOND_MS } from '../base/units.ts'

const port = z.coerce.number().int().min(0).max(65_535)
const flag = z.union([z.boolean(), z.enum(['true', 'false', '1', '0']).transform((word) => /^(true|1)$/.test(word))])

/** Of texts, in one text with spaces or commas between. */
const list = (item: z.ZodString) =>
  z.union([z.array(item), z.string().transform((text) => text.split(/[\s,]+/).filter(Boolean))])

/** A number of bytes, or "10 GiB". */
const bytes = z.union([z.number(), z.string()]).transform((value, context) => {
  const parsed = parseBytes(value)
  if (parsed === undefined) context.addIssue({ code: 'custom', message: 'must be a size such as 500 MiB or 10 GiB' })
  return parsed ?? 0
})

/** Bytes a second, or "10 MB/s". */
const rate = z.union([z.number(), z.literal(Number.POSITIVE_INFINITY), z.string()]).transform((value, context) => {
  const parsed = parseRate(value)
  if (parsed === undefined) {
    context.addIssue({ code: 'custom', message: 'must be a rate such as 10 MB/s or 8 Mbit/s, or unlimited' })
  }
  return parsed ?? 0
})

/** Seconds, or "5m", as milliseconds. */
const duration = z.union([z.number(), z.string()]).transform((value, context) => {
  const seconds = typeof value === 'string' && !/^\d+$/.test(value) ? undefined : Number(value)
  const parsed = seconds === undefined ? parseDuration(String(value)) : seconds * SECOND_MS
  if (parsed === undefined || !(parsed >= 0)) {
    context.addIssue({ code: 'custom', message: 'must be a number of seconds, or a time such as 90s, 5m or 2h' })
  }
  return parsed ?? 0
})

/** What a profile presets: all bytes a second, and those of one peer. */
const PROFILES = {
  personal: { maxBandwidth: 10 * MB, fairUseLimit: MB },
  mirror: { maxBandwidth: Number.POSITIVE_INFINITY, fairUseLimit: Number.POSITIVE_INFINITY },
} as const

const settingsSchema = z.strictObject({
  /** IP address the libp2p listeners bind to; 127.0.0.1 keeps the node to this machine. */
  host: z
    .string()
    .refine((text) => isIP(text) !== 0, 'must be an IP address')
    .default('0.0.0.0'),
  /** UDP (QUIC) and TCP port of the control plane; 0 takes any. */
  controlPort: port.default(9292),
  /** UDP port of the bulk plane; 0 takes any. Where none can be opened, blobs go over libp2p streams. */
  bulkPort: port.default(9293),
  /** Port of the HTTP server on 127.0.0.1; 0 takes any. */
  httpPort: port.default(9294),
  /** Peers to stay connected to: multiaddrs, or host[:port]. */
  peers: list(z.string().max(ADDRESS_LENGTH_MAX)).default([]),
  /** Find nodes on the local network. Off on loopback. */
  mdns: flag.default(true),
  /** Take part in the distributed hash table of providers. */
  dht: flag.default(true),
  /** Compute core: native, wasm, or the better one that loads. */
  core: z.enum(['auto', 'native', 'wasm']).default('auto'),
  /** Most bytes kept of what others published; own publications are apart. */
  maxMirrorStorage: bytes.default(10 * GiB),
  /** What the node is for: somebody's own machine, or a mirror, which has no caps and shares fairly. */
  profile: z.enum(['personal', 'mirror']).default('personal'),
  /** Most bytes a second, sending and receiving each; 10 MB/s by default, no limit for a mirror. */
  maxBandwidth: rate.optional(),
  /** The same for sending alone; `maxBandwidth` by default. */
  maxUpload: rate.optional(),
  /** The same for receiving alone. */
  maxDownload: rate.optional(),
  /** Most bytes a second of one peer, in each direction; 1 MB/s by default, no limit for a mirror. */
  fairUseLimit: rate.optional(),
  /** Whether peers on this machine and the local network are held to the limits, too. */
  limitLocal: flag.default(false),
  /** How the bulk plane reacts to loss: cubic as TCP does, or bbr, which is many times as fast on long lossy paths. */
  congestion: z.enum(['cubic', 'bbr']).default('cubic'),
  /** Time between two synchronizations with a peer that this node stays connected to: seconds, or "5m"; 0 for never. */
  syncInterval: duration.default(300 * SECOND_MS),
  /** Tell peers how often public packages are used here, if often, and hear the same of them. */
  shareUsage: flag.default(true),
  /** The registry that npm packages come from which no peer has: its URL, or none. By default npm's own setting. */
  upstream: z.union([z.literal('none'), z.url({ protocol: /^https?$/ })]).optional(),
  /** Keys of an outside registry that signs with its own: P-256, SPKI in DER, base64. npm's are built in. */
  originKeys: list(z.string().max(256)).default([]),
  /** What decides between records that compete: a policy, or one for a type or names, as `npm/@scope/*=newest`. */
  conflictPolicy: list(z.string().max(512)).default([]),
  /** Publishers whose attestations count for the policy `consensus`. */
  conflictAttesters: list(z.string().regex(/^publisher:[0-9a-f]{64}$/, 'must be publisher:ID')).default([]),
  /** Worker threads for hashing. */
  workers: z.coerce.number().int().min(1).max(64).default(2),
})

type Given = z.infer<typeof settingsSchema>
type Rates = 'maxBandwidth' | 'maxUpload' | 'maxDownload' | 'fairUseLimit'
export type Settings = Readonly<Omit<Given, Rates> & Record<Rates, number>>
/** What a user may leave out. */
export type SettingsInput = { readonly [Key in keyof Settings]?: Settings[Key] | undefined }

/** CATALOG_CONTROL_PORT → controlPort, for the keys of the schema and no others. */
const VARIABLES = new Map(
  Object.keys(settingsSchema.shape).map((key) => [
    `CATALOG_${key.replace(/[A-Z]/g, (capital) => `_${capital}`).toUpperCase()}`,
    key,
  ]),
)

export interface SettingsSources {
  readonly flags?: SettingsInput | undefined
  readonly environment?: Readonly<Record<string, string | undefined>> | undefined
  /** Contents of catalog.toml, parsed. */
  readonly file?: Readonly<Record<string, unknown>> | undefined
}

/** @throws CatalogError `CONFIG_INVALID` naming the key and what is wrong with it */
export function readSettings({ flags = {}, environment = {}, file = {} }: SettingsSources): Settings {
  const variables: Record<string, unknown> = {}
  for (const [variable, key] of VARIABLES) {
    if (environment[variable] !== undefined && environment[variable] !== '') variables[key] = environment[variable]
  }
  const given = Object.fromEntries(Object.entries(flags).filter(([, value]) => value !== undefined))
  const parsed = settingsSchema.safeParse({ ...camelCased(file), ...variables, ...given })
  if (parsed.success) return Object.freeze(withProfile(parsed.data))
  const [issue] = parsed.error.issues
  const key = issue?.code === 'unrecognized_keys' ? issue.keys.join(', ') : (issue?.path.join('.') ?? '')
  throw new CatalogError('CONFIG_INVALID', `The setting ${key || 'given'} is not right: ${issue?.message}.`, {
    hint: `Settings are: ${[...VARIABLES.values()].join(', ')}.`,
    cause: parsed.error,
  })
}

/** What was left out of the rates, filled in by the profile. */
function withProfile(given: Given): Settings {
  const preset = PROFILES[given.profile]
  const { maxBandwidth = preset.maxBandwidth, fairUseLimit = preset.fairUseLimit } = given
  const { maxUpload = maxBandwidth, maxDownload = maxBandwidth } = given
  return { ...given, maxBandwidth, maxUpload, maxDownload, fairUseLimit }
}

/** `control-port` and `control_port` in the file mean controlPort. */
function camelCased(file: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(file).map(([key, value]) => [
      key.replace(/[-_]([a-z])/g, (_, letter) => letter.toUpperCase()),
      value,
    ]),
  )
}
