# Short names for scripts/check; `just` is not needed for anything.

# what CI runs
check:
    scripts/check

# formatting and lints, quickly
lint:
    scripts/check format lint

# all tests
test *filter:
    cargo test --workspace {{filter}}

# a sample shop, its replacement, and the page, until Ctrl-C
demo:
    cargo run --release -- demo --keep

# the picture in the README
screenshot:
    scripts/screenshot
