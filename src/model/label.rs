//! The labels of our objects.

/// The program that manages an object.
pub const MANAGED_BY_LABEL: &str = "app.kubernetes.io/managed-by";
/// The installation that an object belongs to.
pub const INSTANCE_LABEL: &str = "app.kubernetes.io/instance";
pub const NAME_LABEL: &str = "app.kubernetes.io/name";
pub const COMPONENT_LABEL: &str = "app.kubernetes.io/component";
pub const PART_OF_LABEL: &str = "app.kubernetes.io/part-of";
pub const VERSION_LABEL: &str = "app.kubernetes.io/version";

/// The value of [`MANAGED_BY_LABEL`] on our objects.
pub const MANAGED_BY: &str = "relay-bundle";
/// The value of [`PART_OF_LABEL`] on our objects.
pub const PART_OF: &str = "claude-relay";
