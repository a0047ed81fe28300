//! The sample service of the guide, and its replacement. They agree, but for returns of gifts
//! (`G-1042`): the replacement forgets how they are refunded.

use parallax_testkit::{Behaviour, Recorded, Reply};

/// What is on 8081.
pub(super) fn legacy() -> Behaviour {
    Behaviour::answer(|request| answer(request, r#","refund":{"method":"voucher"}"#))
}

/// What is on 8082.
pub(super) fn candidate() -> Behaviour {
    Behaviour::answer(|request| answer(request, ""))
}

fn answer(request: &Recorded, refund_of_gifts: &str) -> Reply {
    let id = request.path().rsplit('/').next().unwrap_or_default();
    if request.method == "POST" {
        return Reply::json(r#"{"return_id":"R-1"}"#).with_status(201);
    }
    if !id.starts_with("R-") && !id.starts_with("G-") {
        return Reply::json(r#"{"error":"no such return"}"#).with_status(404);
    }
    let refund = if id.starts_with("G-") { refund_of_gifts } else { r#","refund":{"method":"card"}"# };
    Reply::json(format!(r#"{{"return_id":"{id}","amount":19.90{refund}}}"#))
}
