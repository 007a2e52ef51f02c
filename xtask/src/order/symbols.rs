//! The functions of a program, by the name that the linker knows them by.

use super::script::{SECTION, plain};
use crate::run::TaskError;
use object::{Object as _, ObjectSection as _, ObjectSymbol as _, SymbolKind};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The functions of a program.
pub struct Symbols {
    /// The program.
    pub path: PathBuf,
    /// Where each begins, as the file counts addresses; those of the same code together.
    pub functions: BTreeMap<u64, Vec<String>>,
    names: BTreeSet<String>,
    /// How far the file's addresses of code lie from its bytes.
    pub from_bytes: u64,
}

impl Symbols {
    /// Those of this program, which must not be stripped.
    pub fn of(path: &Path) -> Result<Self, TaskError> {
        let failed = |source| TaskError::File { path: path.to_owned(), source };
        let bytes = std::fs::read(path).map_err(failed)?;
        let file = object::File::parse(&*bytes).map_err(|error| failed(std::io::Error::other(error)))?;
        let sections = [".text", SECTION].map(|name| file.section_by_name(name));
        let code = sections[0].as_ref().and_then(|text| Some((text.address(), text.file_range()?.0)));
        let Some((address, offset)) = code else {
            return Err(failed(std::io::Error::other("it has no section .text")));
        };
        let mut functions = BTreeMap::<u64, Vec<String>>::new();
        for symbol in file.symbols() {
            let is_code = sections.iter().flatten().any(|code| symbol.section_index() == Some(code.index()));
            if symbol.kind() == SymbolKind::Text && is_code && symbol.size() > 0 {
                let name = symbol.name().map_err(|error| failed(std::io::Error::other(error)))?;
                functions.entry(symbol.address()).or_default().push(name.to_owned());
            }
        }
        let names = functions.values().flatten().map(|name| plain(name)).collect();
        Ok(Self { path: path.to_owned(), functions, names, from_bytes: address - offset })
    }

    /// Whether it has a function of this plain name.
    pub fn has(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    /// How many functions there are.
    pub fn len(&self) -> usize {
        self.functions.len()
    }
}
