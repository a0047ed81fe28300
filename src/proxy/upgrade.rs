//! Connections that leave HTTP (RFC 9110 section 7.8), a WebSocket for example: the request to
//! switch is passed on, and once the side agrees, bytes are passed both ways until one end closes.

use http::{HeaderValue, Response, header, request};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;

use super::body::AnswerBody;
use super::head::{self, Survey};
use crate::tasks;
use crate::upstream::{ResponseBody, WantsTrailers, strip_hop_by_hop};

/// A client's wish to switch.
pub(crate) struct Switching {
    protocol: HeaderValue,
    client: Option<OnUpgrade>,
}

/// Takes everything off the head that belongs to the client's connection, and notes the wish to
/// switch, when there is one.
pub(crate) fn prepare(parts: &mut request::Parts, survey: Survey) -> Option<Switching> {
    let mut switching = None;
    if survey.hop_by_hop {
        let protocol = head::upgrade_of(&parts.headers);
        switching =
            protocol.map(|protocol| Switching { protocol, client: parts.extensions.remove::<OnUpgrade>() });
        WantsTrailers::note(parts);
        strip_hop_by_hop(&mut parts.headers);
    }
    if survey.ours || survey.expect {
        head::strip_ours(&mut parts.headers);
    }
    head::settle_host_and_cookies(parts, survey.cookie);
    switching
}

/// Asks the side to switch as the client asked us.
pub(crate) fn ask_again(parts: &mut request::Parts, switching: Option<&Switching>) {
    if let Some(switching) = switching {
        parts.headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        parts.headers.insert(header::UPGRADE, switching.protocol.clone());
    }
}

/// The side has agreed: the answer tells the client, and both connections are joined.
pub(crate) fn join(mut response: Response<ResponseBody>, switching: Switching) -> Response<AnswerBody> {
    if let Some(client) = switching.client {
        let side = hyper::upgrade::on(&mut response);
        tasks::spawn(async move {
            let (Ok(client), Ok(side)) = (client.await, side.await) else { return };
            pass_both_ways(client, side).await;
        });
    }
    response.map(AnswerBody::passed)
}

async fn pass_both_ways(client: Upgraded, side: Upgraded) {
    let (mut client, mut side) = (TokioIo::new(client), TokioIo::new(side));
    if let Err(error) = tokio::io::copy_bidirectional(&mut client, &mut side).await {
        tracing::debug!(%error, "an upgraded connection broke off");
    }
}
