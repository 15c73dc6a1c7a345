//! Programs under test: found, run with an end in sight, ended by their id.

use std::{
    fs::File,
    io::{Read as _, Seek as _},
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

/// How often something that is waited for is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// A program of this repository, built beside the tests.
///
/// # Panics
/// When it was not built: `cargo build --release --bins` comes first.
pub fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a test has a path");
    let folder = test.parent().expect("a program lies in a folder");
    // Tests lie in a folder of their own below that of the programs.
    let folder = if folder.ends_with("deps") { folder.parent().expect("tests lie in deps") } else { folder };
    let program = folder.join(name);
    assert!(program.is_file(), "{} is not built; run: cargo build --release --bins", program.display());
    program
}

/// What a program left.
#[derive(Debug)]
pub struct Ended {
    /// Its exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Ended {
    /// Standard output of a program that must have succeeded.
    ///
    /// # Panics
    /// When it did not.
    #[track_caller]
    pub fn success(self) -> String {
        assert_eq!(self.code, Some(0), "{}\n{}", self.stdout, self.stderr);
        self.stdout
    }

    /// The data of the envelope that `--output json` gives.
    ///
    /// # Panics
    /// When the program failed or printed something else.
    #[track_caller]
    pub fn data(self) -> serde_json::Value {
        let stdout = self.success();
        let envelope: serde_json::Value =
            serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{error}: {stdout}"));
        envelope["data"].clone()
    }

    /// The error of the envelope that `--output json` gives on failure.
    ///
    /// # Panics
    /// When the program succeeded or printed something else.
    #[track_caller]
    pub fn error(&self) -> serde_json::Value {
        assert_ne!(self.code, Some(0), "{}", self.stdout);
        let envelope: serde_json::Value = serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}{}", self.stdout, self.stderr));
        envelope["error"].clone()
    }
}

/// Runs a program to its end.
///
/// # Panics
/// When it has not ended in time; it is killed then.
#[track_caller]
pub fn run(command: &mut Command, limit: Duration) -> Ended {
    // Files, not pipes: a pipe that is full would stop a program that nobody reads.
    let (mut stdout, mut stderr) = (scratch(), scratch());
    let mut child = command
        .stdin(Stdio::null())
        .stdout(stdout.try_clone().expect("a second handle"))
        .stderr(stderr.try_clone().expect("a second handle"))
        .spawn()
        .unwrap_or_else(|error| panic!("{:?} does not start: {error}", command.get_program()));
    let status = ended(&mut child, limit);
    if status.is_none() {
        let _ = child.kill();
        let _ = child.wait();
    }
    let (stdout, stderr) = (text(&mut stdout), text(&mut stderr));
    let status = status.unwrap_or_else(|| panic!("{command:?} has not ended within {limit:?}\n{stdout}\n{stderr}"));
    Ended { code: status.code(), stdout, stderr }
}

fn scratch() -> File {
    tempfile::tempfile().expect("a scratch file")
}

fn text(file: &mut File) -> String {
    file.rewind().expect("a file can be read from its beginning");
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).expect("readable");
    String::from_utf8_lossy(&bytes).into_owned()
}

/// How a child ended; `None` when it still runs after `limit`.
pub fn ended(child: &mut Child, limit: Duration) -> Option<ExitStatus> {
    let until = Instant::now() + limit;
    loop {
        match child.try_wait().expect("a child can be waited for") {
            Some(status) => return Some(status),
            None if Instant::now() >= until => return None,
            None => std::thread::sleep(LOOK),
        }
    }
}

/// Asks a process to stop. One that has ended is no fault.
pub fn terminate(pid: u32) {
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw).expect("an id of a process");
    let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
}
