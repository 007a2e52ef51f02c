//! `tls_cert` and `tls_key`: what a listener that speaks TLS proves itself by.

use failstop_settings::{Kind, Places, Reading};
use std::path::PathBuf;

/// Refuses one of the two without the other.
pub(super) fn goes_with_its_key(
    cert: &Option<PathBuf>,
    key: &Option<PathBuf>,
    places: &Places<'_>,
    reading: &mut Reading<'_>,
) {
    let (there, missing) = match (cert, key) {
        (Some(_), None) => ("tls_cert", "tls_key"),
        (None, Some(_)) => ("tls_key", "tls_cert"),
        (Some(_), Some(_)) | (None, None) => return,
    };
    reading.refuse(
        Kind::Contradiction,
        &places.first_of(&[there]),
        format!("{} has `{there}` and no `{missing}`", places.label),
        format!("write `{missing}` too: a certificate and its private key go together"),
    );
}
