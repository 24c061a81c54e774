//! Every target: the name of the executable says which.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let target = fuzzing::Target::named(env!("CARGO_BIN_NAME")).expect("a target of this name");
    (target.run)(bytes);
});
