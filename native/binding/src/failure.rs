//! Failures on their way to JavaScript.

use catalog_core::CoreError;
use catalog_flow::FlowError;
use catalog_search::SearchError;
use catalog_transfer::TransferError;
use napi::bindgen_prelude::{Error, JsObjectValue, Result, Status, ToNapiValue};
use napi::{Env, JsValue, sys};
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What the JavaScript `Error` will say.
pub struct Failure {
    /// Its `code`.
    pub code: &'static str,
    /// Its `message`.
    pub message: String,
}

impl Failure {
    /// A caught panic: a mistake in this library, never the caller's.
    pub fn from_panic(panic: &(dyn Any + Send)) -> Self {
        let text = panic.downcast_ref::<&str>().copied();
        let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        Self { code: "INTERNAL", message: text.unwrap_or("panic without a message").to_owned() }
    }
}

impl From<CoreError> for Failure {
    fn from(error: CoreError) -> Self {
        Self { code: error.code(), message: error.to_string() }
    }
}

impl From<FlowError> for Failure {
    fn from(error: FlowError) -> Self {
        Self { code: error.code(), message: error.to_string() }
    }
}

impl From<SearchError> for Failure {
    fn from(error: SearchError) -> Self {
        Self { code: error.code(), message: error.to_string() }
    }
}

impl From<TransferError> for Failure {
    fn from(error: TransferError) -> Self {
        Self { code: error.code.name(), message: error.message }
    }
}

/// What exported functions return. Napi would give an error of an asynchronous function only codes of its
/// own; this one makes the error object itself, when the value is handed over on the JavaScript thread.
pub struct Coded<T>(pub std::result::Result<T, Failure>);

impl<T: ToNapiValue> ToNapiValue for Coded<T> {
    unsafe fn to_napi_value(raw: sys::napi_env, coded: Self) -> Result<sys::napi_value> {
        match coded.0 {
            // SAFETY: `raw` is the environment this very function was called with.
            Ok(value) => unsafe { T::to_napi_value(raw, value) },
            Err(failure) => Err(error_object(&Env::from_raw(raw), failure)),
        }
    }
}

/// A napi error that carries a ready-made JavaScript error.
fn error_object(env: &Env, failure: Failure) -> Error {
    let Failure { code, message } = failure;
    let build = || {
        let mut object = env.create_error(Error::new(Status::GenericFailure, message))?;
        object.set_named_property("code", code)?;
        Ok(Error::from(object.to_unknown()))
    };
    build().unwrap_or_else(|error| error)
}

/// Runs a short function on the calling thread.
pub fn guarded<T>(work: impl FnOnce() -> std::result::Result<T, Failure>) -> Coded<T> {
    // What a panic interrupts is the caller's output buffer at most, and that promises nothing then.
    let caught = catch_unwind(AssertUnwindSafe(work));
    Coded(caught.unwrap_or_else(|panic| Err(Failure::from_panic(&*panic))))
}
