//! The program; everything is in the library, where tests reach it.

// Checks are made on one thread and dropped on another; the system's allocator takes a lock for that,
// which showed as a quarter of the runner's time. mimalloc takes the place of `malloc` itself: its
// interface for Rust asks for an alignment each time, which costs twice as much.
use mimalloc as _;

fn main() -> std::process::ExitCode {
    parallax::cli::main()
}
