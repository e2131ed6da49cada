// Disk, database, index and worker calls end when the machine pleases. They all go through here, so that a
// simulation can hold virtual time still while one is outstanding and deliver completions in request order.

export interface Effects {
  /** Start `work` now; the promise settles with its result. */
  run<T>(work: () => Promise<T>): Promise<T>
}

/** A running node: results are delivered as they come. */
export const directEffects: Effects = { run: (work) => work() }
