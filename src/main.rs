//! The binary: hands over to the library's command line.

use std::process::ExitCode;

use tikv_jemallocator::Jemalloc;

/// A tenth of a busy daemon's time went into the system's allocator; SQLite uses this one, too.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    storyclip::cli::main()
}
