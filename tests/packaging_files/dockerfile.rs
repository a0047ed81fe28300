//! A Dockerfile as a list of instructions, and what is to complain about. No more of the language is
//! understood than ours uses.

use std::fs;
use std::path::Path;

pub(crate) struct Dockerfile {
    instructions: Vec<(String, String)>,
}

impl Dockerfile {
    pub(crate) fn read(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let joined = lines.collect::<Vec<_>>().join("\n").replace("\\\n", " ");
        let lines = joined.lines().map(str::trim).filter(|line| !line.is_empty());
        let words = lines.map(|line| line.split_once(' ').expect("an instruction with arguments"));
        Self { instructions: words.map(|(word, rest)| (word.to_owned(), rest.trim().to_owned())).collect() }
    }

    /// What the build takes from the repository.
    pub(crate) fn sources(&self) -> Vec<String> {
        let copies = all(&self.instructions, "COPY").filter(|copy| !copy.contains("--from="));
        let words = copies.map(|copy| copy.split_whitespace().collect::<Vec<_>>());
        words
            .flat_map(|words| {
                words[..words.len() - 1].iter().map(|&word| word.to_owned()).collect::<Vec<_>>()
            })
            .collect()
    }

    /// What must not be so.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let mut complaints = Vec::new();
        let mut complain = |holds: bool, text: String| {
            if !holds {
                complaints.push(text);
            }
        };
        for image in all(&self.instructions, "FROM").map(|from| self.image(from)) {
            let (name, tag) = image.split_once(':').unwrap_or((&image, ""));
            complain(!name.contains('/'), format!("{image} names a host; whoever builds decides on that"));
            complain(name == "scratch" || !matches!(tag, "" | "latest"), format!("{image} needs a tag"));
            let minor =
                |version: &str| version.split(['.', '-']).nth(1).and_then(|part| part.parse::<u32>().ok());
            let needed = minor(env!("CARGO_PKG_RUST_VERSION"));
            complain(name != "rust" || minor(tag) >= needed, format!("{image} is older than rust-version"));
        }
        complain(all(&self.instructions, "ADD").next().is_none(), "ADD does more than one sees; COPY".into());
        let ignored = fs::read_to_string(root().join(".dockerignore")).expect(".dockerignore");
        for source in self.sources() {
            complain(root().join(&source).exists(), format!("there is no {source} to copy"));
            let is_let_in = ignored.lines().any(|line| line.strip_prefix('!') == Some(&source));
            complain(is_let_in, format!(".dockerignore keeps {source} out"));
        }
        self.complain_of_the_last_stage(&mut complain);
        complaints
    }

    fn complain_of_the_last_stage(&self, complain: &mut dyn FnMut(bool, String)) {
        let start = self.instructions.iter().rposition(|(word, _)| word == "FROM").expect("a stage");
        let stage = &self.instructions[start..];
        let last = |word| all(stage, word).last().unwrap_or_default();
        let ids: Vec<Option<u32>> = last("USER").split(':').map(|id| id.parse().ok()).collect();
        let is_nobody = ids.len() == 2 && ids.iter().all(|id| id.is_some_and(|id| id != 0));
        complain(is_nobody, "USER has to be two numbers other than 0".into());
        for word in ["ENTRYPOINT", "CMD"] {
            let is_list = serde_json::from_str::<Vec<String>>(last(word)).is_ok();
            complain(is_list, format!("{word} needs the form [\"…\"]; the image has no shell"));
        }
        complain(all(stage, "RUN").next().is_none(), "RUN needs a shell, which the image has not".into());
        complain(last("STOPSIGNAL") == "SIGTERM", "STOPSIGNAL is not the one that drains".into());
        let version = format!("VERSION={}", env!("CARGO_PKG_VERSION"));
        complain(all(stage, "ARG").any(|arg| arg == version), format!("the image is not of {version}"));
    }

    /// The image behind a `FROM`, with the defaults of its arguments.
    fn image(&self, from: &str) -> String {
        let name = from.split_whitespace().next().expect("an image");
        let defaults = all(&self.instructions, "ARG").filter_map(|arg| arg.split_once('='));
        defaults.fold(name.to_owned(), |name, (arg, value)| name.replace(&format!("${{{arg}}}"), value))
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn all<'a>(instructions: &'a [(String, String)], word: &str) -> impl Iterator<Item = &'a str> {
    let word = word.to_owned();
    instructions.iter().filter(move |(own, _)| *own == word).map(|(_, rest)| rest.as_str())
}
