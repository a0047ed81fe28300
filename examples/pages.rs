//! The pages over made-up data, to look at while changing them: prints their address and serves
//! them on a free port of this machine until it is interrupted. With `--tokens` one has to log in
//! first, as `operator` or `viewer`.

#[path = "../tests/made_up/mod.rs"]
#[expect(dead_code, reason = "the tests use all of it")]
mod made_up;

use std::time::Duration;

use parallax::config::{Role, Secret, Token};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let token = |name: &str, role| Token { name: name.to_owned(), role, secret: Secret::from(name) };
    let tokens = match std::env::args().nth(1).as_deref() {
        Some("--tokens") => vec![token("operator", Role::Operator), token("viewer", Role::Viewer)],
        _ => Vec::new(),
    };
    let made_up = made_up::returns().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("http://{}/", listener.local_addr()?);
    let finished = made_up.finished.subscribe();
    let serving = parallax::api::run(
        listener,
        made_up.context(tokens),
        parallax::ui::pages(),
        finished,
        tokio::sync::watch::channel(false).0,
    );
    let traffic = async {
        loop {
            tokio::time::sleep(Duration::from_millis(300)).await;
            made_up.match_one("getReturn", Duration::from_millis(4), Duration::from_millis(3));
        }
    };
    tokio::select! {
        served = serving => served?,
        () = traffic => {}
    }
    Ok(())
}
