//! Looks whether the files with our certificates have changed, and shows the new ones then. Whoever
//! renews them has nothing to tell us.

use std::sync::Arc;
use std::time::Duration;

use crate::tls::ServerTls;

const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Runs until the runtime ends.
pub(super) async fn watch(tls: Arc<ServerTls>) {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let tls = Arc::clone(&tls);
        // The disk may be slow, and the page is served by this thread.
        let looked = tokio::task::spawn_blocking(move || tls.has_changed().then(|| tls.reload())).await;
        match looked {
            Ok(Some(Ok(()))) => tracing::info!("new certificates are shown from now on"),
            Ok(Some(Err(error))) => tracing::error!(%error, "the certificates are shown as before"),
            Ok(None) | Err(_) => {}
        }
    }
}
