//! A user, as people know them: `ana (1000)`. For what is told of who did something, and as whom to do it.

use std::fmt;

/// A user's number, shown with the name that `/etc/passwd` has for it. That file alone: a directory service may need a network
/// that is down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct User(pub u32);

impl User {
    /// The name, where `/etc/passwd` has one.
    pub fn name(self) -> Option<String> {
        let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        passwd.lines().find_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next()?;
            (fields.nth(1)?.parse() == Ok(self.0)).then(|| name.to_owned())
        })
    }
}

impl fmt::Display for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{name} ({})", self.0),
            None => write!(f, "user {}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_named_where_the_name_is_known() {
        assert_eq!(User(0).to_string(), "root (0)");
        assert_eq!(User(4_000_000_017).to_string(), "user 4000000017");
    }
}
