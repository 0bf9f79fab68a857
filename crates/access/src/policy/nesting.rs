//! How deep a policy goes. Cedar reads, walks and drops expressions by recursion, and the stack of a thread is all it has:
//! what is deeper than anybody would write is refused before it is read.

/// How many brackets and `if`s may be within one another.
const MAX_DEPTH: usize = 40;

/// How many words and signs a policy may have, texts and commas not counted: chains of `&&` and `.` nest, too.
const MAX_TOKENS: usize = 2_000;

/// The byte at which a policy of the text goes too deep, if one does.
pub(super) fn too_deep(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let (mut at, mut brackets, mut ifs, mut tokens) = (0, 0_usize, 0_usize, 0_usize);
    while let Some(&byte) = bytes.get(at) {
        let start = at;
        at += 1;
        match byte {
            b'"' => {
                at = end_of_text(bytes, at);
                continue;
            }
            b'/' if bytes.get(at) == Some(&b'/') => {
                at = run(bytes, at, |byte| byte != b'\n');
                continue;
            }
            b',' => continue,
            b';' if brackets == 0 => {
                (ifs, tokens) = (0, 0);
                continue;
            }
            b'(' | b'[' | b'{' => brackets += 1,
            b')' | b']' | b'}' => brackets = brackets.saturating_sub(1),
            _ if byte.is_ascii_whitespace() => continue,
            _ if is_word(byte) => {
                at = run(bytes, at, is_word);
                ifs += usize::from(bytes.get(start..at) == Some(b"if"));
            }
            _ => {}
        }
        tokens += 1;
        if brackets + ifs > MAX_DEPTH || tokens > MAX_TOKENS {
            return Some(start);
        }
    }
    None
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// The end of the bytes from here on that are such.
fn run(bytes: &[u8], from: usize, such: impl Fn(u8) -> bool) -> usize {
    let rest = bytes.get(from..).unwrap_or_default();
    from + rest.iter().take_while(|&&byte| such(byte)).count()
}

/// The byte after the text in quotes that began before `from`.
fn end_of_text(bytes: &[u8], mut from: usize) -> usize {
    while let Some(&byte) = bytes.get(from) {
        from += match byte {
            b'"' => return from + 1,
            b'\\' => 2,
            _ => 1,
        };
    }
    from
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_comments_and_lists_do_not_nest_and_policies_are_counted_apart() {
        let many = "Caller, ".repeat(1_500);
        let brackets = "((((".repeat(20);
        for text in [
            format!(
                "permit (principal, action, resource) when {{ [{many}].contains(principal) }};"
            ),
            format!("// {brackets}\npermit (principal, action, resource);"),
            format!("@id(\"\\\"{brackets}\")\npermit (principal, action, resource);"),
            "permit (principal, action, resource);\n".repeat(1_000),
        ] {
            assert_eq!(too_deep(&text), None, "{text:.60}");
        }
        for deep in [
            "(".repeat(41),
            "if a then b else ".repeat(41),
            "a && ".repeat(1_000),
            ".a".repeat(1_001),
            format!("\"\" {}", "[".repeat(41)),
        ] {
            assert!(too_deep(&deep).is_some(), "{deep:.60}");
        }
    }
}
