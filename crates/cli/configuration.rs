//! Reads the configuration in earnest, whole and validated, for the commands that stand on it: `run`, `check` and
//! `verify-data`.

use crate::failure::Failure;
use crate::place::config_path;
use failstop_engine::config::{Config, Overrides};
use std::path::{Path, PathBuf};

/// The configuration's path. Where nobody named one and there is none, that is said instead of what is wrong with it.
pub fn path(flag: Option<&Path>) -> Result<PathBuf, Failure> {
    let path = config_path(flag);
    match (flag, std::fs::metadata(&path)) {
        (None, Err(source)) => Err(Failure::NoConfig { path, source }),
        (None, Ok(_)) | (Some(_), _) => Ok(path),
    }
}

/// The configuration that `--config`, `$FAILSTOP_CONFIG` or this folder gives, with the environment's overrides.
pub fn load(flag: Option<&Path>) -> Result<Config, Failure> {
    Config::load(&path(flag)?, &Overrides::from_environment())
        .map_err(|errors| Failure::Config { rendered: errors.to_string() })
}
