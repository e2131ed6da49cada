// Bounds on HTTP: what clients of this machine may send and keep waiting, and what outside registries may answer.
import { KiB, MINUTE_MS, MiB, SECOND_MS } from './units.ts'

/** Tokens that let a program change something over HTTP. */
export const TOKENS_MAX = 1_000
export const TOKEN_NOTE_LENGTH_MAX = 200
/** Programs that wait to be let in, and for how long: time enough to type a code, and too little for one forgotten. */
export const LOGINS_MAX = 16
export const LOGIN_MS = 10 * MINUTE_MS
/** What a program sends to log in: a name, a password and little else. */
export const LOGIN_BODY_BYTES_MAX = 16 * KiB
/** What npm sends to publish a package, beside its tarball. */
export const NPM_PUBLISH_TEXT_MAX = 8 * MiB
/** Signatures of versions that this node lists for npm, kept in memory: 20 MB. */
export const REGISTRY_SIGNATURES_MAX = 100_000
/** Releases of packages whose state is kept at hand, of all names together. */
export const STATES_RELEASES_MAX = 4_096
/** What is attested of a version: bundles have some 10 kB. */
export const ATTESTATION_BYTES_MAX = MiB
/** Packuments kept as bytes, and what they may take together. */
export const PACKUMENTS_BYTES_MAX = 64 * MiB
/** The outside registry: how long for the beginning of an answer, and for each next piece of it. */
export const UPSTREAM_ANSWER_MS = 15 * SECOND_MS
export const UPSTREAM_SILENCE_MS = 15 * SECOND_MS
/** So much has to come in that time, unless it is the end: 4 KiB a second is slower than any line. */
export const UPSTREAM_PACE_BYTES = 64 * KiB
export const UPSTREAM_PARALLEL_MAX = 16
export const UPSTREAM_REDIRECTS_MAX = 5
/** The longest packuments of npm have some ten MiB. */
export const UPSTREAM_DOCUMENT_BYTES_MAX = 64 * MiB
/** How long a packument counts without being asked for again; how long a registry that failed is let alone. */
export const UPSTREAM_FRESH_MS = MINUTE_MS
export const UPSTREAM_REST_MS = 30 * SECOND_MS
/** Packuments at hand, and on the disk. */
export const UPSTREAM_AT_HAND_BYTES = 48 * MiB
export const UPSTREAM_KEPT_BYTES = 512 * MiB
/** How long the mesh may look for a version before the outside registry is asked for it. */
export const UPSTREAM_MESH_MS = 2 * SECOND_MS
/** Packages whose weaknesses are asked for at once, and for how long an answer counts. */
export const ADVISORIES_BYTES_MAX = MiB
export const ADVISORIES_FRESH_MS = 10 * MINUTE_MS
/** HTTP. */
export const HTTP_BODY_BYTES_MAX = MiB
