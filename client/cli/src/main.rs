//! `octroi`: the command line of an octroi network.
//!
//! Promises: data goes to standard output in the form that was asked for, prose to standard error; every failure has an exit code, a reason and a
//! next step; a secret is never an argument; what is not known is said to be unknown. Must not know: rules of the ledger, which the node judges.

mod acts;
mod arguments;
mod commands;
mod failure;
mod hints;
mod output;
mod pages;
mod reads;
mod session;
mod submitting;

use arguments::{Cli, Global, Static};
use clap::{ArgMatches, FromArgMatches as _};
use failure::{Exit, Failure, Result};
use output::{Format, Printer};
use session::Session;
use std::process::ExitCode;

/// A replay allocates as a node does.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let matches = match arguments::command().try_get_matches() {
        Ok(matches) => matches,
        Err(error) => return usage(&error),
    };
    let global = match Global::from_arg_matches(&matches) {
        Ok(global) => global,
        Err(error) => return usage(&error),
    };
    let printer = Printer { format: global.output };
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return end(printer, Err(error.into())),
    };
    let outcome = runtime.block_on(async {
        tokio::select! {
            outcome = run(global, &matches) => outcome,
            _ = tokio::signal::ctrl_c() => Err(Failure::new(Exit::Interrupted, "INTERRUPTED", "interrupted")
                .hint("what was submitted may still be committed; the same command again does nothing twice only where its help says so")),
        }
    });
    runtime.shutdown_background();
    end(printer, outcome)
}

async fn run(global: Global, matches: &ArgMatches) -> Result<()> {
    let mut session = Session::new(global)?;
    if let Some((name, inner)) = matches.subcommand() {
        if let Some(read) = reads::find(name, inner) {
            return reads::run(&mut session, read.0, read.1).await;
        }
        if let Some(act) = acts::find(name) {
            return acts::run(&mut session, act, inner).await;
        }
    }
    let cli = Cli::from_arg_matches(matches).map_err(|error| Failure::usage(error.to_string().trim_end()))?;
    match cli.command {
        Static::Key(command) => commands::key::run(&mut session, command).await,
        Static::Tx(command) => commands::tx::run(&mut session, command).await,
        Static::Status => commands::status::run(&mut session).await,
        Static::Watch(arguments) => commands::watch::run(&mut session, arguments).await,
        Static::Explain { name } => commands::explain::run(&session, name.as_deref()),
        Static::Import(arguments::Import::Scdl(arguments)) => commands::import::run(&mut session, arguments).await,
        Static::Audit(arguments::Audit::Replay { file, network, reaches, block, invariants_every }) => {
            let asked = commands::audit::Asked { file, network, reaches, block, invariants_every };
            commands::audit::run(&mut session, asked).await
        }
        Static::Export(arguments::Export::Archive { file, from, to }) => {
            commands::export::archive(&mut session, &file, from, to).await
        }
        Static::Context(command) => commands::context::run(&session, &command),
        Static::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut arguments::command(), "octroi", &mut script);
            output::text(&String::from_utf8_lossy(&script))
        }
    }
}

/// Help and version go to standard output and are no failure; wrong words are, in the form that was asked for.
fn usage(error: &clap::Error) -> ExitCode {
    use clap::error::ErrorKind;
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    let arguments: Vec<String> = std::env::args().collect();
    let json =
        arguments.windows(2).any(|pair| matches!(pair[0].as_str(), "--output" | "-o") && pair[1].starts_with("json"))
            || arguments.iter().any(|argument| argument.starts_with("--output=json") || argument.starts_with("-ojson"));
    if json {
        let words = error.render().to_string();
        let message = words.trim_start_matches("error: ").split("\n\n").next().unwrap_or(&words).trim().to_owned();
        Printer { format: Format::Json }
            .failure(&Failure::usage(message).hint("octroi COMMAND --help shows what a command takes"));
    } else {
        let _ = error.print();
    }
    ExitCode::from(Exit::Usage as u8)
}

fn end(printer: Printer, outcome: Result<()>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            printer.failure(&failure);
            ExitCode::from(failure.exit as u8)
        }
    }
}
