//! How finely something is counted, as keys say it: by so many decimals.

use failstop_amount::{SCALE_MAX, Scale};

/// As many decimals as there may be.
pub(super) const WIDEST: Scale = match Scale::new(SCALE_MAX) {
    Ok(scale) => scale,
    Err(_) => panic!("the widest scale is one"),
};

/// So many decimals. Each key that says them is held to what there may be where it is read.
pub(super) fn scale(decimals: u32) -> Scale {
    u8::try_from(decimals).ok().and_then(|decimals| Scale::new(decimals).ok()).unwrap_or(WIDEST)
}
