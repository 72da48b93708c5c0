//! Own decoding of pages against the arrow reader, over tables, writers' options and damage.

mod checksums;
mod damage;
mod equal;
#[path = "../../benches/support/random.rs"]
mod random;
mod read;
mod rewrite;
mod table;
mod write;

use proptest::prelude::ProptestConfig;

/// Cases of a property; `CASES=20000 cargo test --release --test pages` looks longer.
fn cases(usual: u32) -> ProptestConfig {
    ProptestConfig::with_cases(std::env::var("CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(usual))
}
