//! What Cedar says is wrong, with the line it is about and what to do.

use miette::Diagnostic;

use super::{file::PolicyFile, problem::PolicyProblem};

/// The problem; in the given line, where it does not say better.
pub(super) fn problem(place: (&PolicyFile, usize), error: &dyn Diagnostic) -> PolicyProblem {
    let (file, line) = place;
    let mut labels = error.labels().into_iter().flatten();
    let label = labels.next();
    let line = match &label {
        Some(label) => line_of(&file.text, label.offset()),
        None => line,
    };
    let mut message = error.to_string();
    let more = label.as_ref().and_then(|label| label.label());
    let help = error.help().map(|help| help.to_string());
    for more in more.map(str::to_owned).into_iter().chain(help) {
        message.push_str("; ");
        message.push_str(&more);
    }
    PolicyProblem::new(format!("{}:{line}", file.name), message)
}

/// The line, counted from 1, that a byte of the text is in.
pub(super) fn line_of(text: &str, offset: usize) -> usize {
    let before = text.bytes().take(offset);
    before.filter(|byte| *byte == b'\n').count() + 1
}

/// The problems in the order of their places, those that are the same for several actions only once.
pub(super) fn said_once(mut problems: Vec<PolicyProblem>) -> Vec<PolicyProblem> {
    problems.sort_by(|one, other| (place(one), &one.message).cmp(&(place(other), &other.message)));
    problems.dedup_by(|one, other| {
        one.location == other.location
            && without_action(&one.message) == without_action(&other.message)
    });
    problems
}

fn place(problem: &PolicyProblem) -> (&str, usize) {
    let parts = problem.location.rsplit_once(':');
    let parts = parts.and_then(|(file, line)| Some((file, line.parse().ok()?)));
    parts.unwrap_or((&problem.location, 0))
}

/// What is said before and after the action that it is said of.
fn without_action(message: &str) -> (&str, &str) {
    let (before, rest) = message.split_once("Action::\"").unwrap_or((message, ""));
    let (_, after) = rest.split_once('"').unwrap_or_default();
    (before, after)
}
