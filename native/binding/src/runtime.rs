//! The threads for work that waits, for a disk or for its turn.

use crate::failure::{Coded, Failure};
use napi::Env;
use napi::bindgen_prelude::{PromiseRaw, Result, ToNapiValue, create_custom_tokio_runtime};

/// Enough to hand over results; the work itself runs on the blocking threads.
const WORKER_THREADS: usize = 2;
/// Searches under way at once. Unbounded, a burst of requests would start hundreds of threads.
const MAX_BLOCKING_THREADS: usize = 16;

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

/// Runs work off the event loop and answers with a promise.
///
/// The work owns all it needs: a JavaScript worker may be terminated while it runs, and takes every
/// buffer and object of its own with it.
pub fn blocking<T: ToNapiValue + Send + 'static>(
    env: &Env,
    work: impl FnOnce() -> std::result::Result<T, Failure> + Send + 'static,
) -> Result<PromiseRaw<'_, Coded<T>>> {
    env.spawn_future(async move {
        Ok(Coded(match tokio::task::spawn_blocking(work).await {
            Ok(result) => result,
            Err(error) => Err(match error.try_into_panic() {
                Ok(panic) => Failure::from_panic(&*panic),
                Err(_) => Failure { code: "INTERNAL", message: "the process is shutting down".into() },
            }),
        }))
    })
}
