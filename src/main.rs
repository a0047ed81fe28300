//! The program; everything is in the library, where tests reach it.

/// Checks are made on one thread and dropped on another; the system's allocator takes a lock for
/// that, which showed as a quarter of the runner's time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    parallax::cli::main()
}
