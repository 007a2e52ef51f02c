//! Finds the file of a program before anything is forked, so that "not found" is said with the places that were searched.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// Where there is no PATH at all.
const DEFAULT_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// Why a program was not found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// There is no such file.
    #[error("{} not found: {searched}: correct `command`", .program.display())]
    NotFound {
        /// As configured.
        program: OsString,
        /// Where it was looked for, in words.
        searched: String,
    },
    /// There is a file, but it is no program.
    #[error("{} is not executable: run `chmod +x {}`, or put its interpreter before it in `command`", .path.display(), .path.display())]
    NotExecutable {
        /// The file.
        path: PathBuf,
    },
}

/// The file that `program` means: with a `/` in it, relative to `directory`; otherwise the first match in `path` (the value
/// of PATH in the component's environment), and then in `directory`. Always absolute where `directory` is.
///
/// # Errors
/// Says where it looked, or that the file may not be executed.
pub fn resolve(program: &OsStr, directory: &Path, path: Option<&OsStr>) -> Result<PathBuf, ResolveError> {
    let mut not_executable = None;
    let mut judge = |candidate: PathBuf| -> Option<PathBuf> {
        let metadata = std::fs::metadata(&candidate).ok()?;
        if !metadata.is_file() {
            return None;
        }
        if metadata.permissions().mode() & 0o111 == 0 {
            not_executable.get_or_insert(candidate);
            return None;
        }
        Some(candidate)
    };
    let searched = if program.as_bytes().contains(&b'/') {
        let file = directory.join(program);
        let searched = format!("there is no file {}", file.display());
        if let Some(found) = judge(file) {
            return Ok(found);
        }
        searched
    } else {
        let path = path.unwrap_or_else(|| OsStr::new(DEFAULT_PATH));
        for folder in std::env::split_paths(path) {
            if !program.is_empty()
                && let Some(found) = judge(directory.join(folder).join(program))
            {
                return Ok(found);
            }
        }
        if !program.is_empty()
            && let Some(found) = judge(directory.join(program))
        {
            return Ok(found);
        }
        format!("neither in PATH ({}) nor in {}", path.display(), directory.display())
    };
    Err(match not_executable {
        Some(path) => ResolveError::NotExecutable { path },
        None => ResolveError::NotFound { program: program.to_owned(), searched },
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;

    fn file(path: &Path, mode: u32) {
        std::fs::write(path, "#!/bin/sh\n").unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn path_comes_before_the_directory_and_files_that_are_no_programs_are_passed_over() {
        let base = tempfile::tempdir().unwrap();
        let (first, second, own) = (base.path().join("first"), base.path().join("second"), base.path().join("own"));
        for folder in [&first, &second, &own] {
            std::fs::create_dir(folder).unwrap();
        }
        let path = std::env::join_paths([&first, &second]).unwrap();
        file(&first.join("bot"), 0o644);
        file(&own.join("bot"), 0o755);
        assert_eq!(resolve("bot".as_ref(), &own, Some(&path)), Ok(own.join("bot")));
        file(&second.join("bot"), 0o755);
        assert_eq!(resolve("bot".as_ref(), &own, Some(&path)), Ok(second.join("bot")));
        assert_eq!(resolve("./bot".as_ref(), &own, Some(&path)), Ok(own.join("./bot")));
        let absolute = second.join("bot");
        assert_eq!(resolve(absolute.as_os_str(), &own, Some(&path)), Ok(absolute));
    }

    #[test]
    fn what_is_missing_is_named_with_the_places() {
        let base = tempfile::tempdir().unwrap();
        file(&base.path().join("script"), 0o644);
        let none = resolve("absent".as_ref(), base.path(), Some("/nowhere".as_ref())).unwrap_err();
        assert!(none.to_string().contains("/nowhere"), "{none}");
        let plain = resolve("script".as_ref(), base.path(), Some("/nowhere".as_ref())).unwrap_err();
        assert_eq!(plain, ResolveError::NotExecutable { path: base.path().join("script") });
        assert!(matches!(resolve("".as_ref(), base.path(), None), Err(ResolveError::NotFound { .. })));
        assert!(matches!(resolve("./".as_ref(), base.path(), None), Err(ResolveError::NotFound { .. })));
    }
}
