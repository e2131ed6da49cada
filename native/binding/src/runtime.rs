//! The threads: some for work that waits, for a disk or for its turn, and some that move packets.

use crate::failure::{Coded, Failure, guarded};
use napi::bindgen_prelude::{PromiseRaw, Result, ToNapiValue, create_custom_tokio_runtime, spawn_blocking};
use napi::{Env, JsValue};

/// Enough to hand over results; the work itself runs on the blocking threads.
const WORKER_THREADS: usize = 2;
/// Searches under way at once. Unbounded, a burst of requests would start hundreds of threads.
const MAX_BLOCKING_THREADS: usize = 16;

/// Threads that move packets. They are apart from the others: a search must not hold up a transfer, and handing over
/// the result of a search must not wait for packets.
const PACKET_THREADS_MAX: usize = 4;
/// Of transfers, what reads, hashes or writes at once: two a core, as one may wait for the disk. More would only wait
/// for the same processor, and JavaScript for all of them.
const PACKET_BLOCKING_THREADS_PER_CORE: usize = 2;
const PACKET_BLOCKING_THREADS_MAX: usize = 8;

/// Replaces napi's own runtime, whose blocking pool grows to 512 threads.
#[napi_derive::module_init]
fn init() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKER_THREADS)
        .max_blocking_threads(MAX_BLOCKING_THREADS)
        .thread_name("catalog-native")
        .enable_time()
        .build();
    // Without threads nothing of this module can work, and loading it is the moment to say so.
    create_custom_tokio_runtime(runtime.expect("the system refuses to start threads"));
}

/// The runtime of everything that moves bytes over the network, made when it is first needed.
pub fn packets() -> &'static tokio::runtime::Handle {
    static RUNTIME: std::sync::OnceLock<tokio::runtime::Runtime> = std::sync::OnceLock::new();
    let make = || {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(cores.min(PACKET_THREADS_MAX))
            .max_blocking_threads((cores * PACKET_BLOCKING_THREADS_PER_CORE).min(PACKET_BLOCKING_THREADS_MAX))
            .thread_name("catalog-packets")
            .enable_all()
            .build();
        runtime.expect("the system refuses to start threads")
    };
    RUNTIME.get_or_init(make).handle()
}

/// Runs work that moves packets, and answers with a promise. Like [`blocking`], it owns all it needs.
pub fn moving<T: ToNapiValue + Send + 'static>(
    env: &Env,
    work: impl Future<Output = std::result::Result<T, Failure>> + Send + 'static,
) -> Result<PromiseRaw<'_, Coded<T>>> {
    let running = packets().spawn(work);
    env.spawn_future(async move { Ok(Coded(settled(running.await))) })
}

/// Runs work off the event loop and answers with a promise.
///
/// The work owns all it needs: a JavaScript worker may be terminated while it runs, and takes every
/// buffer and object of its own with it.
pub fn blocking<T: ToNapiValue + Send + 'static>(
    env: &Env,
    work: impl FnOnce() -> std::result::Result<T, Failure> + Send + 'static,
) -> Result<PromiseRaw<'_, Coded<T>>> {
    let (deferred, promise) = env.create_deferred()?;
    // The thread that has done the work settles the promise itself: a future that waited for it would have another
    // thread woken twice, which takes longer than a search.
    spawn_blocking(move || {
        let done = guarded(work);
        deferred.resolve(|_| Ok(done));
    });
    Ok(PromiseRaw::new(env.raw(), promise.raw()))
}

/// The result of a task; a panic is a failure like others.
fn settled<T>(
    result: std::result::Result<std::result::Result<T, Failure>, tokio::task::JoinError>,
) -> std::result::Result<T, Failure> {
    result.unwrap_or_else(|error| {
        Err(match error.try_into_panic() {
            Ok(panic) => Failure::from_panic(&*panic),
            Err(_) => Failure { code: "INTERNAL", message: "the process is shutting down".into() },
        })
    })
}
