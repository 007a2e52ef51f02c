//! Reads the configuration in earnest, whole and validated, for the commands that stand on it: `run`, `check` and
//! `verify-data`.

use crate::failure::Failure;
use crate::place::config_path;
use failstop_engine::config::{Config, Overrides};
use std::path::Path;

/// The configuration that `--config`, `$FAILSTOP_CONFIG` or this folder gives, with the environment's overrides.
pub fn load(flag: Option<&Path>) -> Result<Config, Failure> {
    load_with(flag, &Overrides::from_environment())
}

/// The same, with more overrides.
pub fn load_with(flag: Option<&Path>, overrides: &Overrides) -> Result<Config, Failure> {
    let path = config_path(flag);
    if flag.is_none()
        && let Err(source) = std::fs::metadata(&path)
    {
        // Nobody named this file, so say how to name one rather than what is wrong with it.
        return Err(Failure::NoConfig { path, source });
    }
    Config::load(&path, overrides).map_err(|errors| Failure::Config { rendered: errors.to_string() })
}
