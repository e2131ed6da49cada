//! Builds against the Node-API headers that `napi` expects.

fn main() {
    napi_build::setup();
}
