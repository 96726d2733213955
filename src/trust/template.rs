//! The text of a new policy, which trusts no key yet.

use std::num::NonZeroU32;

use super::policy::{PolicyTarget, SCHEMA};

/// Returns the text of a policy without keys and grants. Parsing it checks the values.
pub fn new_policy(target: &PolicyTarget, max_age_days: Option<NonZeroU32>) -> String {
    let line = |name: &str, value: Option<String>, example: &str| match value {
        Some(value) => format!("{name} = {value}\n"),
        None => format!("# {name} = {example}\n"),
    };
    // Quotes any text for TOML. Parsing the policy then validates it.
    let quoted = |text: &str| toml_edit::Value::from(text).to_string();
    let site = line("site", target.site.as_ref().map(|site| quoted(site.as_str())), "\"plant-7\"");
    let uid = line("clusterUid", target.cluster_uid.as_deref().map(quoted), "\"…\"");
    let age = line("maxAgeDays", max_age_days.map(|days| days.to_string()), "180");
    format!(
        "# The keys that are trusted for this place, and what they may sign. Check it with `relay-bundle trust check`.\n\
         # Only its owner may have write permission for this file.\n\
         schema = \"{SCHEMA}\"\n\
         \n\
         # The identity of this place. Omitted fields are not checked.\n\
         [target]\n\
         # Bundles signed for other sites are refused.\n\
         {site}\
         # kubectl get namespace kube-system -o jsonpath='{{.metadata.uid}}'\n\
         {uid}\
         \n\
         [policy]\n\
         # The maximum age of a bundle in days.\n\
         {age}"
    )
}
