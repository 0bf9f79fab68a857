//! Makes cargo notice a file that is added to `types/` or taken away.

fn main() {
    println!("cargo::rerun-if-changed=types");
}
