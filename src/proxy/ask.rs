//! Asking the answering side: which one, with what patience, and who answers in its place when not a
//! byte could be sent to it.

use std::pin::pin;
use std::sync::Arc;
use std::time::Instant;

use http::uri::PathAndQuery;
use http::{Request, Response, StatusCode, header, request};
use parallax_core::exchange::Side;
use parallax_core::operation::Idempotent;

use super::client::Client;
use super::met::Met;
use super::sent::Sent;
use super::service::Service;
use super::{head, interim, upgrade};
use crate::upstream::{Access, Again, Fault, Interim, RequestBody, ResponseBody, SendError, Sides};

/// What it takes to ask for a request of an operation.
pub(super) struct Asking<'r> {
    pub(super) met: &'r Met,
    pub(super) target: &'r PathAndQuery,
    pub(super) sent: &'r Sent,
    pub(super) client: &'r Arc<Client>,
    pub(super) switching: Option<&'r upgrade::Switching>,
}

/// Who has answered, and since when it was asked.
pub(super) struct Asked {
    pub(super) side: Side,
    pub(super) began: Instant,
    pub(super) response: Response<ResponseBody>,
}

impl Service {
    /// Asks the answering side; where the plan says so and not a byte could be sent to the
    /// candidate, legacy is asked instead.
    pub(super) async fn ask_with_fallback(
        &self,
        asking: Asking<'_>,
        mut parts: request::Parts,
        body: RequestBody,
    ) -> Result<Asked, (Side, SendError)> {
        let Asking { met, target, sent, client, switching } = asking;
        let side = met.plan.answering;
        let again =
            if met.operation.idempotent == Idempotent::False { Again::Never } else { Again::IfHarmless };
        sent.frame(&mut parts.headers, &body);
        let original = met.plan.falls_back.then(|| parts.headers.clone());
        head::address_to(&mut parts, &met.sides.of(side).upstream, &met.operation.target_on(side, target));
        upgrade::ask_again(&mut parts, switching);
        let began = Instant::now();
        let mut error =
            match self.ask(&met.sides, side, Request::from_parts(parts, body), client, sent, again).await {
                Ok(response) => return Ok(Asked { side, began, response }),
                Err(error) => error,
            };
        let unsent = original.and_then(|headers| Some((headers, error.unsent.take()?)));
        let Some((headers, unsent)) = unsent else { return Err((side, error)) };
        self.shared.complaints.say(
            met.operation.id.as_str(),
            side,
            &error.fault,
            "legacy answers in its place",
        );
        let (mut parts, body) = unsent.into_parts();
        parts.headers = headers;
        head::address_to(&mut parts, &met.sides.legacy.upstream, target);
        upgrade::ask_again(&mut parts, switching);
        let began = Instant::now();
        match self.ask(&met.sides, Side::Legacy, Request::from_parts(parts, body), client, sent, again).await
        {
            Ok(response) => Ok(Asked { side: Side::Legacy, began, response }),
            Err(error) => Err((Side::Legacy, error)),
        }
    }

    /// Asks a side. Its timeout counts from when the request was sent to its end: how long a
    /// client takes to send it is not the side's doing.
    pub(super) async fn ask(
        &self,
        sides: &Sides,
        side: Side,
        request: Request<RequestBody>,
        client: &Arc<Client>,
        sent: &Sent,
        again: Again,
    ) -> Result<Response<ResponseBody>, SendError> {
        let may_switch = request.headers().contains_key(header::UPGRADE);
        let interim = sent.hears_interim.then(|| interim::listener(client, sent.gate.as_ref()));
        let response = send(sides.of(side), request, sent, again, interim).await?;
        if response.status() == StatusCode::SWITCHING_PROTOCOLS && !may_switch {
            let fault = Fault::protocol("it left HTTP unasked");
            return Err(SendError { fault, unsent: None, client_broke_off: false });
        }
        Ok(response)
    }
}

async fn send(
    access: &Access,
    request: Request<RequestBody>,
    sent: &Sent,
    again: Again,
    interim: Interim,
) -> Result<Response<ResponseBody>, SendError> {
    let mut send = pin!(access.pool.send(request, again, interim));
    let Some(limit) = access.upstream.timeout else { return send.await };
    let mut deadline = Instant::now() + limit;
    loop {
        if let Ok(answered) = tokio::time::timeout_at(deadline.into(), send.as_mut()).await {
            return answered;
        }
        deadline = match sent.at() {
            Some(None) => Instant::now() + limit,
            Some(Some(sent)) if sent + limit > Instant::now() => sent + limit,
            Some(Some(_)) | None => {
                let fault = Fault::timeout(limit);
                return Err(SendError { fault, unsent: None, client_broke_off: false });
            }
        };
    }
}
