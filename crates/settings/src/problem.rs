//! What is wrong with a configuration, where, and what to write instead: the structured form, and its text for people.

use crate::source::Source;
use std::fmt::{self, Display, Write as _};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

/// How many problems are shown; the rest is counted.
pub const MAX_SHOWN: usize = 20;

/// The widest excerpt, characters.
const EXCERPT_WIDTH: usize = 100;

/// Where a value came from, in rising precedence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Failstop's own default, or a profile's.
    BuiltIn,
    /// The configuration file as a whole.
    Whole,
    /// These bytes of the configuration file.
    File(Range<usize>),
    /// An environment variable, by name.
    Variable(Arc<str>),
    /// A flag of the command line, as written up to its value.
    Flag(Arc<str>),
}

/// Which kind of problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The file cannot be opened or read, or is not a file.
    Unreadable,
    /// The file is above [`crate::MAX_FILE_BYTES`].
    TooLarge,
    /// The file is not UTF-8.
    Encoding,
    /// The file is not TOML.
    Syntax,
    /// No such section.
    UnknownSection,
    /// No such key in its section.
    UnknownKey,
    /// A required key or section is missing.
    Missing,
    /// The value has the wrong type.
    WrongType,
    /// The value has the right type and cannot be used.
    BadValue,
    /// The value is outside its range.
    OutOfRange,
    /// Two things have the same name.
    Duplicate,
    /// A name that nothing has.
    UnknownName,
    /// Components wait for one another.
    Cycle,
    /// Values that contradict one another.
    Contradiction,
    /// A secret in a place where others can read it.
    ExposedSecret,
    /// An override that names nothing, or cannot be read.
    BadOverride,
}

/// A place in the configuration file, with the text that stands there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file, as the user gave it.
    pub file: PathBuf,
    /// From 1; 0 when the file as a whole is meant.
    pub line: usize,
    /// From 1, in characters; 0 when the file as a whole is meant.
    pub column: usize,
    /// The line's text, made safe for a terminal, secrets covered.
    pub excerpt: String,
    /// How many characters before the carets, in `excerpt`.
    pub indent: usize,
    /// How many carets.
    pub width: usize,
}

/// One problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Which kind.
    pub kind: Kind,
    /// Where the offending value came from.
    pub origin: Origin,
    /// What is wrong. One sentence without a full stop.
    pub message: String,
    /// What to write instead, or what to do next.
    pub help: String,
    /// Where in the file, when it is there.
    pub place: Option<Place>,
}

impl Problem {
    /// A problem whose place is not looked up yet.
    pub fn new(kind: Kind, origin: Origin, message: String, help: String) -> Self {
        Self { kind, origin, message, help, place: None }
    }

    /// Finds the place of the origin in the file.
    pub fn located(mut self, file: &std::path::Path, source: Option<&Source>) -> Self {
        self.place = match (&self.origin, source) {
            (Origin::File(span), Some(source)) => Some(place(source, span)),
            (Origin::Whole, _) => {
                Some(Place { file: file.to_owned(), line: 0, column: 0, excerpt: String::new(), indent: 0, width: 0 })
            }
            (Origin::File(_), None) | (Origin::BuiltIn | Origin::Variable(_) | Origin::Flag(_), _) => None,
        };
        self
    }
}

/// Everything that is wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ConfigErrors {
    /// At least one, in the order of the file.
    pub problems: Vec<Problem>,
}

impl ConfigErrors {
    /// The only one.
    pub fn one(problem: Problem) -> Self {
        Self { problems: vec![problem] }
    }

    /// Sorts by place, drops repetitions.
    pub fn sorted(mut problems: Vec<Problem>) -> Self {
        problems.sort_by_key(|p| match (&p.place, &p.origin) {
            (Some(place), _) => (0, place.line, place.column),
            (None, Origin::BuiltIn | Origin::Whole | Origin::File(_)) => (1, 0, 0),
            (None, Origin::Variable(_)) => (2, 0, 0),
            (None, Origin::Flag(_)) => (3, 0, 0),
        });
        problems.dedup();
        Self { problems }
    }
}

impl ConfigErrors {
    /// The same for whoever may not read the file: with places, without anything that stands there. A line may hold a secret that
    /// nothing marks as one, above all a line that is no TOML.
    pub fn published(&self) -> String {
        let mut out = String::new();
        // Writing to a text does not fail.
        let _ = self.put(&mut out, Problem::put_published);
        out
    }

    fn put<W: fmt::Write>(&self, out: &mut W, one: fn(&Problem, &mut W) -> fmt::Result) -> fmt::Result {
        for (index, problem) in self.problems.iter().take(MAX_SHOWN).enumerate() {
            out.write_str(if index > 0 { "\n\nerror: " } else { "error: " })?;
            one(problem, out)?;
        }
        if let Some(more) = self.problems.len().checked_sub(MAX_SHOWN).filter(|more| *more > 0) {
            write!(out, "\n\nand {more} more")?;
        }
        Ok(())
    }
}

impl Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.put(f, |problem, f| Display::fmt(problem, f))
    }
}

impl Problem {
    /// Message, place and help. What helps with a line that is no TOML, or a value of the wrong type, repeats what stands there.
    fn put_published(&self, out: &mut String) -> fmt::Result {
        out.write_str(&self.message)?;
        match (&self.place, &self.origin) {
            (Some(place), _) if place.line == 0 => write!(out, "\n  --> {}", place.file.display())?,
            (Some(place), _) => write!(out, "\n  --> {}:{}:{}", place.file.display(), place.line, place.column)?,
            (None, Origin::Variable(name)) => write!(out, "\n  --> environment variable {name}")?,
            (None, Origin::Flag(flag)) => write!(out, "\n  --> flag {flag}")?,
            (None, Origin::BuiltIn | Origin::Whole | Origin::File(_)) => {}
        }
        let repeats = matches!(self.kind, Kind::Syntax | Kind::WrongType);
        note(out, "   ", if repeats { "see what stands there" } else { &self.help })
    }
}

/// The problem without the leading `error:`, so that a warning can use the same form.
impl Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match (&self.place, &self.origin) {
            (Some(place), _) if place.line == 0 => {
                write!(f, "\n  --> {}", place.file.display())?;
                note(f, "   ", &self.help)
            }
            (Some(place), _) => {
                write!(f, "\n  --> {}:{}:{}", place.file.display(), place.line, place.column)?;
                let number = place.line.to_string();
                let pad = " ".repeat(number.len());
                write!(f, "\n {pad} |\n {number} | {}", place.excerpt)?;
                write!(f, "\n {pad} | {}{}", " ".repeat(place.indent), "^".repeat(place.width.max(1)))?;
                // A short hint stands beside the carets, a longer one below them.
                if !self.help.contains('\n') && place.indent + place.width + self.help.chars().count() <= EXCERPT_WIDTH
                {
                    write!(f, " {}", self.help)
                } else {
                    note(f, &format!(" {pad} "), &self.help)
                }
            }
            (None, Origin::Variable(name)) => {
                write!(f, "\n  --> environment variable {name}")?;
                note(f, "   ", &self.help)
            }
            (None, Origin::Flag(flag)) => {
                write!(f, "\n  --> flag {flag}")?;
                note(f, "   ", &self.help)
            }
            (None, Origin::BuiltIn | Origin::Whole | Origin::File(_)) => note(f, "   ", &self.help),
        }
    }
}

fn note(f: &mut impl fmt::Write, pad: &str, help: &str) -> fmt::Result {
    for (index, line) in help.lines().enumerate() {
        let lead = if index == 0 { "= " } else { "  " };
        write!(f, "\n{pad}{lead}{line}")?;
    }
    Ok(())
}

fn place(source: &Source, span: &Range<usize>) -> Place {
    let (line, column) = source.position(span.start);
    let text = source.line(line);
    let marked = source.text.get(span.clone()).unwrap_or("");
    let marked = marked.split('\n').next().unwrap_or("").trim_end_matches('\r').chars().count();
    let width = marked.clamp(1, text.chars().count().saturating_sub(column - 1).max(1));
    let shown: Vec<char> = cover_userinfo(&cover_secret(text)).chars().map(printable).collect();
    // A window around the carets where the line is long.
    let (from, lead) = match column - 1 {
        at if at + width <= EXCERPT_WIDTH => (0, ""),
        at => (at.saturating_sub(20), "... "),
    };
    let mut excerpt = lead.to_owned();
    excerpt.extend(shown.iter().skip(from).take(EXCERPT_WIDTH));
    if shown.len() > from + EXCERPT_WIDTH {
        excerpt.push_str(" ...");
    }
    let indent = lead.len() + (column - 1).saturating_sub(from);
    let width = width.min(EXCERPT_WIDTH);
    Place { file: source.file.clone(), line, column, excerpt: excerpt.trim_end().to_owned(), indent, width }
}

/// Control characters could drive the terminal.
fn printable(c: char) -> char {
    match c {
        '\t' => ' ',
        c if c.is_control() => '\u{FFFD}',
        c => c,
    }
}

/// Covers what stands in quotes behind a key that names a secret, since messages end up in logs of others. Keeps the
/// number of characters, so that carets stay in place.
fn cover_secret(line: &str) -> String {
    let Some(equals) = line.find('=') else { return line.to_owned() };
    let (key, value) = line.split_at(equals);
    let key = key.to_ascii_lowercase();
    if !["token", "password", "secret", "webhook", "routing_key", "api_key", "private"].iter().any(|w| key.contains(w))
    {
        return line.to_owned();
    }
    // `{ env = "NAME" }` and `{ file = "PATH" }` are no secrets, and seeing them helps.
    if value.trim_start_matches('=').trim_start().starts_with('{') {
        return line.to_owned();
    }
    let mut covered = String::with_capacity(line.len());
    covered.push_str(line.get(..equals).unwrap_or(""));
    let mut inside = None;
    for c in value.chars() {
        match inside {
            None => {
                if c == '"' || c == '\'' {
                    inside = Some(c);
                }
                let plain = c == '=' || c.is_whitespace() || c == '"' || c == '\'';
                let _ = covered.write_char(if plain { c } else { '*' });
            }
            Some(quote) if c == quote => {
                inside = None;
                covered.push(c);
            }
            Some(_) => covered.push('*'),
        }
    }
    covered
}

/// Covers the password of `scheme://user:password@host`, keeping the number of characters.
pub fn cover_userinfo(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        out.push_str(before);
        let end = after.find(|c: char| c.is_whitespace() || "/\"'".contains(c)).unwrap_or(after.len());
        let (authority, tail) = after.split_at(end);
        match authority.rsplit_once('@').map(|(user, host)| (user.split_once(':'), host)) {
            Some((Some((user, password)), host)) => {
                out.push_str(user);
                out.push(':');
                out.extend(password.chars().map(|_| '*'));
                out.push('@');
                out.push_str(host);
            }
            Some((None, _)) | None => out.push_str(authority),
        }
        rest = tail;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source { file: "failstop.toml".into(), text: text.to_owned(), world_readable: false }
    }

    #[test]
    fn a_problem_shows_the_line_with_carets() {
        let text = "[system]\n\nstate_dri = \"state\"\n";
        let at = text.find("state_dri").unwrap_or(0);
        let problem = Problem::new(
            Kind::UnknownKey,
            Origin::File(at..at + 9),
            "unknown key `state_dri` in [system]".into(),
            "did you mean `state_dir`?".into(),
        );
        let errors = ConfigErrors::one(problem.located("failstop.toml".as_ref(), Some(&source(text))));
        assert_eq!(
            errors.to_string(),
            "error: unknown key `state_dri` in [system]\n  --> failstop.toml:3:1\n   |\n 3 | state_dri = \"state\"\n   \
             | ^^^^^^^^^ did you mean `state_dir`?"
        );
    }

    #[test]
    fn an_excerpt_never_drives_the_terminal_and_never_shows_a_secret() {
        let text = "x = \"\u{1b}[2J\"";
        let place = place(&source(text), &(4..9));
        assert!(!place.excerpt.contains('\u{1b}'));
        assert_eq!(cover_secret("bot_token = \"12:ab\" # c"), "bot_token = \"*****\" * *");
        assert_eq!(cover_secret("bot_token = { env = \"T\" }"), "bot_token = { env = \"T\" }");
        assert_eq!(cover_secret("name = \"a\""), "name = \"a\"");
        assert_eq!(cover_userinfo("x = \"smtps://u:pass@h/\" # a@b"), "x = \"smtps://u:****@h/\" # a@b");
        assert_eq!(cover_userinfo("http://h/a:b@c"), "http://h/a:b@c");
    }

    #[test]
    fn what_is_published_has_the_place_and_nothing_of_the_line() {
        let text = "env = { VENUE = \"geheim }\n";
        let at = |kind, help: &str| {
            let problem = Problem::new(kind, Origin::File(16..24), "not valid TOML: no end".into(), help.into());
            ConfigErrors::one(problem.located("failstop.toml".as_ref(), Some(&source(text))))
        };
        let errors = at(Kind::Syntax, "write `VENUE = \"geheim\"`");
        assert!(errors.to_string().contains("geheim"), "whoever asks sees the line");
        assert_eq!(
            errors.published(),
            "error: not valid TOML: no end\n  --> failstop.toml:1:17\n   = see what stands there"
        );
        assert!(at(Kind::UnknownKey, "did you mean `x`?").published().ends_with("\n   = did you mean `x`?"));
        let many = ConfigErrors { problems: vec![errors.problems[0].clone(); MAX_SHOWN + 3] };
        assert!(many.published().ends_with("\n\nand 3 more"));
    }

    #[test]
    fn a_long_line_is_cut_around_its_carets() {
        let text = format!("x = \"{}!\"", "a".repeat(500));
        let at = text.find('!').unwrap_or(0);
        let place = place(&source(&text), &(at..at + 1));
        assert!(place.excerpt.chars().count() <= EXCERPT_WIDTH + 8);
        assert_eq!(place.excerpt.chars().nth(place.indent), Some('!'));
    }
}
