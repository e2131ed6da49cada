// The library comes without types; this is what is used of it.
declare module '@pnpm/npm-conf' {
  export default function npmConf(): { readonly config: { get(key: string): unknown } }
}

declare module '@pnpm/npm-conf/lib/defaults.js' {
  const npmDefaults: { readonly defaults: { readonly registry: string } }
  export default npmDefaults
}
