//! The few words an operation is told in, as the history file spells them. Pure.

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$about:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name {
            $($(#[$about])* $variant,)*
        }

        impl $name {
            /// Every one of them.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The word of the history file.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }

            /// Reads the word of the history file; `None` of any other.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|word| word.as_str() == text)
            }
        }
    };
}

words! {
    /// What is done to a resource.
    Action {
        /// A resource that was not there.
        Create = "create",
        /// Changed in place.
        Update = "update",
        /// An update for which CloudFormation makes a new physical resource.
        Replace = "replace",
        /// Removed.
        Delete = "delete",
        /// Taken over from outside.
        Import = "import",
    }
}

words! {
    /// Which part of the operation a resource's work belongs to. Their durations are kept apart.
    Phase {
        /// The change itself.
        Forward = "forward",
        /// Removing what an update has replaced, after the new version is live.
        CleanUp = "cleanup",
        /// Undoing a failed change, its own clean-up included.
        Rollback = "rollback",
    }
}

words! {
    /// How a resource's work stands.
    RunState {
        /// Begun, not ended.
        Running = "running",
        /// Ended well. Only these are durations.
        Completed = "completed",
        /// Ended badly.
        Failed = "failed",
        /// Stopped because another resource failed.
        Cancelled = "cancelled",
        /// `DELETE_SKIPPED`: kept by its deletion policy.
        Skipped = "skipped",
    }
}

words! {
    /// What was asked of the stack.
    Kind {
        /// A new stack.
        Create = "create",
        /// A change.
        Update = "update",
        /// Its removal.
        Delete = "delete",
        /// Taking over existing resources.
        Import = "import",
        /// A rollback that was asked for by itself, or whose beginning the record lacks.
        Rollback = "rollback",
    }
}

words! {
    /// How an operation ended.
    Outcome {
        /// It has not, as far as the events tell.
        Running = "running",
        /// Done as asked.
        Succeeded = "succeeded",
        /// Failed and undone.
        RolledBack = "rolled_back",
        /// Failed, and stands where it failed.
        Failed = "failed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_reads_back() {
        for action in Action::ALL {
            assert_eq!(Action::parse(action.as_str()), Some(*action));
        }
        for state in RunState::ALL {
            assert_eq!(RunState::parse(state.as_str()), Some(*state));
        }
        assert_eq!(Outcome::parse("rolled_back"), Some(Outcome::RolledBack));
        assert_eq!(Phase::parse("sideways"), None);
        assert_eq!(Kind::parse(""), None);
    }
}
