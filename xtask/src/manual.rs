//! Manual pages with the sections that readers of manual pages look for: what stands below a command's options in `--help` becomes
//! EXIT STATUS, EXAMPLES and NOTES, and SEE ALSO is added.

use clap::Command;
use clap_mangen::Man;
use std::io;

/// The heading under which the library puts everything that follows the options.
const EXTRA: &str = ".SH EXTRA\n";

/// The page of one command; `above` is the page of the command that it is part of.
pub fn page(command: &Command, name: &str, above: Option<&str>) -> io::Result<Vec<u8>> {
    let mut raw = Vec::new();
    Man::new(command.clone().display_name(name))
        .title(name.to_uppercase())
        .source(concat!("failstop ", env!("CARGO_PKG_VERSION")))
        .manual("failstop manual")
        .render(&mut raw)?;
    let raw = String::from_utf8_lossy(&raw);
    let (before, rest) = raw.split_once(EXTRA).unwrap_or((&raw, ""));
    let (extra, after) = rest.find("\n.SH ").map_or((rest, ""), |at| rest.split_at(at + 1));
    let mut page = format!("{before}{}{after}", sections(extra));
    if !page.ends_with('\n') {
        page.push('\n');
    }
    page.push_str(&see_also(command, name, above));
    Ok(page.into_bytes())
}

/// What of a trailing part belongs under which heading, in the order of first appearance.
fn sections(extra: &str) -> String {
    let mut found: Vec<(&str, Vec<&str>)> = Vec::new();
    let mut heading = "NOTES";
    for line in extra.lines() {
        let (next, line) = match line {
            "Exit status:" => ("EXIT STATUS", None),
            "Examples:" => ("EXAMPLES", None),
            _ => match line.strip_prefix("Exit status: ") {
                Some(rest) => ("EXIT STATUS", Some(rest)),
                // A paragraph that is not indented is about something else.
                None if heading != "NOTES" && !line.is_empty() && !line.starts_with([' ', '.']) => {
                    ("NOTES", Some(line))
                }
                None => (heading, Some(line)),
            },
        };
        heading = next;
        if !found.iter().any(|(there, _)| *there == heading) {
            found.push((heading, Vec::new()));
        }
        if let (Some(line), Some((_, lines))) = (line, found.iter_mut().find(|(there, _)| *there == heading)) {
            lines.push(line);
        }
    }
    let mut out = String::new();
    for (heading, lines) in found {
        let text = lines.join("\n");
        let text = text.trim_matches('\n');
        if !text.is_empty() {
            // As it stands: these are lines, not a paragraph to be filled.
            out.push_str(&format!(".SH \"{heading}\"\n.nf\n{text}\n.fi\n"));
        }
    }
    out
}

/// The pages around this one.
fn see_also(command: &Command, name: &str, above: Option<&str>) -> String {
    let other = if name == "failstop" { "failstop-watchdog" } else { "failstop" };
    let mut pages = vec![above.unwrap_or(other).to_owned()];
    pages.extend(
        command
            .get_subcommands()
            .filter(|sub| !sub.is_hide_set() && sub.get_name() != "help")
            .map(|sub| format!("{name}-{}", sub.get_name())),
    );
    let pages: Vec<String> = pages.iter().map(|page| format!("\\fB{}\\fR(1)", page.replace('-', "\\-"))).collect();
    format!(".SH \"SEE ALSO\"\n{}\n", pages.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_stands_under_its_own_heading() {
        let extra = "It writes nothing.\n\nExit status:\n  0  intact\n\nExamples:\n  failstop x\n\nAs root, mind this.\n  too\n";
        assert_eq!(
            sections(extra),
            concat!(
                ".SH \"NOTES\"\n.nf\nIt writes nothing.\n\nAs root, mind this.\n  too\n.fi\n",
                ".SH \"EXIT STATUS\"\n.nf\n  0  intact\n.fi\n",
                ".SH \"EXAMPLES\"\n.nf\n  failstop x\n.fi\n",
            )
        );
        assert_eq!(sections("Exit status: 0 all up."), ".SH \"EXIT STATUS\"\n.nf\n0 all up.\n.fi\n");
        assert_eq!(sections(""), "");
    }
}
