//! As whom an action runs. From `/etc/passwd` and `/etc/group` alone: a directory service may need a network that is down.

use std::fs;

/// The group that may nothing: the kernel's for those that have no number here.
const NOBODYS_GROUP: u32 = 65_534;

/// A user, as far as a program must be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The user's number.
    pub uid: u32,
    /// The group's.
    pub gid: u32,
    /// All groups, the first one included.
    pub groups: Vec<u32>,
    /// The user's name; the number where it has none.
    pub name: String,
    /// The home; `/` where none is known.
    pub home: String,
}

impl Account {
    /// The user of this name or number; `None` where there is no such name.
    pub fn named(name: &str) -> Option<Self> {
        let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
        let groups = fs::read_to_string("/etc/group").unwrap_or_default();
        Self::of(name, &passwd, &groups)
    }

    /// The user with this number.
    pub fn numbered(uid: u32) -> Self {
        Self::named(&uid.to_string()).unwrap_or_else(|| Self::bare(uid, ""))
    }

    /// A user that nobody has named. The group of the same number is its own, unless it is one that somebody has named: what that
    /// one may is not for everybody who has its number.
    fn bare(uid: u32, group: &str) -> Self {
        let is_named = group.lines().any(|line| line.split(':').nth(2).and_then(|gid| gid.parse().ok()) == Some(uid));
        let gid = if is_named { NOBODYS_GROUP } else { uid };
        Self { uid, gid, groups: vec![gid], name: uid.to_string(), home: "/".to_owned() }
    }

    fn of(name: &str, passwd: &str, group: &str) -> Option<Self> {
        let number = name.parse::<u32>().ok();
        let found = passwd.lines().find_map(|line| {
            let fields: Vec<&str> = line.split(':').collect();
            let [user, _, uid, gid, _, home, ..] = fields.as_slice() else { return None };
            let (uid, gid) = (uid.parse().ok()?, gid.parse().ok()?);
            (*user == name || number == Some(uid)).then(|| (uid, gid, (*user).to_owned(), (*home).to_owned()))
        });
        let Some((uid, gid, name, home)) = found else { return number.map(|uid| Self::bare(uid, group)) };
        let mut groups = vec![gid];
        for line in group.lines() {
            let fields: Vec<&str> = line.split(':').collect();
            let [_, _, number, members] = fields.as_slice() else { continue };
            if let Ok(number) = number.parse()
                && members.split(',').any(|member| member == name)
                && !groups.contains(&number)
            {
                groups.push(number);
            }
        }
        let home = if home.is_empty() { "/".to_owned() } else { home };
        Some(Self { uid, gid, groups, name, home })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_by_name_and_by_number_with_its_groups() {
        let passwd = "root:x:0:0::/root:/bin/sh\nbot:x:1001:1002:,,,:/home/bot:/bin/sh\nhalf:x:1\n";
        let group = "bot:x:1002:\nvenue:x:70:ann,bot\nother:x:71:bots\n";
        let bot = Account::of("bot", passwd, group);
        let expected = Account {
            uid: 1001,
            gid: 1002,
            groups: vec![1002, 70],
            name: "bot".to_owned(),
            home: "/home/bot".to_owned(),
        };
        assert_eq!(bot.as_ref(), Some(&expected));
        assert_eq!(Account::of("1001", passwd, group), bot);
        assert_eq!(Account::of("nobody-here", passwd, group), None);
        let bare = |uid, gid| Account { uid, gid, groups: vec![gid], name: uid.to_string(), home: "/".to_owned() };
        assert_eq!(Account::of("4242", passwd, group), Some(bare(4242, 4242)));
        // 70 is the group `venue`, whose it is not.
        assert_eq!(Account::of("70", passwd, group), Some(bare(70, NOBODYS_GROUP)));
    }
}
