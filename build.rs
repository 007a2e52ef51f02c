//! Hands the linker the order of the program's functions, so that those that run at rest lie together (`docs/adr/0106-what-runs-at-rest-lies-together.md`).
//!
//! It is a linker's script, tried with LLD, which is what rustc links with on this target unless told otherwise. A build that is told
//! otherwise, or for another target, is the same program in another order. `FAILSTOP_LINK_ORDER=off` leaves the order out.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=crates/cli/link-order.ld");
    println!("cargo::rerun-if-env-changed=FAILSTOP_LINK_ORDER");
    let said = |name: &str| env::var(name).unwrap_or_default();
    let with_lld = said("TARGET") == "x86_64-unknown-linux-gnu"
        && !said("CARGO_ENCODED_RUSTFLAGS").contains("link")
        && env::var_os("RUSTC_LINKER").is_none()
        && said("FAILSTOP_LINK_ORDER") != "off";
    if with_lld && said("PROFILE") == "release" {
        let order = format!("{}/crates/cli/link-order.ld", said("CARGO_MANIFEST_DIR"));
        println!("cargo::rustc-link-arg-bin=failstop=-Wl,-T,{order}");
    }
}
