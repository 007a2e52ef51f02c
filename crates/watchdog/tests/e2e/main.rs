//! The built program against small fakes: real processes, real sockets, loopback only.

mod crash;
mod fake;
mod ladder;
mod namespaces;
mod running;
mod watching;
mod witness;
