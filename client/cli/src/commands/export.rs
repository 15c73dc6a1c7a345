//! `octroi export archive`: the chain as one file.

use crate::{
    failure::{Exit, Failure, Result},
    output::draws_progress,
    session::Session,
};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use std::{
    fs::File,
    io::{BufWriter, Write as _},
    path::Path,
};

/// Writes beside the target and moves it into place when it is whole: a file of that name is never half an archive.
pub async fn archive(session: &mut Session, file: &Path, from: u64, to: u64) -> Result<()> {
    let mut name =
        file.file_name().ok_or_else(|| Failure::usage(format!("{}: is no file name", file.display())))?.to_owned();
    name.push(".partial");
    let beside = file.with_file_name(name);
    let path = file.display().to_string();
    if file.symlink_metadata().is_ok() {
        return Err(Failure::usage(format!("{path}: something is there already"))
            .hint("name a file that does not exist yet, or move that one away")
            .value("path", path));
    }
    if session.global.dry_run {
        session.printer.say("nothing was written");
        return session.printer.object(&json!({ "file": path, "from": from, "to": to, "dry_run": true }));
    }
    let at = |error: std::io::Error| {
        let hint = match error.kind() {
            std::io::ErrorKind::NotFound => "make the folder first; a path is taken from the folder that you are in",
            std::io::ErrorKind::PermissionDenied => "give yourself the right to write there",
            _ => "look at the disk, then try again",
        };
        let failure = Failure::new(Exit::Unexpected, "FILE", format!("{}: {error}", beside.display())).hint(hint);
        failure.value("path", beside.display().to_string())
    };
    let bar = if draws_progress() { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
    bar.set_style(
        ProgressStyle::with_template("{spinner} height {msg}, {bytes}")
            .unwrap_or_else(|_| ProgressStyle::default_spinner()),
    );
    let mut out = BufWriter::new(File::create(&beside).map_err(at)?);
    let exported = session
        .client()?
        .export(from, to, &mut out, |height, bytes| {
            bar.set_message(height.to_string());
            bar.set_position(bytes);
        })
        .await;
    bar.finish_and_clear();
    let (height, bytes) = match exported {
        Ok(done) => done,
        Err(error) => {
            let _ = std::fs::remove_file(&beside);
            return Err(error.into());
        }
    };
    out.flush().map_err(at)?;
    out.get_ref().sync_all().map_err(at)?;
    std::fs::rename(&beside, file).map_err(at)?;
    session.printer.object(&json!({ "file": file.display().to_string(), "height": height, "bytes": bytes }))?;
    session.printer.say(format!("check it without believing anybody: octroi audit replay {}", file.display()));
    Ok(())
}
