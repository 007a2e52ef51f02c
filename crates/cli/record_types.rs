//! Types of records, as whoever asks for some writes them: `halt.raised`, or `halt` and `halt.*` for all below it.

/// The wanted ones; none named: all.
#[derive(Debug)]
pub struct Types(Vec<String>);

impl Types {
    /// As they were written.
    pub fn new(written: &[String]) -> Self {
        Self(written.iter().map(|one| one.trim_end_matches('*').trim_end_matches('.').to_owned()).collect())
    }

    /// Whether a record's type is one of them, or below one.
    pub fn have(&self, kind: &str) -> bool {
        self.0.is_empty() || self.0.iter().any(|wanted| below(kind, wanted))
    }

    /// In words.
    pub fn text(&self) -> String {
        self.0.join(", ")
    }
}

/// Whether a type is the wanted one, or below it: `halt.raised` is below `halt`.
fn below(kind: &str, wanted: &str) -> bool {
    kind.strip_prefix(wanted).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_stands_for_all_below_it() {
        assert!(below("halt.raised", "halt"));
        assert!(below("halt.raised", "halt.raised"));
        assert!(!below("halted", "halt"));
        assert!(!below("halt", "halt.raised"));
    }
}
