//! What a configuration means, and what is said about one that means nothing.
#![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]

use super::*;
