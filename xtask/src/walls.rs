//! The walls between crates, checked against the dependency trees that cargo resolves and not against good intentions.
//!
//! For each walled crate the names of its whole tree are compared with a committed list; a new line in a list is a
//! decision somebody makes on purpose, in review.

use crate::run::{TaskError, command, output, root};
use std::collections::BTreeSet;

/// A walled crate, and what must never be in its tree, whatever the list says.
struct Wall {
    package: &'static str,
    never: &'static [&'static str],
}

const WALLS: &[Wall] = &[
    Wall {
        package: "failstop-amount",
        never: &["serde", "tokio", "libc", "failstop-core", "failstop-journal", "failstop-client", "failstop-engine"],
    },
    Wall {
        package: "failstop-core",
        never: &["tokio", "libc", "tracing", "log", "failstop-journal", "failstop-client", "failstop-engine"],
    },
    Wall { package: "failstop-journal", never: &["tokio", "failstop-core", "failstop-client", "failstop-engine"] },
    Wall { package: "failstop-client", never: &["tokio", "failstop-core", "failstop-journal", "failstop-engine"] },
    Wall {
        package: "failstop-settings",
        never: &["tokio", "failstop-core", "failstop-journal", "failstop-client", "failstop-engine"],
    },
    Wall {
        package: "failstop-view",
        never: &["tokio", "hyper", "failstop-journal", "failstop-settings", "failstop-engine"],
    },
    Wall {
        package: "failstop-notify",
        never: &[
            "openssl-sys",
            "native-tls",
            "aws-lc-rs",
            "failstop-core",
            "failstop-journal",
            "failstop-client",
            "failstop-engine",
        ],
    },
    Wall { package: "failstop-watchdog", never: &["failstop-engine", "failstop-core"] },
];

/// Compares each tree with its list, or writes the lists.
pub fn walls(write: bool) -> Result<(), TaskError> {
    for wall in WALLS {
        let tree = tree(wall.package)?;
        for forbidden in wall.never {
            if tree.contains(*forbidden) {
                return Err(TaskError::Differs {
                    what: format!("{} depends on {forbidden}, which its wall forbids", wall.package),
                    next: format!("cargo tree -p {} -i {forbidden}", wall.package),
                });
            }
        }
        let path = root().join("docs/walls").join(format!("{}.txt", wall.package));
        let text: String = tree.iter().map(|name| format!("{name}\n")).collect();
        if write {
            std::fs::create_dir_all(root().join("docs/walls"))
                .and_then(|()| std::fs::write(&path, text))
                .map_err(|source| TaskError::File { path, source })?;
            continue;
        }
        let committed = std::fs::read_to_string(&path).map_err(|source| TaskError::File { path, source })?;
        if committed != text {
            let before: BTreeSet<&str> = committed.lines().collect();
            let added: Vec<&str> = tree.iter().map(String::as_str).filter(|name| !before.contains(name)).collect();
            let gone: Vec<&str> = before.into_iter().filter(|name| !tree.contains(*name)).collect();
            return Err(TaskError::Differs {
                what: format!("the dependency tree of {} changed: added {added:?}, gone {gone:?}", wall.package),
                next: "if that is meant: cargo xtask walls --write, and a line in docs/dependencies.md".to_owned(),
            });
        }
    }
    println!("walls: {} dependency trees are as committed", WALLS.len());
    Ok(())
}

fn tree(package: &str) -> Result<BTreeSet<String>, TaskError> {
    let text = output(&mut command(
        "cargo",
        &["tree", "--package", package, "--edges", "normal", "--prefix", "none", "--format", "{p}"],
    ))?;
    Ok(text
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != package)
        .map(str::to_owned)
        .collect())
}
