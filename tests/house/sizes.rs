//! Files stay small enough to be read in one go.

use crate::source::production;

const LONGEST: usize = 500;
const MEDIAN: usize = 150;

#[test]
fn no_production_file_is_longer_than_500_lines_and_half_of_them_are_near_100() {
    let sources = production();
    let too_long: Vec<_> = sources
        .iter()
        .filter(|source| source.lines.len() > LONGEST)
        .map(|source| format!("{}: {} lines", source.path, source.lines.len()))
        .collect();
    assert!(
        too_long.is_empty(),
        "longer than {LONGEST} lines: {too_long:#?}"
    );

    let mut lengths: Vec<_> = sources.iter().map(|source| source.lines.len()).collect();
    lengths.sort_unstable();
    let median = lengths[lengths.len() / 2];
    println!(
        "{} production files, median {median} lines, longest {:?}",
        lengths.len(),
        lengths.last()
    );
    assert!(median <= MEDIAN, "the median file has {median} lines");
}
