//! The Kubernetes file as JSON values, and what is to complain about: where its parts do not fit
//! each other, or do not fit the configuration that is in there.

use serde_json::Value;

/// How long it takes until nobody sends clients to a pod that is going, at least.
const NOTICE_S: u64 = 5;
/// What the end may take after the drain.
const MARGIN_S: u64 = 5;
/// What `drain.deadline` is where the configuration does not say.
const DEADLINE_S: u64 = 30;
/// Where the API answers probes.
const PROBED: [&str; 2] = ["/healthz", "/readyz"];

pub(crate) struct Manifests(Vec<Value>);

impl Manifests {
    pub(crate) fn read(text: &str) -> Self {
        Self(serde_saphyr::from_multiple(text).expect("YAML documents"))
    }

    /// parallax.yaml as it is in the ConfigMap.
    pub(crate) fn configuration_text(&self) -> String {
        let text = &self.of_kind("ConfigMap")["data"]["parallax.yaml"];
        text.as_str().expect("a configuration").to_owned()
    }

    /// The paths that a node asks for.
    pub(crate) fn probed_paths(&self) -> Vec<String> {
        let paths = probes(self.container()).map(|probe| probe["path"].as_str().expect("a path").to_owned());
        paths.collect()
    }

    /// What must not be so.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let mut said = Complaints::default();
        self.secure(&mut said);
        self.of_this_version(&mut said);
        self.ports(&mut said);
        self.selectors(&mut said);
        self.files(&mut said);
        self.ending(&mut said);
        said.0
    }

    fn secure(&self, said: &mut Complaints) {
        let (pod, container) = (self.pod(), self.container());
        let (for_all, own) = (&pod["securityContext"], &container["securityContext"]);
        said.unless(for_all["runAsNonRoot"] == true, "runAsNonRoot is not said");
        said.unless(for_all["runAsUser"].as_u64().is_some_and(|id| id != 0), "runAsUser is root");
        said.unless(for_all["seccompProfile"]["type"] == "RuntimeDefault", "seccomp is not the default");
        said.unless(own["readOnlyRootFilesystem"] == true, "readOnlyRootFilesystem is not said");
        said.unless(own["allowPrivilegeEscalation"] == false, "allowPrivilegeEscalation is not off");
        said.unless(own["capabilities"] == serde_json::json!({"drop": ["ALL"]}), "capabilities are left");
        said.unless(pod["automountServiceAccountToken"] == false, "automountServiceAccountToken is not off");
    }

    fn of_this_version(&self, said: &mut Complaints) {
        let image = format!("parallax:{}", env!("CARGO_PKG_VERSION"));
        said.unless(self.container()["image"] == *image, &format!("the image is not {image}"));
        said.unless(self.workload()["replicas"] == 1, "replicas: the store is one process's");
        let claim = &self.workload()["volumeClaimTemplates"][0]["spec"];
        said.unless(
            claim["accessModes"] == serde_json::json!(["ReadWriteOncePod"]),
            "accessModes: the store is one process's",
        );
        let bytes = |value: &Value| bytes(value.as_str().expect("a size"));
        let limit = bytes(&self.container()["resources"]["limits"]["memory"]);
        let queue = bytes(&self.configuration()["limits"]["queue_bytes"]);
        said.unless(limit >= 2 * queue, "the memory limit is less than twice limits.queue_bytes");
    }

    fn ports(&self, said: &mut Complaints) {
        let configuration = self.configuration();
        for (port, listen, key) in [
            ("proxy", &configuration["listen"], "listen"),
            ("control", &configuration["control"]["listen"], "control.listen"),
        ] {
            let own = self.port(port).expect("the port");
            let all = format!("0.0.0.0:{own}");
            said.unless(*listen == *all, &format!("{key} is {listen}, and the port `{port}` is {own}"));
        }
        for probe in probes(self.container()) {
            let path = probe["path"].as_str().unwrap_or_default();
            said.unless(PROBED.contains(&path), &format!("{path} answers no probe"));
            said.unless(probe["port"] == "control", &format!("{path} is not on the port {}", probe["port"]));
        }
        for service in self.all_of_kind("Service") {
            let port = service["spec"]["ports"][0]["targetPort"].as_str().expect("a name");
            said.unless(self.port(port).is_some(), &format!("the container has no port {port}"));
            let name = &service["metadata"]["name"];
            let hosts = configuration["control"]["hosts"].as_array().expect("hosts");
            let is_known = port != "control" || hosts.contains(name);
            said.unless(is_known, &format!("control.hosts does not have the Service {name}"));
        }
        for ports in self.of_kind("NetworkPolicy")["spec"]["ingress"].as_array().expect("rules") {
            let port = ports["ports"][0]["port"].as_str().expect("a name");
            said.unless(self.port(port).is_some(), &format!("the container has no port {port}"));
            let is_for_all = ports.get("from").is_none();
            said.unless(is_for_all == (port == "proxy"), &format!("the wrong ones reach the port {port}"));
        }
    }

    fn selectors(&self, said: &mut Complaints) {
        let labels = self.workload()["template"]["metadata"]["labels"].as_object().expect("labels");
        let services = self.all_of_kind("Service").map(|service| &service["spec"]["selector"]);
        let others = [
            &self.workload()["selector"]["matchLabels"],
            &self.of_kind("PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
            &self.of_kind("NetworkPolicy")["spec"]["podSelector"]["matchLabels"],
        ];
        for selector in services.chain(others) {
            let selector = selector.as_object().expect("a selector");
            let fits = selector.iter().all(|(key, value)| labels.get(key) == Some(value));
            said.unless(fits && !selector.is_empty(), &format!("{selector:?} selects no pod of ours"));
        }
        let names: Vec<&Value> =
            self.all_of_kind("Service").map(|service| &service["metadata"]["name"]).collect();
        said.unless(names.contains(&&self.workload()["serviceName"]), "serviceName is no Service");
    }

    fn files(&self, said: &mut Complaints) {
        let arguments = self.container()["args"].as_array().expect("arguments");
        let path = arguments.last().and_then(Value::as_str).expect("a path");
        let directory = self.mount("configuration").expect("a mount");
        let mounted = format!("{directory}/parallax.yaml");
        said.unless(path == mounted, &format!("{path} is asked for and {mounted} is there"));
        let configuration = self.configuration();
        for token in configuration["control"]["tokens"].as_array().expect("tokens") {
            let file =
                token["token"].as_str().and_then(|token| token.strip_prefix("file:")).unwrap_or_default();
            let is_mounted = self.mount("tokens").is_some_and(|at| file.starts_with(&format!("{at}/")));
            said.unless(is_mounted, &format!("{file} is not mounted"));
        }
        let store =
            configuration["store"].as_str().and_then(|url| url.strip_prefix("sqlite://")).unwrap_or_default();
        let is_kept = self.mount("store").is_some_and(|at| store.starts_with(&format!("{at}/")));
        said.unless(is_kept, &format!("the store {store} is not on the volume"));
    }

    fn ending(&self, said: &mut Complaints) {
        let drain = &self.configuration()["drain"];
        let before = self.container()["lifecycle"]["preStop"]["sleep"]["seconds"].as_u64().unwrap_or(0);
        let notice = before + seconds(&drain["delay"]).unwrap_or(0);
        said.unless(notice >= NOTICE_S, "there is no time to notice that the pod is going");
        let needed = notice + seconds(&drain["deadline"]).unwrap_or(DEADLINE_S) + MARGIN_S;
        let granted = self.pod()["terminationGracePeriodSeconds"].as_u64().expect("seconds");
        said.unless(granted >= needed, &format!("terminationGracePeriodSeconds is not {needed}"));
    }

    fn configuration(&self) -> Value {
        serde_saphyr::from_str(&self.configuration_text()).expect("YAML")
    }

    fn all_of_kind(&self, kind: &str) -> impl Iterator<Item = &Value> {
        let kind = kind.to_owned();
        self.0.iter().filter(move |object| object["kind"] == *kind)
    }

    fn of_kind(&self, kind: &str) -> &Value {
        self.all_of_kind(kind).next().unwrap_or_else(|| panic!("no {kind}"))
    }

    fn workload(&self) -> &Value {
        &self.of_kind("StatefulSet")["spec"]
    }

    fn pod(&self) -> &Value {
        &self.workload()["template"]["spec"]
    }

    fn container(&self) -> &Value {
        &self.pod()["containers"][0]
    }

    fn port(&self, name: &str) -> Option<u64> {
        let ports = self.container()["ports"].as_array().expect("ports");
        ports.iter().find(|port| port["name"] == *name)?["containerPort"].as_u64()
    }

    fn mount(&self, name: &str) -> Option<&str> {
        let mounts = self.container()["volumeMounts"].as_array().expect("mounts");
        mounts.iter().find(|mount| mount["name"] == *name)?["mountPath"].as_str()
    }
}

#[derive(Default)]
struct Complaints(Vec<String>);

impl Complaints {
    fn unless(&mut self, holds: bool, complaint: &str) {
        if !holds {
            self.0.push(complaint.to_owned());
        }
    }
}

fn probes(container: &Value) -> impl Iterator<Item = &Value> {
    ["startupProbe", "readinessProbe", "livenessProbe"].into_iter().map(|name| &container[name]["httpGet"])
}

fn bytes(text: &str) -> u64 {
    let end = text.find(|sign: char| !sign.is_ascii_digit()).expect("a unit");
    let number: u64 = text[..end].parse().expect("a number");
    match &text[end..] {
        "Mi" | "MiB" => number << 20,
        "Gi" | "GiB" => number << 30,
        unit => panic!("{unit} is not expected here"),
    }
}

fn seconds(value: &Value) -> Option<u64> {
    value.as_str()?.strip_suffix('s')?.parse().ok()
}
