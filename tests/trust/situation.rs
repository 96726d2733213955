//! A bundle at the gate, with everything that its verification may depend on, in one value.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::LazyLock;

use relay_bundle::model::digest::Digest;
use relay_bundle::model::timestamp::Timestamp;
use relay_bundle::trust::key::{KeyId, PrivateKey};
use relay_bundle::trust::policy::{Policy, PolicyTarget};
use relay_bundle::trust::state::State;
use relay_bundle::trust::statement::Statement;
use relay_bundle::trust::terms::{Authority, Purpose, VerifyTerms};

use super::world::{ACCEPTED, Content, DEV, ISSUED, Step, code_of, key, time, verify_until};

pub(crate) const HOUR: i64 = 3600;
pub(crate) const DAY: i64 = 24 * HOUR;

/// The signers: two keys of the builder, one of the approver, and an unknown key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Who {
    Builder,
    BuildersOther,
    Approver,
    Stranger,
}

pub(crate) const EVERYBODY: [Who; 4] =
    [Who::Builder, Who::BuildersOther, Who::Approver, Who::Stranger];
pub(crate) const TRUSTED: [Who; 3] = [Who::Builder, Who::BuildersOther, Who::Approver];

static KEYS: LazyLock<[PrivateKey; 4]> = LazyLock::new(|| [1, 2, 3, 4].map(key));
/// The id of each key, and its line in a policy.
static PUBLIC: LazyLock<[(KeyId, String); 4]> =
    LazyLock::new(|| KEYS.each_ref().map(|key| (key.public().id(), key.public().to_base64())));
/// The statement about the bundle by default.
static PLAIN: LazyLock<Statement> = LazyLock::new(|| DEV.statement());

impl Who {
    fn key(self) -> &'static PrivateKey {
        &KEYS[self as usize]
    }

    pub(crate) fn holder(self) -> &'static str {
        match self {
            Self::Builder | Self::BuildersOther => "builder",
            Self::Approver => "approver",
            Self::Stranger => "stranger",
        }
    }
}

/// A key's entry in the policy. Times are in seconds relative to the default time of issue.
#[derive(Clone, Debug)]
pub(crate) struct KeyLine {
    pub status: &'static str,
    pub not_before: Option<i64>,
    pub not_after: Option<i64>,
}

#[derive(Clone, Debug)]
pub(crate) struct GrantLine {
    pub profile: &'static str,
    pub environment: &'static str,
    /// `None` means any namespace.
    pub namespace: Option<&'static str>,
    pub keys: Vec<Who>,
    pub threshold: u32,
    pub min_serial: u64,
}

/// An accepted bundle in the state, under the policy's site.
#[derive(Clone, Debug)]
pub(crate) struct Before {
    /// For the same bundle, profile and namespace.
    pub same_place: bool,
    pub same_content: bool,
    pub serial: u64,
    pub issued: i64,
}

#[derive(Clone, Debug)]
pub(crate) struct Situation {
    // The statement and its signers.
    pub signers: Vec<Who>,
    pub serial: u64,
    pub issued: i64,
    pub expires: Option<i64>,
    pub sites: Vec<&'static str>,
    // The policy.
    pub site: Option<&'static str>,
    pub max_age_days: Option<u32>,
    pub keys: BTreeMap<Who, KeyLine>,
    pub grants: Vec<GrantLine>,
    pub revoked_content: bool,
    // The operator's machine.
    pub before: Vec<Before>,
    pub now: i64,
    pub deployed: bool,
}

impl Default for Situation {
    /// Signed by the builder an hour ago, under a policy that requires one signature: accepted.
    fn default() -> Self {
        let line = KeyLine { status: "active", not_before: None, not_after: None };
        Self {
            signers: vec![Who::Builder],
            serial: 100,
            issued: 0,
            expires: None,
            sites: Vec::new(),
            site: None,
            max_age_days: None,
            keys: TRUSTED.into_iter().map(|who| (who, line.clone())).collect(),
            grants: vec![grant(1)],
            revoked_content: false,
            before: Vec::new(),
            now: HOUR,
            deployed: false,
        }
    }
}

/// Returns a grant of the development profile to all known keys.
pub(crate) fn grant(threshold: u32) -> GrantLine {
    GrantLine {
        profile: "dev",
        environment: "dev",
        namespace: None,
        keys: TRUSTED.to_vec(),
        threshold,
        min_serial: 0,
    }
}

pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(time(ISSUED).seconds().checked_add_signed(seconds).unwrap()).unwrap()
}

fn quoted<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<String> =
        items.into_iter().map(|item| format!("\"{}\"", item.to_string())).collect();
    format!("[{}]", items.join(", "))
}

impl Situation {
    pub(crate) fn statement(&self) -> Statement {
        let mut statement = PLAIN.clone();
        let predicate = &mut statement.predicate;
        (predicate.serial, predicate.issued) = (self.serial, at(self.issued));
        predicate.expires = self.expires.map(at);
        predicate.sites = self.sites.iter().map(|site| site.parse().unwrap()).collect();
        statement
    }

    pub(crate) fn policy_text(&self) -> String {
        let mut text = "schema = \"relay-bundle/trust/v1\"\n".to_owned();
        let mut line = |line: std::fmt::Arguments<'_>| writeln!(text, "{line}").unwrap();
        if let Some(site) = self.site {
            line(format_args!("[target]\nsite = \"{site}\""));
        }
        if let Some(days) = self.max_age_days {
            line(format_args!("[policy]\nmaxAgeDays = {days}"));
        }
        for (who, KeyLine { status, not_before, not_after }) in &self.keys {
            let ((id, base64), holder) = (&PUBLIC[*who as usize], who.holder());
            line(format_args!(
                "[[key]]\nid = \"{id}\"\npublic = \"{base64}\"\nholder = \"{holder}\""
            ));
            line(format_args!("status = \"{status}\""));
            for (name, time) in [("notBefore", not_before), ("notAfter", not_after)] {
                if let Some(time) = time {
                    line(format_args!("{name} = \"{}\"", at(*time)));
                }
            }
        }
        let bundle = &PLAIN.predicate.bundle;
        for GrantLine { profile, environment, namespace, keys, threshold, min_serial } in
            &self.grants
        {
            let keys = quoted(keys.iter().map(|who| PUBLIC[*who as usize].0));
            line(format_args!("[[grant]]\nbundles = [\"{bundle}\"]\nprofiles = [\"{profile}\"]"));
            line(format_args!("environments = [\"{environment}\"]\nkeys = {keys}"));
            if let Some(namespace) = namespace {
                line(format_args!("namespaces = [\"{namespace}\"]"));
            }
            line(format_args!("threshold = {threshold}\nminSerial = {min_serial}"));
        }
        if self.revoked_content {
            line(format_args!("[[revokedContent]]\nsha256 = \"{}\"", PLAIN.content_id));
        }
        text
    }

    pub(crate) fn state(&self) -> State {
        let mut state = State::default();
        let target =
            PolicyTarget { site: self.site.map(|site| site.parse().unwrap()), cluster_uid: None };
        for Before { same_place, same_content, serial, issued } in &self.before {
            let mut statement = PLAIN.clone();
            (statement.predicate.serial, statement.predicate.issued) = (*serial, at(*issued));
            if !same_place {
                statement.predicate.namespace = "elsewhere".parse().unwrap();
            }
            if !same_content {
                statement.content_id = Digest::of(b"another content");
            }
            state.accept(&statement, &target, at(*issued));
        }
        state
    }

    /// Adds the attestation of this situation to some content.
    pub(crate) fn attested(&self, content: Content) -> Content {
        let keys: Vec<&PrivateKey> = self.signers.iter().map(|who| who.key()).collect();
        content.signed(&self.statement(), &keys)
    }

    pub(crate) fn terms<'a>(&self, policy: &'a Policy, state: &'a State) -> VerifyTerms<'a> {
        let purpose = if self.deployed { Purpose::Deployed } else { Purpose::Install };
        VerifyTerms { authority: Authority::Policy(policy, state), purpose, now: at(self.now) }
    }

    /// Returns the outcome for the whole bundle; a refused one must not be read beyond its
    /// attestation.
    pub(crate) fn outcome(&self, wanted: &str) -> &'static str {
        let (policy, state) = (Policy::parse(&self.policy_text()).unwrap(), self.state());
        let until = if wanted == ACCEPTED { Step::Files } else { Step::Attestation };
        code_of(&verify_until(&self.attested(DEV.clone()), &self.terms(&policy, &state), until))
    }
}
