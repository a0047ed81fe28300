//! The demo as it runs: both services, the program between them, and what its API says.

use std::time::Duration;

use bytes::Bytes;
use http::header::HOST;
use http::{HeaderValue, Request, StatusCode};
use http_body_util::Full;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::client::{Client, ClientError};
use super::report::{Finding, OperationRow, SignatureRow, findings};
use super::traffic::{Load, Traffic};
use super::{SEED, Services, config, traffic};
use crate::app::{Running, StartError};
use crate::config::ConfigErrors;

/// How long the last checks may take to come to an outcome: a little more than a copy's timeout.
const SETTLES_WITHIN: Duration = Duration::from_secs(15);
/// How often it is looked whether they have.
const LOOK: Duration = Duration::from_millis(50);

/// Why there is no demo, or no report of it.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// A sample service has no port or no thread.
    #[error("cannot start the sample services: {0}")]
    Services(#[source] std::io::Error),
    /// The demo's own configuration is refused.
    #[error("the demo's configuration is refused: {0}")]
    Config(#[from] ConfigErrors),
    /// The program does not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The API gives no answer.
    #[error("GET {path} on the control listener: {reason}")]
    Api {
        /// What was asked for.
        path: String,
        /// What came instead.
        reason: String,
    },
}

/// Both sample services with the program between them, running.
pub struct Live {
    running: Running,
    api: Client,
    services: Services,
}

/// What the API said about the operations, and the faults that follow from it.
#[derive(Debug)]
pub struct Report {
    /// The operations in their order.
    pub operations: Vec<OperationRow>,
    /// Their faults.
    pub findings: Vec<Finding>,
}

impl Live {
    /// Starts all of it on free ports.
    ///
    /// # Errors
    /// When something cannot be started.
    pub async fn start() -> Result<Self, DemoError> {
        let services = Services::start().map_err(DemoError::Services)?;
        let text = config(&services.legacy_url(), &services.candidate_url());
        let settings = crate::config::parse(&text, "parallax demo", &|_| None)?;
        let running = Running::start(settings).await?;
        let api = Client::new(&running.control.to_string());
        Ok(Self { running, api, services })
    }

    /// Where the sample services listen: legacy, candidate.
    #[must_use]
    pub fn services(&self) -> &Services {
        &self.services
    }

    /// Where customers connect.
    #[must_use]
    pub fn proxy_url(&self) -> String {
        format!("http://{}", self.running.proxy)
    }

    /// Where the page and the API are.
    #[must_use]
    pub fn control_url(&self) -> String {
        format!("http://{}", self.running.control)
    }

    /// Lets the customers in; `tell` hears of the progress.
    pub async fn traffic(&self, rate: u32, duration: Duration, tell: impl FnMut(&Traffic)) -> Traffic {
        let load = Load { authority: self.running.proxy.to_string(), rate, duration, seed: SEED };
        traffic::run(&load, tell).await
    }

    /// The operations as they are now.
    ///
    /// # Errors
    /// When the API gives no answer.
    pub async fn operations(&self) -> Result<Vec<OperationRow>, DemoError> {
        self.get("/api/v1/operations").await
    }

    /// Waits for the last checks and reports what was found.
    ///
    /// # Errors
    /// When the API gives no answer.
    pub async fn report(&self) -> Result<Report, DemoError> {
        let operations = self.settled().await?;
        let mut found = Vec::new();
        for operation in &operations {
            let path = format!("/api/v1/operations/{}/signatures", operation.id);
            let mut signatures = Vec::new();
            for listed in self.get::<Vec<Listed>>(&path).await? {
                let path = format!("/api/v1/signatures/{}", listed.id);
                signatures.push(self.get::<SignatureRow>(&path).await?);
            }
            found.extend(findings(operation, &signatures));
        }
        Ok(Report { operations, findings: found })
    }

    /// Ends all of it; what is under way is finished first.
    pub async fn stop(self) {
        self.running.stop().await;
    }

    async fn settled(&self) -> Result<Vec<OperationRow>, DemoError> {
        let deadline = Instant::now() + SETTLES_WITHIN;
        loop {
            let operations = self.operations().await?;
            let open: u64 = operations.iter().map(|operation| operation.counts.in_flight).sum();
            if open == 0 || Instant::now() > deadline {
                return Ok(operations);
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, DemoError> {
        let error = |reason: String| DemoError::Api { path: path.to_owned(), reason };
        let request = self.request(path).map_err(|reason| error(reason.to_string()))?;
        let answered =
            self.api.ask(request).await.map_err(|reason: ClientError| error(reason.to_string()))?;
        match answered {
            (StatusCode::OK, body) => {
                serde_json::from_slice(&body).map_err(|reason| error(reason.to_string()))
            }
            (status, body) => Err(error(format!("{status}: {}", String::from_utf8_lossy(&body)))),
        }
    }

    fn request(&self, path: &str) -> Result<Request<Full<Bytes>>, http::Error> {
        let host = HeaderValue::try_from(self.running.control.to_string())?;
        Request::get(path).header(HOST, host).body(Full::default())
    }
}

/// A signature in the list of its operation: its samples are asked for one by one.
#[derive(Debug, serde::Deserialize)]
struct Listed {
    id: String,
}
