//! A throwaway Postgres to play with: prints where it is, and is gone when this ends, by Ctrl-C for
//! one.
//!
//! `cargo run -p throwaway`

use std::{process::ExitCode, thread};

use throwaway::{Postgres, PostgresVersion};

fn main() -> ExitCode {
    let postgres = match Postgres::start(PostgresVersion::System) {
        Ok(postgres) => postgres,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    println!("{}", postgres.admin_url());
    loop {
        thread::park();
    }
}
