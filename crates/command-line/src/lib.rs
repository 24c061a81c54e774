//! What every program shares at its outer edge: arguments, settings, messages, exit status, signals.
//!
//! stdout carries the result and nothing else; everything meant for a person goes to stderr through [`Console`].
#![warn(missing_docs)]

pub mod arguments;
pub mod console;
pub mod context;
pub mod output;
pub mod signals;
pub mod status;
pub mod version;

pub use arguments::Arguments;
pub use console::Console;
pub use context::Context;
pub use output::print_json;
pub use status::Status;
pub use version::VERSION;
