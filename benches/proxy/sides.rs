//! The two services behind the proxies: nginx that answers JSON from memory, because it takes the
//! least of the machine.

use std::fmt::Write as _;
use std::path::Path;

use crate::nginx;
use crate::process::{Process, free_port};

/// How large the answers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Size {
    Kilobyte,
    Twenty,
}

impl Size {
    pub(crate) const ALL: [Self; 2] = [Self::Kilobyte, Self::Twenty];

    /// What the table calls it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Kilobyte => "1 KB",
            Self::Twenty => "20 KB",
        }
    }

    /// Where both sides answer so much.
    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::Kilobyte => "/items/1",
            Self::Twenty => "/items/20",
        }
    }

    fn items(self) -> u32 {
        match self {
            Self::Kilobyte => 13,
            Self::Twenty => 256,
        }
    }
}

/// Both sides.
pub(crate) struct Sides {
    /// Where legacy is.
    pub(crate) legacy: u16,
    /// Where the candidate is.
    pub(crate) candidate: u16,
    _process: Process,
}

impl Sides {
    /// Starts both.
    pub(crate) fn start(directory: &Path) -> Self {
        let (legacy, candidate) = (free_port(), free_port());
        // One byte is spelt differently, so that comparing really parses.
        let servers = server(legacy, "1.0") + &server(candidate, "1.00");
        let mut command = nginx::command(directory, "sides", &servers);
        let process = Process::start("the sides", &[legacy, candidate], &mut command);
        Self { legacy, candidate, _process: process }
    }
}

fn server(port: u16, spelling: &str) -> String {
    let locations = Size::ALL.map(|size| {
        let (sets, names) = in_variables(&body(size, spelling));
        format!("location = {} {{ {sets} return 200 \"{names}\"; }}", size.path())
    });
    format!("server {{ listen 127.0.0.1:{port} backlog=4096; {} }}\n", locations.join("\n"))
}

/// No word of nginx's configuration may be longer than 4 KB; variables side by side may.
fn in_variables(body: &str) -> (String, String) {
    let (mut sets, mut names) = (String::new(), String::new());
    for (number, piece) in body.as_bytes().chunks(3000).enumerate() {
        let piece = std::str::from_utf8(piece).expect("the body is ASCII");
        let _ = writeln!(sets, "set $part{number}x '{piece}';");
        let _ = write!(names, "${{part{number}x}}");
    }
    (sets, names)
}

/// JSON as a shop would answer it; `spelling` is one of its numbers.
pub(crate) fn body(size: Size, spelling: &str) -> String {
    let item = |number: u32| {
        format!(
            "{{\"sku\":\"sku-{number:04}\",\"quantity\":{number},\"price\":{{\"amount\":\"12.99\",\"currency\":\"EUR\"}}}}"
        )
    };
    let items: Vec<String> = (0..size.items()).map(item).collect();
    format!("{{\"id\":\"r-1\",\"weight\":{spelling},\"items\":[{}]}}", items.join(","))
}
