//! The files of the repository, and Rust without its comments, texts and tests.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// A text file with its path from the root.
pub struct Source {
    pub path: String,
    pub text: String,
    /// Of a Rust file: what is neither comment nor literal, line by line as in the text, up to the tests at its end.
    pub code: Vec<String>,
}

impl Source {
    pub fn new(path: &str, text: &str) -> Self {
        let code = if path.ends_with(".rs") { code_of(text) } else { vec![] };
        Self { path: path.into(), text: text.into(), code }
    }

    pub fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Rust that is shipped: not tests and what supports them, examples, benches or build scripts.
    pub fn is_shipped(&self) -> bool {
        let inner = ["/tests/", "/fixture/", "/examples/", "/benches/"].iter().any(|part| self.path.contains(part));
        let support = ["/tests.rs", "/fixture.rs"].iter().any(|end| self.path.ends_with(end));
        let place = !self.path.starts_with("tests/") && self.path.contains("src/");
        self.is_rust() && !inner && !support && place
    }

    /// Folder of the crate, such as `node/ledger`.
    pub fn crate_folder(&self) -> &str {
        self.path.split_once("/src/").map_or("", |(folder, _)| folder)
    }

    /// Lines of shipped code that hold any of these, with their numbers.
    pub fn lines_with(&self, needles: &[&str]) -> Vec<String> {
        let hits = self.code.iter().enumerate().filter_map(|(number, line)| {
            let needle = needles.iter().find(|needle| has_word(line, needle))?;
            Some(format!("{}:{}: {needle}", self.path, number + 1))
        });
        hits.collect()
    }
}

/// Whether a line holds a needle that does not begin or end inside a longer word.
pub fn has_word(line: &str, needle: &str) -> bool {
    let inside = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    line.match_indices(needle).any(|(at, _)| {
        let (before, after) = (line[..at].chars().next_back(), line[at + needle.len()..].chars().next());
        let (first, last) = (needle.chars().next(), needle.chars().next_back());
        !(inside(first) && inside(before) || inside(last) && inside(after))
    })
}

/// The root of the repository. Asked when it runs: a target folder outlives the clone that filled it.
pub fn root() -> PathBuf {
    Path::new(&std::env::var_os("CARGO_MANIFEST_DIR").expect("run by cargo"))
        .join("../..")
        .canonicalize()
        .expect("the root of the repository")
}

/// Every text file that git knows or would add.
pub fn repository() -> Vec<Source> {
    let output = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard", "-z"])
        .current_dir(root())
        .output()
        .expect("git lists the files");
    assert!(output.status.success(), "git ls-files: {}", String::from_utf8_lossy(&output.stderr));
    let names = String::from_utf8(output.stdout).expect("paths are UTF-8");
    let read = |name: &str| Some(Source::new(name, &fs::read_to_string(root().join(name)).ok()?));
    let mut files: Vec<Source> = names.split('\0').filter(|name| !name.is_empty()).filter_map(read).collect();
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files.dedup_by(|a, b| a.path == b.path);
    assert!(files.len() > 100, "{} files are no repository", files.len());
    files
}

/// Lines without comments and literals; what stands under `#[cfg(test)]` at the end of the file is left out.
fn code_of(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    let bytes: Vec<char> = text.chars().collect();
    let mut at = 0;
    let push = |lines: &mut Vec<String>, c: char| match c {
        '\n' => lines.push(String::new()),
        c => lines.last_mut().expect("a line").push(c),
    };
    while at < bytes.len() {
        let rest = &bytes[at..];
        let starts = |prefix: &str| rest.iter().zip(prefix.chars()).filter(|(a, b)| **a == *b).count() == prefix.len();
        let length = if starts("//") {
            rest.iter().position(|c| *c == '\n').unwrap_or(rest.len())
        } else if starts("/*") {
            block_comment(rest)
        } else if starts("\"") {
            push(&mut lines, '"');
            quoted(rest)
        } else if let Some(length) = raw_string(rest) {
            length
        } else if starts("'") {
            character(rest)
        } else {
            push(&mut lines, rest[0]);
            at += 1;
            continue;
        };
        rest[..length].iter().filter(|c| **c == '\n').for_each(|c| push(&mut lines, *c));
        at += length;
    }
    let tests = lines.windows(2).position(|pair| {
        let item = pair[1].trim().trim_start_matches("pub(crate) ").trim_start_matches("pub(super) ");
        pair[0].trim() == "#[cfg(test)]" && item.starts_with("mod ") && item.ends_with('{')
    });
    lines.truncate(tests.unwrap_or(lines.len()));
    lines
}

fn block_comment(rest: &[char]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at + 1 < rest.len() {
        match (rest[at], rest[at + 1]) {
            ('/', '*') => (depth, at) = (depth + 1, at + 2),
            ('*', '/') => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    rest.len()
}

fn quoted(rest: &[char]) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            '\\' => at += 2,
            '"' => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

fn raw_string(rest: &[char]) -> Option<usize> {
    let after = rest.strip_prefix(&['b', 'r']).or_else(|| rest.strip_prefix(&['r']))?;
    let hashes = after.iter().take_while(|c| **c == '#').count();
    if after.get(hashes) != Some(&'"') {
        return None;
    }
    let start = rest.len() - after.len() + hashes + 1;
    let end: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
    let found = rest[start..].windows(end.len()).position(|window| *window == end[..]);
    Some(found.map_or(rest.len(), |found| start + found + end.len()))
}

/// A character, or the mark of a lifetime.
fn character(rest: &[char]) -> usize {
    match rest {
        ['\'', '\\', ..] => rest.iter().skip(2).position(|c| *c == '\'').map_or(1, |end| end + 3),
        ['\'', _, '\'', ..] => 3,
        _ => 1,
    }
}

#[test]
fn comments_texts_and_tests_are_not_code() {
    let text = "//! HashMap\nlet a = \"HashMap\"; /* HashMap /* HashMap */ */ let b: HashMap2;\nlet c = r#\"HashMap\"#;\n\
                let d = '\"'; let e: &'a str; let f = '\\'';\nuse HashMap;\n#[cfg(test)]\nmod tests {\n HashMap }\n";
    let source = Source::new("node/x/src/lib.rs", text);
    assert_eq!(source.lines_with(&["HashMap"]), ["node/x/src/lib.rs:5: HashMap"]);
    assert_eq!(source.code.len(), 5);
}
