//! acmedocs.

fn main() {}
