//! The output plugins, and what is known about a property of one.

use super::table;
use super::version::Version;

/// An output plugin that the sidecar can send records to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Output {
    Stdout,
    Forward,
    Es,
    Loki,
    Http,
    Kafka,
    S3,
}

/// A name that is no output plugin, and the one that was perhaps meant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is not an output of Fluent Bit")]
pub struct UnknownOutput {
    pub name: String,
    pub suggestion: Option<&'static str>,
}

impl Output {
    pub const ALL: [Self; 7] =
        [Self::Stdout, Self::Forward, Self::Es, Self::Loki, Self::Http, Self::Kafka, Self::S3];

    /// Returns the plugin's name, in the spelling that every version knows.
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

    /// Parses a plugin's name; `elasticsearch` is another name of `es`, and letter case does not
    /// count.
    ///
    /// # Errors
    ///
    /// When there is no such plugin among those that are supported.
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

    /// Returns the properties of the plugin itself; the generic ones not included.
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

    /// Returns the generic properties that Fluent Bit accepts here, whether or not they have an
    /// effect.
    pub fn generic(self) -> impl Iterator<Item = &'static Property> {
        let tls = if self == Self::Stdout { &[] } else { table::TLS };
        table::EVERYWHERE.iter().chain(table::NETWORK).chain(tls)
    }

    /// Returns the property of that name, in any letter case; the plugin's own before a generic
    /// one.
    pub fn property(self, name: &str) -> Option<&'static Property> {
        let mut all = self.properties().iter().chain(self.generic());
        all.find(|property| property.name.eq_ignore_ascii_case(name))
    }

    /// Returns whether the plugin opens connections itself, so that `host`, `port` and `net.*` mean
    /// something.
    pub fn is_network(self) -> bool {
        !matches!(self, Self::Stdout | Self::Kafka)
    }
}

/// One property of an output.
#[derive(Clone, Copy, Debug)]
pub struct Property {
    /// Its name in the manual, in lower case.
    pub name: &'static str,
    pub kind: Kind,
    /// What Fluent Bit 5.1.1 takes when nobody says.
    pub default: Option<&'static str>,
    /// Whether its value is a credential.
    pub secret: bool,
    pub since: Since,
}

impl Property {
    /// Returns whether it may be given several times, as a list.
    pub fn multiple(&self) -> bool {
        matches!(self.kind, Kind::Header | Kind::Pair)
    }
}

/// What a property's value looks like; bounds are inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Text,
    /// A text, or `false` for none.
    TextOrFalse,
    /// A host name or address, without scheme, port and path.
    Host,
    /// Starts with a slash.
    Path,
    /// Starts with `http://` or `https://`.
    Url,
    /// Texts with commas between them.
    List,
    /// A name, a space, a value; several in a list.
    Header,
    /// A key, a space, a value; several in a list.
    Pair,
    Words(&'static [&'static str]),
    Switch,
    Integer {
        min: i64,
        max: i64,
    },
    /// Bytes, with a suffix K, M or G that counts in thousands.
    Size {
        min: i64,
        max: i64,
    },
    /// A size, or `false` for no limit.
    SizeOrFalse,
    /// Seconds, or a number with one of s, m, h, d.
    Time,
    /// A positive number, `no_limits` or `no_retries`.
    Retries,
}

/// The first version of Fluent Bit that knows a property.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    /// At or before the oldest image that is accepted.
    Always,
    Version(Version),
    /// Later than 2.2.0, at the latest in 5.1.1.
    Recent,
}

/// Returns the candidate that `name` is probably a slip of; separators and letter case do not
/// count.
pub(super) fn nearest<'a>(
    name: &str,
    candidates: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    let bare = |text: &str| text.to_ascii_lowercase().replace(['_', '.', '-', ' '], "");
    let wanted = bare(name);
    let scored = candidates
        .map(|candidate| (strsim::damerau_levenshtein(&wanted, &bare(candidate)), candidate));
    let (distance, best) = scored.min()?;
    (distance <= (wanted.len() / 4).clamp(1, 3)).then_some(best)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_output_parses_from_its_name_and_elasticsearch_is_es() {
        for output in Output::ALL {
            assert_eq!(Output::parse(output.name()), Ok(output));
        }

        assert_eq!(Output::parse("elasticsearch"), Ok(Output::Es));
        assert_eq!(Output::parse("Elasticsearch"), Ok(Output::Es));
    }

    #[test]
    fn an_unknown_output_is_refused_with_the_nearest_name() {
        let refused = Output::parse("elastic-serach").unwrap_err();

        assert_eq!(refused.suggestion, Some("elasticsearch"));
        assert_eq!(Output::parse("splunk").unwrap_err().suggestion, None);
    }

    #[test]
    fn the_tables_are_consistent() {
        for output in Output::ALL {
            let names: Vec<_> = output.properties().iter().map(|property| property.name).collect();
            for (index, name) in names.iter().enumerate() {
                assert_eq!(*name, name.to_ascii_lowercase());
                assert!(!names[..index].contains(name), "{name} stands twice in {}", output.name());
            }
            for property in output.properties().iter().chain(output.generic()) {
                let text_like = !matches!(
                    property.kind,
                    Kind::Words(_)
                        | Kind::Switch
                        | Kind::Integer { .. }
                        | Kind::Size { .. }
                        | Kind::Time
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
    fn the_tables_have_as_many_properties_as_the_real_plugins() {
        // The counts of Fluent Bit 5.1.1; of Kafka without the `rdkafka.` prefix, which is a rule
        // of its own.
        let wanted = [3, 17, 39, 21, 48, 21, 41];

        assert_eq!(Output::ALL.map(|output| output.properties().len()), wanted);
    }

    #[test]
    fn a_property_is_found_in_any_letter_case_and_tls_is_none_of_stdout() {
        assert_eq!(
            Output::Http.property("HTTP_Passwd").map(|property| property.name),
            Some("http_passwd")
        );
        assert!(Output::Forward.property("TLS.Verify").is_some());
        assert!(Output::Stdout.property("tls").is_none());
    }
}
