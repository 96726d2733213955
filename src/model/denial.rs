//! The structure of a rejection by an API server: codes, reasons and fields, without message texts.
//!
//! Admission policies write the texts. Remedies are chosen from this structure alone.

/// A rejected request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Denial {
    pub code: u16,
    /// The affected resource, such as `namespaces`; empty if the server does not know the path.
    pub resource: String,
    /// The fields rejected by the server's own validation; empty if anything else rejected the
    /// request.
    pub faults: Vec<FieldFault>,
}

impl Denial {
    /// Returns whether the server does not serve the kind of the object at all.
    pub fn is_of_unserved_kind(&self) -> bool {
        self.code == 404 && self.resource.is_empty()
    }
}

/// A field rejected by validation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldFault {
    pub kind: FaultKind,
    /// The field as validation spells it, such as `spec.clusterIPs[0]`.
    pub field: String,
}

/// The reason for which validation rejected a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    Invalid,
    Forbidden,
    Duplicate,
    /// A reason without a known remedy.
    Other,
}

impl FaultKind {
    /// Parses the reason of a cause; returns `None` if it is not a validation error.
    pub fn of(reason: &str) -> Option<Self> {
        match reason {
            "FieldValueInvalid" => Some(Self::Invalid),
            "FieldValueForbidden" => Some(Self::Forbidden),
            "FieldValueDuplicate" => Some(Self::Duplicate),
            other => other.starts_with("FieldValue").then_some(Self::Other),
        }
    }
}
