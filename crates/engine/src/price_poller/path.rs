//! Where in a page a value stands: `$.result.XXBTZUSD.b[0]`. Names and places only, the part of JSONPath that finds one value; and
//! what is found is the page's own text, since a number that passes through a binary float is another one.

use core::fmt;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::collections::VecDeque;

/// The longest path, bytes.
pub const PATH_MAX: usize = 256;

/// The most steps of a path.
const STEPS_MAX: usize = 16;

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    /// Into the member with this name.
    Name(String),
    /// Into the item at this place.
    Place(usize),
    /// Into the item at this place from the end; 1 is the last.
    FromEnd(usize),
}

/// A way to one value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    text: String,
    steps: Vec<Step>,
}

/// Why a text is no path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// It does not begin with `$`.
    #[error("a path begins with `$`, the whole page, like `$.result.price`")]
    Root,
    /// Something of JSONPath that finds several values or none.
    #[error("`{0}` finds any number of values; a path leads to one, by names and places")]
    Several(&'static str),
    /// A step that has not its form.
    #[error("after `{0}` comes a step like `.name`, `['any name']`, `[0]` or `[-1]`")]
    Step(String),
    /// Too long.
    #[error("a path has at most {STEPS_MAX} steps and {PATH_MAX} bytes")]
    TooLong,
}

/// Why nothing was found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Missing {
    /// The page is no JSON.
    #[error("the page is no JSON")]
    NotJson,
    /// There is nothing at this point of the way.
    #[error("the page has nothing at {0}")]
    Nothing(String),
    /// A name is there twice, and nobody knows which is meant.
    #[error("the page has {0} twice")]
    Twice(String),
}

impl Path {
    /// Reads a path.
    ///
    /// # Errors
    /// [`PathError`]
    pub fn parse(text: &str) -> Result<Self, PathError> {
        if text.len() > PATH_MAX {
            return Err(PathError::TooLong);
        }
        let mut rest = text.strip_prefix('$').ok_or(PathError::Root)?;
        let mut steps = Vec::new();
        while !rest.is_empty() {
            if steps.len() >= STEPS_MAX {
                return Err(PathError::TooLong);
            }
            let before = text.get(..text.len() - rest.len()).unwrap_or_default();
            let (step, after) = step(rest)?.ok_or_else(|| PathError::Step(before.to_owned()))?;
            steps.push(step);
            rest = after;
        }
        Ok(Self { text: text.to_owned(), steps })
    }

    /// The value that it leads to, as the page writes it.
    ///
    /// # Errors
    /// [`Missing`]
    pub fn find<'a>(&self, page: &'a str) -> Result<&'a str, Missing> {
        let mut value: &RawValue = serde_json::from_str(page).map_err(|_| Missing::NotJson)?;
        for (index, step) in self.steps.iter().enumerate() {
            let at = || self.upto(index);
            let mut json = serde_json::Deserializer::from_str(value.get());
            // It was read once already, so an error is about the step.
            value = match Enter(step).deserialize(&mut json) {
                Ok(Some(found)) => found,
                Ok(None) => return Err(Missing::Nothing(at())),
                Err(error) if error.to_string().starts_with(TWICE) => return Err(Missing::Twice(at())),
                Err(_) => return Err(Missing::Nothing(at())),
            };
        }
        Ok(value.get())
    }

    /// The way up to and with a step.
    fn upto(&self, index: usize) -> String {
        self.steps.iter().take(index + 1).fold("$".to_owned(), |way, step| match step {
            Step::Name(name) => format!("{way}['{}']", crate::printable::printable(name)),
            Step::Place(place) => format!("{way}[{place}]"),
            Step::FromEnd(place) => format!("{way}[-{place}]"),
        })
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The first step of a text, and what follows it.
fn step(text: &str) -> Result<Option<(Step, &str)>, PathError> {
    if text.starts_with("..") {
        return Err(PathError::Several(".."));
    }
    if text.starts_with(".*") || text.starts_with("[*]") {
        return Err(PathError::Several("*"));
    }
    if text.starts_with("[?") {
        return Err(PathError::Several("[?...]"));
    }
    if let Some(rest) = text.strip_prefix('.') {
        let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        let named = name.chars().next().is_some_and(|first| !first.is_ascii_digit());
        return Ok(named.then(|| (Step::Name(name.to_owned()), after)));
    }
    let Some(rest) = text.strip_prefix('[') else { return Ok(None) };
    if let Some(quote @ ('\'' | '"')) = rest.chars().next() {
        return Ok(quoted(rest.get(1..).unwrap_or_default(), quote));
    }
    let Some((inside, after)) = rest.split_once(']') else { return Ok(None) };
    if inside.contains(':') {
        return Err(PathError::Several(":"));
    }
    if inside.contains(',') {
        return Err(PathError::Several(","));
    }
    let (digits, from_end) = match inside.strip_prefix('-') {
        Some(digits) => (digits, true),
        None => (inside, false),
    };
    // One way to write a number: `[01]`, `[+1]` and `[-0]` are none.
    let plain = digits == "0" || (digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0'));
    let place = digits.parse().ok().filter(|place: &usize| plain && !(from_end && *place == 0));
    Ok(place.map(|place| (if from_end { Step::FromEnd(place) } else { Step::Place(place) }, after)))
}

/// A name up to its closing quote; `\` lets the next character stand for itself.
fn quoted(text: &str, quote: char) -> Option<(Step, &str)> {
    let mut name = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        if character == quote {
            let after = text.get(at + 1..)?.strip_prefix(']')?;
            return Some((Step::Name(name), after));
        }
        if character == '\\' {
            let (_, escaped) = characters.next()?;
            if escaped != '\\' && escaped != quote {
                return None;
            }
            name.push(escaped);
        } else {
            name.push(character);
        }
    }
    None
}

/// How the error about a repeated name begins.
const TWICE: &str = "twice";

/// Goes one step into a value.
struct Enter<'s>(&'s Step);

impl<'de> DeserializeSeed<'de> for Enter<'_> {
    type Value = Option<&'de RawValue>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        match self.0 {
            Step::Name(_) => from.deserialize_map(self),
            Step::Place(_) | Step::FromEnd(_) => from.deserialize_seq(self),
        }
    }
}

impl<'de> Visitor<'de> for Enter<'_> {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Step::Name(_) => "an object",
            Step::Place(_) | Step::FromEnd(_) => "a list",
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(name) = members.next_key::<String>()? {
            if !matches!(self.0, Step::Name(wanted) if *wanted == name) {
                members.next_value::<IgnoredAny>()?;
            } else if found.replace(members.next_value::<&RawValue>()?).is_some() {
                return Err(A::Error::custom(TWICE));
            }
        }
        Ok(found)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        // Lists may have half a million items; never more of them are kept than may be wanted.
        let mut last = VecDeque::new();
        let mut found = None;
        for place in 0_usize.. {
            match self.0 {
                Step::Place(wanted) if *wanted == place => {
                    found = items.next_element::<&RawValue>()?;
                    if found.is_none() {
                        break;
                    }
                }
                Step::FromEnd(wanted) => {
                    let Some(item) = items.next_element::<&RawValue>()? else { break };
                    last.push_back(item);
                    if last.len() > *wanted {
                        last.pop_front();
                    }
                }
                Step::Place(_) | Step::Name(_) => {
                    if items.next_element::<IgnoredAny>()?.is_none() {
                        break;
                    }
                }
            }
        }
        Ok(match self.0 {
            Step::FromEnd(wanted) if last.len() == *wanted => last.pop_front(),
            Step::FromEnd(_) | Step::Place(_) | Step::Name(_) => found,
        })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;
    use proptest::prelude::*;

    const PAGE: &str = r#" {"error":[],"result":{"XXBTZUSD":{"a":["64231.50000","1"],"b":["64231.40000"],"c":[64231.5e0]},
        "a.b":{"it's":1,"\u0078":2}},"list":[[1,2],[3,4.10]],"twice":1,"twice":2,"price":0.1000000000000000055511151231257827} "#;

    fn find(path: &str) -> Result<&'static str, Missing> {
        Path::parse(path).unwrap().find(PAGE)
    }

    #[test]
    fn a_path_leads_to_the_pages_own_text() {
        for (path, wanted) in [
            ("$.result.XXBTZUSD.b[0]", "\"64231.40000\""),
            ("$['result']['XXBTZUSD'][\"c\"][-1]", "64231.5e0"),
            ("$.list[-1][1]", "4.10"),
            ("$.price", "0.1000000000000000055511151231257827"),
            ("$.result['a.b']['it\\'s']", "1"),
            ("$.result['a.b'].x", "2"),
        ] {
            assert_eq!(find(path), Ok(wanted), "{path}");
        }
        assert_eq!(Path::parse("$").unwrap().find(" 5 "), Ok("5"));
    }

    #[test]
    fn what_is_not_there_is_said_with_the_way_to_it() {
        let nothing = |at: &str| Err(Missing::Nothing(at.to_owned()));
        assert_eq!(find("$.result.nowhere.b[0]"), nothing("$['result']['nowhere']"));
        assert_eq!(find("$.list[2]"), nothing("$['list'][2]"));
        assert_eq!(find("$.list[-3]"), nothing("$['list'][-3]"));
        assert_eq!(find("$.list.x"), nothing("$['list']['x']"));
        assert_eq!(find("$.price[0]"), nothing("$['price'][0]"));
        assert_eq!(find("$.twice"), Err(Missing::Twice("$['twice']".to_owned())));
        for page in ["", "{", "<html>", "{}{}", "{\"a\":01}", "nul"] {
            assert_eq!(Path::parse("$.a").unwrap().find(page), Err(Missing::NotJson), "{page}");
        }
    }

    #[test]
    fn what_finds_several_values_or_is_written_otherwise_is_refused() {
        for (several, what) in
            [("$..a", ".."), ("$.*", "*"), ("$[*]", "*"), ("$.a[?(@.x)]", "[?...]"), ("$[0:2]", ":"), ("$[0,1]", ",")]
        {
            assert_eq!(Path::parse(several), Err(PathError::Several(what)), "{several}");
        }
        for (bad, before) in [
            ("$a", "$"),
            ("$.", "$"),
            ("$.0", "$"),
            ("$.a-b", "$.a"),
            ("$[01]", "$"),
            ("$[-0]", "$"),
            ("$['a]", "$"),
            ("$[]", "$"),
            ("$['a\\n']", "$"),
        ] {
            assert_eq!(Path::parse(bad), Err(PathError::Step(before.to_owned())), "{bad}");
        }
        assert_eq!(Path::parse("result"), Err(PathError::Root));
        assert_eq!(Path::parse(&format!("${}", ".a".repeat(17))), Err(PathError::TooLong));
    }

    #[test]
    fn deep_pages_are_no_danger() {
        let deep = format!("{}1{}", "[".repeat(200_000), "]".repeat(200_000));
        // Found or refused, but not by running out of stack.
        let found = Path::parse("$[0]").unwrap().find(&deep);
        assert!(found == Err(Missing::NotJson) || found.is_ok_and(|text| text.len() == deep.len() - 2));
    }

    proptest! {
        #[test]
        fn nothing_breaks_it(text in "[$.\\['\"a0\\]\\-*:,\\\\é ]{0,20}", page in "[\\[\\]{}\":,0a ]{0,40}") {
            if let Ok(path) = Path::parse(&text) {
                prop_assert_eq!(path.to_string(), text);
                let _ = path.find(&page);
            }
        }
    }
}
