//! Every file of the fuzz corpus once more: what was found once stays found, without a fuzzer.

use std::{fs, path::Path};

#[allow(unreachable_pub, reason = "the fuzzer has it as a library")]
#[path = "../../../tests/fuzz/targets.rs"]
mod targets;

#[test]
fn every_file_of_the_corpus_is_read_without_a_panic() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz/corpus");
    for (name, target) in targets::TARGETS {
        let mut files = 0;
        for entry in fs::read_dir(corpus.join(name)).unwrap() {
            let path = entry.unwrap().path();
            // Of a panic, the name of the file is the most telling part.
            println!("{}", path.display());
            target(&fs::read(&path).unwrap());
            files += 1;
        }
        assert!(files > 0, "{name} has no seeds");
    }
    let folders = fs::read_dir(&corpus).unwrap().count();
    assert_eq!(folders, targets::TARGETS.len(), "a folder without a target");
}
