//! An error of several lines as one sentence, for status, alerts and the journal: where it is in brackets, what to do behind a
//! semicolon, and nothing of the drawing around the place.

use failstop_core::breaks_a_line;

/// Words that somebody else chose, on one line.
pub(super) fn one_line(text: &str) -> String {
    let line: String = text.chars().map(|c| if breaks_a_line(c) { ' ' } else { c }).collect();
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// `not valid TOML: a text must stand in quotes (failstop.toml:22:23); see what stands there`.
pub(super) fn sentence(error: &str) -> String {
    let mut said = String::new();
    for line in error.lines().map(one_line).filter(|line| !line.is_empty() && !is_drawn(line)) {
        if let Some(place) = line.strip_prefix("--> ") {
            said.push_str(&format!(" ({place})"));
            continue;
        }
        let words = ["error: ", "= "].iter().find_map(|lead| line.strip_prefix(lead)).unwrap_or(&line);
        let begins = words != line || line.starts_with("next: ");
        let ends = said.ends_with(['.', ';', ':', ',']) || said.is_empty();
        said.push_str(match (said.is_empty(), begins && !ends) {
            (true, _) => "",
            (false, true) => "; ",
            (false, false) => " ",
        });
        said.push_str(words);
    }
    said
}

/// `22 | url = ...`, `|`, `| ^^^^`.
fn is_drawn(line: &str) -> bool {
    line.trim_start_matches(|c: char| c.is_ascii_digit()).trim_start().starts_with('|')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_several_lines_is_one_sentence() {
        for (error, said) in [
            (
                "error: needs a restart, so nothing of the change is taken: system.mode \"dry\" -> \"live\"\n  next: put these back, \
                 or restart failstop",
                "needs a restart, so nothing of the change is taken: system.mode \"dry\" -> \"live\"; next: put these back, or restart \
                 failstop",
            ),
            (
                "error: not valid TOML: a text must stand in quotes\n  --> failstop.toml:22:23\n    = see what stands there",
                "not valid TOML: a text must stand in quotes (failstop.toml:22:23); see what stands there",
            ),
            (
                "error: unknown key `a`\n  --> f.toml:3:1\n   |\n 3 | a = \"|\"\n   | ^ did you mean `b`?\n   = one\n     two\n\nerror: second\n\nand 3 more",
                "unknown key `a` (f.toml:3:1); one two; second and 3 more",
            ),
            ("plain", "plain"),
            ("ends.\n  next: go on", "ends. next: go on"),
            ("", ""),
        ] {
            assert_eq!(sentence(error), said);
        }
        assert_eq!(one_line("a\n  b\tc"), "a b c");
    }
}
