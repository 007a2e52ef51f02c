//! What carries requests: TLS, HTTP, programs.

pub(crate) mod http;
pub(crate) mod program;
pub(crate) mod smtp;
pub(crate) mod tls;
