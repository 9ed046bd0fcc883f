//! The kinds of events and how they descend from each other, as in the reference's `EventTypes`.
//!
//! Plain values; any thread. Nothing here knows what an event carries.

use crate::coordinator::inbox::Channel;
use crate::machine::State;

/// A kind of event. Abstract kinds stand for all below them and are never sent themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum EventType {
    /// `EVENT`: everything (abstract).
    Event,
    /// `PROCESS_STATE` (abstract).
    ProcessState,
    /// `PROCESS_STATE_STOPPED`
    ProcessStateStopped,
    /// `PROCESS_STATE_EXITED`
    ProcessStateExited,
    /// `PROCESS_STATE_STARTING`
    ProcessStateStarting,
    /// `PROCESS_STATE_STOPPING`
    ProcessStateStopping,
    /// `PROCESS_STATE_BACKOFF`
    ProcessStateBackoff,
    /// `PROCESS_STATE_FATAL`
    ProcessStateFatal,
    /// `PROCESS_STATE_RUNNING`
    ProcessStateRunning,
    /// `PROCESS_STATE_UNKNOWN`
    ProcessStateUnknown,
    /// `PROCESS_COMMUNICATION` (abstract).
    ProcessCommunication,
    /// `PROCESS_COMMUNICATION_STDOUT`
    ProcessCommunicationStdout,
    /// `PROCESS_COMMUNICATION_STDERR`
    ProcessCommunicationStderr,
    /// `PROCESS_LOG` (abstract).
    ProcessLog,
    /// `PROCESS_LOG_STDOUT`
    ProcessLogStdout,
    /// `PROCESS_LOG_STDERR`
    ProcessLogStderr,
    /// `REMOTE_COMMUNICATION`
    RemoteCommunication,
    /// `SUPERVISOR_STATE_CHANGE` (abstract).
    SupervisorStateChange,
    /// `SUPERVISOR_STATE_CHANGE_RUNNING`
    SupervisorStateChangeRunning,
    /// `SUPERVISOR_STATE_CHANGE_STOPPING`
    SupervisorStateChangeStopping,
    /// `TICK` (abstract).
    Tick,
    /// `TICK_5`
    Tick5,
    /// `TICK_60`
    Tick60,
    /// `TICK_3600`
    Tick3600,
    /// `PROCESS_GROUP` (abstract).
    ProcessGroup,
    /// `PROCESS_GROUP_ADDED`
    ProcessGroupAdded,
    /// `PROCESS_GROUP_REMOVED`
    ProcessGroupRemoved,
}

use EventType as T;

impl EventType {
    /// How many kinds there are; `kind as usize` is below this.
    pub const COUNT: usize = Self::ALL.len();

    /// All kinds, in the order of their numbers.
    pub const ALL: [EventType; 27] = [
        T::Event,
        T::ProcessState,
        T::ProcessStateStopped,
        T::ProcessStateExited,
        T::ProcessStateStarting,
        T::ProcessStateStopping,
        T::ProcessStateBackoff,
        T::ProcessStateFatal,
        T::ProcessStateRunning,
        T::ProcessStateUnknown,
        T::ProcessCommunication,
        T::ProcessCommunicationStdout,
        T::ProcessCommunicationStderr,
        T::ProcessLog,
        T::ProcessLogStdout,
        T::ProcessLogStderr,
        T::RemoteCommunication,
        T::SupervisorStateChange,
        T::SupervisorStateChangeRunning,
        T::SupervisorStateChangeStopping,
        T::Tick,
        T::Tick5,
        T::Tick60,
        T::Tick3600,
        T::ProcessGroup,
        T::ProcessGroupAdded,
        T::ProcessGroupRemoved,
    ];

    /// The name in `events=` and in the `eventname` of a header.
    pub fn name(self) -> &'static str {
        match self {
            T::Event => "EVENT",
            T::ProcessState => "PROCESS_STATE",
            T::ProcessStateStopped => "PROCESS_STATE_STOPPED",
            T::ProcessStateExited => "PROCESS_STATE_EXITED",
            T::ProcessStateStarting => "PROCESS_STATE_STARTING",
            T::ProcessStateStopping => "PROCESS_STATE_STOPPING",
            T::ProcessStateBackoff => "PROCESS_STATE_BACKOFF",
            T::ProcessStateFatal => "PROCESS_STATE_FATAL",
            T::ProcessStateRunning => "PROCESS_STATE_RUNNING",
            T::ProcessStateUnknown => "PROCESS_STATE_UNKNOWN",
            T::ProcessCommunication => "PROCESS_COMMUNICATION",
            T::ProcessCommunicationStdout => "PROCESS_COMMUNICATION_STDOUT",
            T::ProcessCommunicationStderr => "PROCESS_COMMUNICATION_STDERR",
            T::ProcessLog => "PROCESS_LOG",
            T::ProcessLogStdout => "PROCESS_LOG_STDOUT",
            T::ProcessLogStderr => "PROCESS_LOG_STDERR",
            T::RemoteCommunication => "REMOTE_COMMUNICATION",
            T::SupervisorStateChange => "SUPERVISOR_STATE_CHANGE",
            T::SupervisorStateChangeRunning => "SUPERVISOR_STATE_CHANGE_RUNNING",
            T::SupervisorStateChangeStopping => "SUPERVISOR_STATE_CHANGE_STOPPING",
            T::Tick => "TICK",
            T::Tick5 => "TICK_5",
            T::Tick60 => "TICK_60",
            T::Tick3600 => "TICK_3600",
            T::ProcessGroup => "PROCESS_GROUP",
            T::ProcessGroupAdded => "PROCESS_GROUP_ADDED",
            T::ProcessGroupRemoved => "PROCESS_GROUP_REMOVED",
        }
    }

    /// The kind directly above; `EVENT` has none.
    pub fn parent(self) -> Option<EventType> {
        match self {
            T::Event => None,
            T::ProcessState
            | T::ProcessCommunication
            | T::ProcessLog
            | T::RemoteCommunication
            | T::SupervisorStateChange
            | T::Tick
            | T::ProcessGroup => Some(T::Event),
            T::ProcessStateStopped
            | T::ProcessStateExited
            | T::ProcessStateStarting
            | T::ProcessStateStopping
            | T::ProcessStateBackoff
            | T::ProcessStateFatal
            | T::ProcessStateRunning
            | T::ProcessStateUnknown => Some(T::ProcessState),
            T::ProcessCommunicationStdout | T::ProcessCommunicationStderr => {
                Some(T::ProcessCommunication)
            }
            T::ProcessLogStdout | T::ProcessLogStderr => Some(T::ProcessLog),
            T::SupervisorStateChangeRunning | T::SupervisorStateChangeStopping => {
                Some(T::SupervisorStateChange)
            }
            T::Tick5 | T::Tick60 | T::Tick3600 => Some(T::Tick),
            T::ProcessGroupAdded | T::ProcessGroupRemoved => Some(T::ProcessGroup),
        }
    }

    /// The kind of exactly that name, in capitals.
    pub fn from_name(name: &str) -> Option<EventType> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The kind that an entry of `events=` means: blanks around it and its case do not matter.
    pub fn parse(entry: &str) -> Option<EventType> {
        Self::from_name(&entry.trim().to_uppercase())
    }

    /// The sentence that a name is none, with those that are.
    pub fn unknown(name: &str) -> String {
        let known = Self::ALL.map(EventType::name).join(", ");
        format!("there is no type of events {name:?}; there are {known}")
    }

    /// Whether a listener for `other` gets events of this kind.
    pub fn is_a(self, other: EventType) -> bool {
        let mut kind = Some(self);
        while let Some(k) = kind {
            if k == other {
                return true;
            }
            kind = k.parent();
        }
        false
    }

    /// What is sent when a process comes to that state.
    pub fn of_state(state: State) -> EventType {
        match state {
            State::Stopped => T::ProcessStateStopped,
            State::Starting => T::ProcessStateStarting,
            State::Running => T::ProcessStateRunning,
            State::Backoff => T::ProcessStateBackoff,
            State::Stopping => T::ProcessStateStopping,
            State::Exited => T::ProcessStateExited,
            State::Fatal => T::ProcessStateFatal,
            State::Unknown => T::ProcessStateUnknown,
        }
    }

    /// PROCESS_LOG of a stream.
    pub fn of_log(channel: Channel) -> EventType {
        match channel {
            Channel::Stdout => T::ProcessLogStdout,
            Channel::Stderr => T::ProcessLogStderr,
        }
    }

    /// PROCESS_COMMUNICATION of a stream.
    pub fn of_communication(channel: Channel) -> EventType {
        match channel {
            Channel::Stdout => T::ProcessCommunicationStdout,
            Channel::Stderr => T::ProcessCommunicationStderr,
        }
    }
}

/// A set of kinds to listen for; a kind in it brings all below it. One word, so that asking whether
/// anybody wants an event costs nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct TypeSet(u32);

const _: () = assert!(EventType::COUNT <= 32);

impl TypeSet {
    /// Nothing.
    pub const NONE: TypeSet = TypeSet(0);

    /// One kind and all below it.
    pub fn of(kind: EventType) -> TypeSet {
        let below = EventType::ALL.into_iter().filter(|k| k.is_a(kind));
        TypeSet(below.fold(0, |bits, k| bits | 1 << k as u32))
    }

    /// From entries of `events=`. Unknown ones add nothing: the configuration has refused them.
    pub fn from_names<S: AsRef<str>>(names: &[S]) -> TypeSet {
        names.iter().filter_map(|name| EventType::parse(name.as_ref())).collect()
    }

    /// Both together.
    pub fn union(self, other: TypeSet) -> TypeSet {
        TypeSet(self.0 | other.0)
    }

    /// Whether events of that kind are wanted.
    pub fn contains(self, kind: EventType) -> bool {
        self.0 & 1 << kind as u32 != 0
    }

    /// Whether nothing is wanted.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl FromIterator<EventType> for TypeSet {
    fn from_iter<I: IntoIterator<Item = EventType>>(kinds: I) -> TypeSet {
        kinds.into_iter().fold(TypeSet::NONE, |set, kind| set.union(TypeSet::of(kind)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_follow_the_list() {
        for (i, kind) in EventType::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, i);
        }
    }

    #[test]
    fn names_lead_back_to_their_kind() {
        for kind in EventType::ALL {
            assert_eq!(EventType::from_name(kind.name()), Some(kind));
        }
    }

    #[test]
    fn a_name_begins_with_its_parents_name() {
        for kind in EventType::ALL {
            match kind.parent() {
                None => assert_eq!(kind, EventType::Event),
                Some(EventType::Event) => {}
                Some(parent) => {
                    assert!(kind.name().starts_with(&format!("{}_", parent.name())), "{kind:?}");
                }
            }
        }
    }

    #[test]
    fn entries_of_the_option_ignore_case_and_blanks() {
        assert_eq!(EventType::parse(" process_State_running "), Some(T::ProcessStateRunning));
        assert_eq!(EventType::parse("tick_5"), Some(T::Tick5));
        assert_eq!(EventType::parse(""), None);
        assert_eq!(EventType::parse("TICK_6"), None);
        assert_eq!(EventType::from_name("tick_5"), None);
    }

    #[test]
    fn event_is_everything() {
        let all = TypeSet::of(T::Event);
        for kind in EventType::ALL {
            assert!(kind.is_a(T::Event));
            assert!(all.contains(kind));
            assert!(!TypeSet::NONE.contains(kind));
        }
    }

    #[test]
    fn a_set_holds_what_is_below_and_nothing_beside() {
        let set = TypeSet::from_names(&["process_log", "TICK_60", "nonsense"]);
        let held: Vec<_> = EventType::ALL.into_iter().filter(|k| set.contains(*k)).collect();
        assert_eq!(held, [T::ProcessLog, T::ProcessLogStdout, T::ProcessLogStderr, T::Tick60]);
        assert!(!T::ProcessLog.is_a(T::ProcessLogStdout));
        assert!(TypeSet::NONE.is_empty() && !set.is_empty());
    }
}
