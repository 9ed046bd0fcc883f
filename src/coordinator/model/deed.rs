//! What can happen, as plain values: any list of them can be carried out, so a list that found a
//! defect can be made shorter.

use super::chance::Chance;

/// Picks one of those that are there: the number modulo how many there are.
pub type Pick = u16;

#[derive(Debug, Clone, Copy)]
pub enum Deed {
    /// The coordinator turns.
    Turn,
    /// A maker or runner takes an order, makes a child, or notices its end.
    Runner(Pick),
    /// The next child takes long to be made, or can't be.
    Hang,
    Fail,
    /// A child that took long is made now.
    Release(Pick),
    /// The pump deals with so many messages.
    Pump(u8),
    /// A child ends by itself.
    Exit(Pick, u8),
    /// A child dies of the signal that it got.
    Die(Pick),
    /// A child heeds no signal but SIGKILL from now on.
    Deafen(Pick),
    /// The kernel refuses signals to a child from now on, as to one of another user.
    Refuse(Pick),
    /// Both clocks go on by milliseconds, or to the next deadline.
    Time(u16),
    ToDeadline,
    /// The clock on the wall is set, by seconds.
    Wall(i32),
    /// A listener says something.
    Says(Pick, u8),
    /// A child writes; comes as an event.
    Writes(Pick, u8),
    /// A child closes its stdin.
    Closes(Pick),
    /// Something of a start before the last comes late.
    Stale(Pick, u8),
    /// A client asks.
    Ask(Ask, Pick, bool),
    /// A client looks names up, which it asks with later.
    Look,
    /// A client goes away without its answer.
    Leave(Pick),
    /// The reader of an event stream goes away.
    Unsubscribe(Pick),
    /// A signal comes to the daemon.
    Signal(i32),
    /// The file has been read, well or not.
    Read(bool),
    /// The system has no threads to give, or has some again.
    Threads(bool),
    /// Nothing new happens for so many seconds, and everybody does what there is to do.
    Settle(u8),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    Start,
    StartAll,
    Stop,
    StopAll,
    Signal,
    SignalAll,
    Stdin,
    Remote,
    Adopt,
    AddGroup,
    RemoveGroup,
    AddPrograms,
    RemoveProcess,
    Subscribe,
    Pulse,
    ClearLog,
    ClearLogs,
    ClearAllLogs,
    Restart,
    Shutdown,
}

/// Calls, each as often as it stands here.
const ASKS: [Ask; 32] = [
    Ask::Start,
    Ask::Start,
    Ask::Start,
    Ask::Start,
    Ask::Start,
    Ask::Start,
    Ask::StartAll,
    Ask::StartAll,
    Ask::Stop,
    Ask::Stop,
    Ask::Stop,
    Ask::Stop,
    Ask::Stop,
    Ask::StopAll,
    Ask::Signal,
    Ask::Signal,
    Ask::SignalAll,
    Ask::Stdin,
    Ask::Remote,
    Ask::Adopt,
    Ask::AddGroup,
    Ask::AddGroup,
    Ask::RemoveGroup,
    Ask::RemoveGroup,
    Ask::AddPrograms,
    Ask::RemoveProcess,
    Ask::RemoveProcess,
    Ask::Subscribe,
    Ask::Pulse,
    Ask::ClearLog,
    Ask::ClearLogs,
    Ask::ClearAllLogs,
];

impl Deed {
    pub fn random(chance: &mut Chance) -> Deed {
        let pick = chance.bits() as Pick;
        let byte = chance.bits() as u8;
        match chance.below(1000) {
            0..260 => Deed::Turn,
            260..440 => Deed::Runner(pick),
            440..450 => Deed::Hang,
            450..465 => Deed::Fail,
            465..485 => Deed::Release(pick),
            485..575 => Deed::Pump(byte % 8),
            575..635 => Deed::Exit(pick, byte),
            635..685 => Deed::Die(pick),
            685..693 => Deed::Deafen(pick),
            693..695 => Deed::Refuse(pick),
            695..735 => Deed::Time(pick % 3000),
            735..765 => Deed::ToDeadline,
            765..770 => Deed::Wall(i32::from(byte) * 40 - 5000),
            770..830 => Deed::Says(pick, byte),
            830..850 => Deed::Writes(pick, byte),
            850..855 => Deed::Closes(pick),
            855..865 => Deed::Stale(pick, byte),
            865..960 => Deed::Ask(chance.of(&ASKS), pick, byte.is_multiple_of(2)),
            960..970 => Deed::Look,
            970..975 => Deed::Leave(pick),
            975..979 => Deed::Unsubscribe(pick),
            979..982 => Deed::Ask(Ask::Restart, pick, true),
            982..984 => Deed::Signal(chance.of(&[libc::SIGHUP, libc::SIGUSR2, libc::SIGCHLD])),
            984..992 => Deed::Read(!byte.is_multiple_of(4)),
            992..996 => Deed::Threads(!byte.is_multiple_of(4)),
            996..998 => Deed::Settle(byte % 60),
            _ if byte < 16 => Deed::Ask(Ask::Shutdown, pick, true),
            _ if byte < 48 => {
                Deed::Signal(chance.of(&[libc::SIGTERM, libc::SIGINT, libc::SIGQUIT]))
            }
            _ => Deed::Turn,
        }
    }
}
