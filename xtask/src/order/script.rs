//! The order as a linker's script: a section of its own before the rest of the code, in which functions lie as they are listed.

use std::fmt::Write as _;

const HEAD: &str = "/* Which functions of failstop lie together: those that run at rest, then those that answer whoever looks. Written by \
                    `cargo xtask order`. */\nSECTIONS\n{\n  .text.rest :\n  {\n";
const TAIL: &str = "  }\n}\nINSERT BEFORE .text;\n";

/// The script's section.
pub const SECTION: &str = ".text.rest";

/// A function's name for the script, without what becomes another with each version of a dependency or of the compiler: `*` for the hash
/// at the end of a name, and for those of the crates in one of the newer form. All that were made of one generic function have the same.
pub fn plain(name: &str) -> String {
    let is_hash = |tail: &str| {
        tail.len() == 17 && tail.ends_with('E') && tail.bytes().take(16).all(|byte| byte.is_ascii_hexdigit())
    };
    if let Some((lead, tail)) = name.rsplit_once("17h")
        && is_hash(tail)
    {
        return format!("{lead}17h*");
    }
    if !name.starts_with("_R") {
        return name.to_owned();
    }
    let mut parts = name.split("Cs");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.split_once('_').filter(|(crates, _)| crates.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        plain += &rest.map_or_else(|| format!("Cs{part}"), |(_, rest)| format!("Cs*_{rest}"));
    }
    plain
}

/// The script for these functions, in this order.
pub fn written<'a>(plain: impl Iterator<Item = &'a str>) -> String {
    let mut text = HEAD.to_owned();
    for name in plain {
        let _ = writeln!(text, "    *(.text.{name})");
    }
    text + TAIL
}

/// The functions that a script lists.
pub fn listed(script: &str) -> impl Iterator<Item = &str> {
    script.lines().filter_map(|line| line.trim().strip_prefix("*(.text.")?.strip_suffix(')'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_what_is_listed_whatever_the_hash() {
        let names = [
            "_ZN4core3fmt9Formatter3pad17h0123456789abcdefE",
            "_ZN1a1b17hffE",
            "_RNvMNtCsjrHSEGnQ3l9_3std4timeNtB2_7Instant7elapsed",
            "ring_core_0_17_14__x25519",
        ]
        .map(plain);
        let wanted = [
            "_ZN4core3fmt9Formatter3pad17h*",
            "_ZN1a1b17hffE",
            "_RNvMNtCs*_3std4timeNtB2_7Instant7elapsed",
            "ring_core_0_17_14__x25519",
        ];
        assert_eq!(names, wanted);
        let script = written(names.iter().map(String::as_str));
        assert!(
            script.contains("    *(.text._ZN4core3fmt9Formatter3pad17h*)\n    *(.text._ZN1a1b17hffE)\n"),
            "{script}"
        );
        assert!(listed(&script).eq(wanted));
    }
}
