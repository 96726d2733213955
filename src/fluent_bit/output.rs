//! The output plugins, each with its properties.

use super::property::{Property, nearest};
use super::table;

/// An output plugin that the sidecar can send records to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum OutputPlugin {
    Stdout,
    Forward,
    Es,
    Loki,
    Http,
    Kafka,
    S3,
}

/// A name that matches no output plugin, and the most similar one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is not an output of Fluent Bit")]
pub struct UnknownOutput {
    pub name: String,
    pub suggestion: Option<&'static str>,
}

impl OutputPlugin {
    pub const ALL: [Self; 7] =
        [Self::Stdout, Self::Forward, Self::Es, Self::Loki, Self::Http, Self::Kafka, Self::S3];

    /// Returns the plugin's name in the spelling that every version knows.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Forward => "forward",
            Self::Es => "es",
            Self::Loki => "loki",
            Self::Http => "http",
            Self::Kafka => "kafka",
            Self::S3 => "s3",
        }
    }

    /// Parses a plugin's name, ignoring letter case; `elasticsearch` is an alias of `es`.
    ///
    /// # Errors
    ///
    /// If no supported plugin has this name.
    pub fn parse(name: &str) -> Result<Self, UnknownOutput> {
        let lower = name.to_ascii_lowercase();
        if lower == "elasticsearch" {
            return Ok(Self::Es);
        }
        let found = Self::ALL.into_iter().find(|output| output.name() == lower);
        found.ok_or_else(|| UnknownOutput {
            name: name.to_owned(),
            suggestion: nearest(
                &lower,
                Self::ALL.map(Self::name).into_iter().chain(["elasticsearch"]),
            ),
        })
    }

    /// Returns the plugin's own properties, without the generic ones.
    pub fn properties(self) -> &'static [Property] {
        match self {
            Self::Stdout => table::STDOUT,
            Self::Forward => table::FORWARD,
            Self::Es => table::ES,
            Self::Loki => table::LOKI,
            Self::Http => table::HTTP,
            Self::Kafka => table::KAFKA,
            Self::S3 => table::S3,
        }
    }

    /// Returns the generic properties that Fluent Bit accepts here, with or without an effect.
    pub fn generic(self) -> impl Iterator<Item = &'static Property> {
        let tls = if self == Self::Stdout { &[] } else { table::TLS };
        table::EVERYWHERE.iter().chain(table::NETWORK).chain(tls)
    }

    /// Returns the property with a name, ignoring letter case; the plugin's own properties precede
    /// the generic ones.
    pub fn property(self, name: &str) -> Option<&'static Property> {
        let mut all = self.properties().iter().chain(self.generic());
        all.find(|property| property.name.eq_ignore_ascii_case(name))
    }

    /// Returns whether the plugin uses Fluent Bit's own connections, which `host`, `port` and
    /// `net.*` configure.
    pub fn is_network(self) -> bool {
        !matches!(self, Self::Stdout | Self::Kafka)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fluent_bit::property::PropertyKind;

    #[test]
    fn every_output_name_parses_and_elasticsearch_means_es() {
        for output in OutputPlugin::ALL {
            assert_eq!(OutputPlugin::parse(output.name()), Ok(output));
        }

        assert_eq!(OutputPlugin::parse("elasticsearch"), Ok(OutputPlugin::Es));
        assert_eq!(OutputPlugin::parse("Elasticsearch"), Ok(OutputPlugin::Es));
    }

    #[test]
    fn unknown_output_is_refused_with_nearest_name() {
        let refused = OutputPlugin::parse("elastic-serach").unwrap_err();

        assert_eq!(refused.suggestion, Some("elasticsearch"));
        assert_eq!(OutputPlugin::parse("splunk").unwrap_err().suggestion, None);
    }

    #[test]
    fn property_tables_are_consistent() {
        for output in OutputPlugin::ALL {
            let names: Vec<_> = output.properties().iter().map(|property| property.name).collect();
            for (index, name) in names.iter().enumerate() {
                assert_eq!(*name, name.to_ascii_lowercase());
                assert!(!names[..index].contains(name), "{name} stands twice in {}", output.name());
            }
            for property in output.properties().iter().chain(output.generic()) {
                let text_like = !matches!(
                    property.kind,
                    PropertyKind::Words(_)
                        | PropertyKind::Switch
                        | PropertyKind::Integer { .. }
                        | PropertyKind::Size { .. }
                        | PropertyKind::Time
                );
                assert!(
                    !property.secret || text_like,
                    "{} is a secret that cannot be one",
                    property.name
                );
            }
        }
    }

    #[test]
    fn property_tables_match_property_counts_of_real_plugins() {
        // The counts of Fluent Bit 5.1.1. Kafka's count leaves out the `rdkafka.` prefix, which has
        // a rule of its own.
        let wanted = [3, 17, 39, 21, 48, 21, 41];

        assert_eq!(OutputPlugin::ALL.map(|output| output.properties().len()), wanted);
    }

    #[test]
    fn property_lookup_ignores_case_and_stdout_lacks_tls() {
        assert_eq!(
            OutputPlugin::Http.property("HTTP_Passwd").map(|property| property.name),
            Some("http_passwd")
        );
        assert!(OutputPlugin::Forward.property("TLS.Verify").is_some());
        assert!(OutputPlugin::Stdout.property("tls").is_none());
    }
}
