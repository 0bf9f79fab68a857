//! Asking a person on a terminal.

use std::io::{self, BufRead, IsTerminal, Write};

/// A change that nobody said yes to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotConfirmed {
    /// There is nobody to ask.
    #[error(
        "nothing was changed: there is nobody to ask here; look at the plan above and give --yes"
    )]
    NobodyToAsk,
    /// There is nobody to ask whether this is meant.
    #[error(
        "nothing was changed: {0}, and there is nobody to ask here; give --yes if that is meant"
    )]
    NobodyToAskWhether(String),
    /// Whoever was asked said no.
    #[error("nothing was changed")]
    Declined,
}

/// Whether there is a person to ask.
pub(crate) fn on_terminal() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks; an empty answer is `default`, and the end of the input a no.
pub(crate) fn ask(question: &str, default: bool) -> io::Result<bool> {
    let choices = if default { "[Y/n]" } else { "[y/N]" };
    ask_on(
        &mut io::stdin().lock(),
        &mut io::stderr(),
        &format!("{question} {choices} "),
        default,
    )
}

/// Asks for a text; None at the end of the input.
pub(crate) fn ask_text(question: &str) -> io::Result<Option<String>> {
    eprint!("{question}: ");
    let mut line = String::new();
    let read = io::stdin().lock().read_line(&mut line)?;
    Ok((read > 0).then(|| line.trim().to_owned()))
}

fn ask_on(
    input: &mut impl BufRead,
    output: &mut impl Write,
    question: &str,
    default: bool,
) -> io::Result<bool> {
    loop {
        write!(output, "{question}")?;
        output.flush()?;
        let mut line = String::new();
        if input.read_line(&mut line)? == 0 {
            writeln!(output)?;
            return Ok(false);
        }
        match line.trim().to_lowercase().as_str() {
            "" => return Ok(default),
            "y" | "yes" => return Ok(true),
            "n" | "no" => return Ok(false),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_yes_is_a_yes() {
        for (answer, default, yes) in [
            ("y\n", false, true),
            ("YES\n", false, true),
            ("n\n", true, false),
            ("\n", true, true),
            ("\n", false, false),
            ("maybe\nyes\n", false, true),
            ("", true, false),
        ] {
            let mut asked = Vec::new();
            let told = ask_on(&mut answer.as_bytes(), &mut asked, "Apply? ", default).unwrap();
            assert_eq!(told, yes, "{answer:?}");
            assert!(asked.starts_with(b"Apply? "));
        }
    }
}
