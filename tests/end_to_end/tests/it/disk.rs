//! A disk that fills up under a running node: a small one of its own, in a namespace that ends with the test.

use octroi_end_to_end::{Network, number, program};
use std::{
    io::Read as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// Room for a node with a short chain, and less than the store would set aside for its own log: what is set aside cannot run out.
const SIZE: &str = "16m";

/// A file system of a few megabytes, held by a process that sleeps.
struct SmallDisk {
    holder: Child,
    mounted: PathBuf,
}

impl SmallDisk {
    /// Mounts it over a folder, seen by the holder and whoever enters its namespaces; `None`, said aloud, where the system does not allow it.
    fn over(folder: &Path) -> Option<Self> {
        let script = format!("mount -t tmpfs -o size={SIZE} small \"$1\" && echo mounted && exec sleep 600");
        let mut holder = Command::new("unshare")
            .args(["--user", "--map-root-user", "--mount", "sh", "-c", &script, "sh"])
            .arg(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let mut said = [0; 7];
        let mounted = holder.stdout.take().is_some_and(|mut stdout| stdout.read_exact(&mut said).is_ok());
        let disk = Self { holder, mounted: folder.to_owned() };
        if mounted && &said == b"mounted" {
            return Some(disk);
        }
        println!("skipped: this system lets nobody mount a file system in a namespace of their own");
        None
    }

    /// A command inside.
    fn enter(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--user", "--mount", "--preserve-credentials", "--target", &self.holder.id().to_string(), "--"]);
        command.arg(program);
        command
    }

    fn run(&self, script: &str) -> String {
        let output = self.enter("sh").args(["-c", script, "sh"]).arg(&self.mounted).output().expect("nsenter starts");
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

fn promise(network: &Network) -> u64 {
    let arguments = ["promise", "--fund", "commun", "--amount", "100 EUR", "--due", "2099-03-31"];
    number(&network.act("foundation.giving", &arguments)["height"]).expect("a height")
}

#[test]
fn a_full_disk_ends_a_node_with_13_and_it_goes_on_when_there_is_room() {
    let mut network = Network::new(0);
    let data = network.home(0).join("data");
    let aside = network.home(0).join("aside");
    std::fs::rename(&data, &aside).expect("moved");
    std::fs::create_dir(&data).expect("made");
    let Some(disk) = SmallDisk::over(&data) else { return };
    let copied = disk.run(&format!("cp -a {}/. \"$1\"/", aside.display()));
    assert_eq!(copied, "");
    for node in 1..4 {
        network.start(node);
    }
    network.start_by(0, &mut disk.enter(program("octroid")));
    network.wait_ready();
    let before = promise(&network);
    network.wait_height(0, before);

    // Little room: the node says that it takes nothing new, and goes on following.
    disk.run("set -- \"$1\" $(df --output=avail -k \"$1\" | tail -1); head -c $(( ($2 - 600) * 1024 )) /dev/zero > \"$1\"/filler");
    let until = Instant::now() + Duration::from_secs(10);
    let refused = loop {
        let endpoint = network.endpoint(0);
        let asked = network.octroi(&["--output", "json", "status", "--endpoint", &endpoint]);
        if asked.code == Some(10) {
            break asked.error();
        }
        assert!(Instant::now() < until, "a node with little room says that it is ready: {}", disk.run("df \"$1\""));
        std::thread::sleep(Duration::from_millis(100));
    };
    assert!(refused.to_string().contains("less than 5 % is free"), "{refused}");
    network.wait_height(1, promise(&network));

    // No room at all: it stops at the first block that it cannot write, and says why.
    disk.run("cat /dev/zero > \"$1\"/rest");
    let mut after = promise(&network);
    let until = Instant::now() + Duration::from_secs(30);
    let code = loop {
        if let Some(code) = network.has_ended(0) {
            break code;
        }
        assert!(
            Instant::now() < until,
            "node 0 goes on without room: {}",
            disk.run("df \"$1\"; ls -la \"$1\" \"$1\"/*")
        );
        after = promise(&network);
    };
    let log = network.log(0);
    assert_eq!(code, Some(13), "{log}");
    for words in ["disk full", "make room on this disk"] {
        assert!(log.contains(words), "{words:?} is not said:\n{log}");
    }
    assert!(promise(&network) > after, "the three others go on");

    // As long as there is none, it does not start either. What the store let go of when it stopped is taken first.
    disk.run("cat /dev/zero > \"$1\"/more");
    network.start_by(0, &mut disk.enter(program("octroid")));
    let code = network.wait_end(0, Duration::from_secs(30));
    assert_eq!(code, Some(13), "{}", network.log(0));

    disk.run("rm \"$1\"/filler \"$1\"/rest \"$1\"/more");
    network.start_by(0, &mut disk.enter(program("octroid")));
    let height = promise(&network);
    network.wait_ready();
    network.common_root(0..4, height);
    assert_eq!(network.stop(0), Some(0));
}
