//! Makes cargo notice a file that is added to `types/` or `providers/` or taken away.

fn main() {
    for folder in ["types", "providers"] {
        println!("cargo::rerun-if-changed={folder}");
    }
}
